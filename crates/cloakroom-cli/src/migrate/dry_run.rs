//! `--dry-run`: what the source holds, by form. The target is not opened.

use std::time::SystemTime;

use cloakroom::Timestamp;
use cloakroom::record::UserKeys;
use cloakroom::store::{AnyStore, ENDLESS, Store as _};
use serde::Serialize;

use super::ends::patiently;
use super::grouped::grouped;
use super::hashed::looks_hashed;
use super::mover::PAGE;
use crate::output::{print, print_json};
use crate::problem::Problem;
use crate::sessions::open::failed;

/// The sessions of a store, by form.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Census {
    sessions: u64,
    of_users: u64,
    endless: u64,
    expired: u64,
    unreadable: u64,
    with_hashed_ids: u64,
    bytes: u64,
}

/// Reads the source, and prints what would be moved.
pub(super) async fn dry_run(source: &AnyStore, keys: &UserKeys, json: bool) -> Result<(), Problem> {
    let (mut census, mut cursor) = (Census::default(), None::<String>);
    let now = Timestamp::from(SystemTime::now());
    loop {
        let page = patiently(|| source.scan_records(cursor.as_deref(), PAGE));
        let page = page.await.map_err(|error| failed(&error))?;
        for (id, stored) in page.records {
            census.sessions += 1;
            census.with_hashed_ids += u64::from(looks_hashed(&id));
            let Ok(stored) = stored else {
                census.unreadable += 1;
                continue;
            };
            census.bytes += stored.text.len() as u64;
            census.of_users += u64::from(keys.user_of(&stored.text).is_some());
            census.endless += u64::from(stored.expires >= ENDLESS);
            census.expired += u64::from(stored.expires <= now);
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    if json {
        return print_json(&census);
    }
    print(&census.table())
}

impl Census {
    fn table(&self) -> String {
        let rows = [
            ("sessions", self.sessions),
            ("of a user who is signed in", self.of_users),
            ("without an end (see --endless)", self.endless),
            ("expired meanwhile", self.expired),
            ("unreadable, not to be moved", self.unreadable),
            ("with ids that look hashed", self.with_hashed_ids),
            ("bytes", self.bytes),
        ];
        let rows = rows.map(|(name, count)| format!("{name:<33}{:>13}\n", grouped(count)));
        rows.concat() + "nothing was changed; leave out --dry-run to move them\n"
    }
}
