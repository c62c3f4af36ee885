//! The last stage: what the store has of a session. Nothing is changed.

use std::path::Path;
use std::time::Duration;

use cloakroom::record::{RecordFacts, UserKeys};
use cloakroom::store::{AnyStore, RetiredId, Store as _, StoreErrorKind, StoreOptions};
use cloakroom::{SessionId, Timestamp};
use humantime::format_duration;

use super::situation::Finding;
use super::situations::session as table;
use crate::problem::{Problem, with_causes};

/// Prefixes of keys in Redis that session libraries have by default.
const PREFIXES: [&str; 4] = ["sess:", "session:", "connect:", ""];

/// The result of a look under an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Record {
        facts: RecordFacts,
        expires: Timestamp,
        user: Option<String>,
    },
    Unreadable(String),
    Retired(RetiredId),
    /// Under the hash of the id.
    Hashed,
    /// Under another prefix.
    UnderPrefix(String),
    Nothing,
    Failed(String),
}

/// Decides on what was found; `own` is the realm of the layer that has this cookie's name.
pub(super) fn judge(
    found: &Found,
    own: Option<&str>,
    prefix: &str,
    now: Timestamp,
) -> Vec<Finding> {
    let one = match found {
        Found::Record {
            facts,
            expires,
            user,
        } => {
            return record(facts, *expires, user.as_deref(), own, now);
        }
        Found::Unreadable(reason) => table::UNREADABLE.with("reason", reason),
        Found::Retired(RetiredId::Closed) => table::CLOSED.found(),
        Found::Retired(RetiredId::Renewed(_)) => table::RENEWED.found(),
        Found::Hashed => table::HASHED.found(),
        Found::UnderPrefix(found) => {
            let shown = |prefix: &str| format!("\"{prefix}\"");
            table::OTHER_PREFIX
                .with("found", shown(found))
                .with("prefix", shown(prefix))
        }
        Found::Nothing => table::UNKNOWN.found(),
        Found::Failed(reason) => table::STORE_FAILED.with("reason", reason),
    };
    vec![one]
}

fn record(
    facts: &RecordFacts,
    expires: Timestamp,
    user: Option<&str>,
    own: Option<&str>,
    now: Timestamp,
) -> Vec<Finding> {
    if facts.realm.is_some() && facts.realm.as_deref() != own {
        let realm = facts.realm.as_deref().unwrap_or_default();
        let own = own.unwrap_or("none");
        return vec![table::OTHER_REALM.with("realm", realm).with("own", own)];
    }
    if let Some(deadline) = facts.deadline.filter(|deadline| *deadline <= now) {
        return vec![table::DEADLINE_PASSED.with("ago", time(now.since(deadline)))];
    }
    let ends = facts
        .deadline
        .map_or(expires, |deadline| deadline.min(expires));
    let since = facts
        .created
        .map(|created| format!(", since {} ago", time(now.since(created))));
    let user = user.map(|user| format!(", of user {user}"));
    let mut found = Vec::new();
    if let Some(own) = facts.expires.filter(|own| *own <= now) {
        found.push(table::RECORD_EXPIRED.with("ago", time(now.since(own))));
    }
    found.push(
        table::LIVE
            .with("user", user.unwrap_or_default())
            .with("since", since.unwrap_or_default())
            .with("left", time(ends.since(now))),
    );
    found
}

/// Writes a time with its two largest units.
fn time(time: Duration) -> String {
    let text = format_duration(Duration::from_secs(time.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Looks an id up in the store at `url`; a store that cannot be opened is a finding as well.
pub(super) async fn look_up(
    url: &str,
    prefix: Option<&str>,
    id: &SessionId,
) -> Result<Found, Problem> {
    require_file(url)?;
    let store = match connect(url, prefix).await {
        Ok(store) => store,
        Err(reason) => return Ok(Found::Failed(reason)),
    };
    match in_store(&store, id).await {
        Found::Nothing => Ok(elsewhere(url, prefix, &store, id).await),
        found => Ok(found),
    }
}

/// Refuses a SQLite file that is not there, which connecting would make.
fn require_file(url: &str) -> Result<(), Problem> {
    let Some(path) = url.strip_prefix("sqlite:") else {
        return Ok(());
    };
    let path = path.split('?').next().unwrap_or(path);
    if Path::new(path).exists() {
        return Ok(());
    }
    Err(Problem::failed(format!(
        "there is no file {path}: give the path of the sessions' database in --store"
    )))
}

async fn connect(url: &str, prefix: Option<&str>) -> Result<AnyStore, String> {
    let mut options = StoreOptions::new();
    if let Some(prefix) = prefix {
        options = options.prefix(prefix);
    }
    let store = AnyStore::connect_with(url, &options).await;
    store.map_err(|error| with_causes(&error))
}

async fn in_store(store: &AnyStore, id: &SessionId) -> Found {
    match store.get_uncached(id).await {
        Ok(Some(stored)) => match RecordFacts::read(&stored.text) {
            Ok(facts) => Found::Record {
                facts,
                expires: stored.expires,
                user: UserKeys::default().user_of(&stored.text),
            },
            Err(reason) => Found::Unreadable(reason),
        },
        Err(error) if error.kind() == StoreErrorKind::Corrupt => {
            Found::Unreadable(with_causes(&error))
        }
        Err(error) => Found::Failed(with_causes(&error)),
        Ok(None) => match store.retired(id).await {
            Ok(Some(retired)) => Found::Retired(retired),
            Ok(None) => Found::Nothing,
            Err(error) => Found::Failed(with_causes(&error)),
        },
    }
}

/// Looks where a store of other options would have it.
async fn elsewhere(url: &str, prefix: Option<&str>, store: &AnyStore, id: &SessionId) -> Found {
    if let Found::Record { .. } = in_store(store, &id.hashed_at_rest()).await {
        return Found::Hashed;
    }
    if !url.starts_with("redis") {
        return Found::Nothing;
    }
    let own = prefix.unwrap_or("sess:");
    for other in PREFIXES.into_iter().filter(|other| *other != own) {
        let Ok(store) = connect(url, Some(other)).await else {
            continue;
        };
        if let Found::Record { .. } = in_store(&store, id).await {
            return Found::UnderPrefix(other.to_owned());
        }
    }
    Found::Nothing
}

#[cfg(test)]
mod tests;
