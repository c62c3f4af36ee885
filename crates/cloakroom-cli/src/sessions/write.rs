//! `prune` and `reindex`.

use cloakroom::record::UserKeys;
use cloakroom::store::{NewRecord, PutIf, PutOutcome, Store as _, StoredRecord};

use super::audit::Audit;
use super::filter::Filter;
use super::list::{println, sessions};
use super::open::{Opened, failed};
use super::scan::Scan;
use crate::problem::Problem;

/// Deletes expired sessions.
pub(super) async fn prune(opened: &Opened, audit: &Audit<'_>) -> Result<(), Problem> {
    let pruned = opened.store.prune().await.map_err(|error| failed(&error))?;
    audit.record("expired_sessions_pruned", "", &[], pruned);
    println(&format!("{pruned} expired {} deleted", sessions(pruned)))?;
    Ok(())
}

/// Stores each session as it is, which enters it in the index of its users; one that changes meanwhile enters
/// itself.
pub(super) async fn reindex(opened: &Opened, audit: &Audit<'_>) -> Result<(), Problem> {
    let filter = Filter::default();
    let (mut scan, mut entered) = (Scan::new(opened, &filter), 0);
    while let Some(rows) = scan.page().await? {
        for row in rows {
            let Some(stored) = row.stored else {
                continue;
            };
            let entry = entry(&opened.user_keys, &stored);
            if entry.users.is_empty() {
                continue;
            }
            let put = opened
                .store
                .put(&row.id, &entry, &PutIf::Unchanged(stored))
                .await;
            let put = put.map_err(|error| failed(&error))?;
            entered += u64::from(put == PutOutcome::Stored);
        }
    }
    audit.record("sessions_reindexed", "", &[], entered);
    println(&format!(
        "{entered} {} entered in the index of users",
        sessions(entered)
    ))?;
    Ok(())
}

/// Returns a record as it is stored.
pub(crate) fn entry(user_keys: &UserKeys, stored: &StoredRecord) -> NewRecord {
    NewRecord {
        text: stored.text.clone(),
        expires: stored.expires,
        users: user_keys.users_of(&stored.text),
    }
}
