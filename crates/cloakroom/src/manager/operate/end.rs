//! Endings that are counted, and read back before they are reported.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::id::SessionId;
use crate::store::{Store, StoreError, StoreErrorKind};

/// Sessions that are ended at the same time.
const AT_ONCE: usize = 50;

/// The outcome of an ending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedSessions {
    /// Sessions that were there and were ended.
    pub ended: u64,
    /// Sessions that the store has again: another program writes them back.
    pub left: u64,
}

/// Ends sessions, 50 at a time, and asks the store once if any is still there. One that has ended is no error.
///
/// # Errors
///
/// [`StoreError`] where the store failed; some have ended.
pub async fn end_sessions(
    store: &Arc<dyn Store>,
    ids: &[SessionId],
) -> Result<EndedSessions, StoreError> {
    let mut ended = 0;
    for some in ids.chunks(AT_ONCE) {
        ended += end_some(store, some).await?;
    }
    let left = store.expiries(ids).await?;
    Ok(EndedSessions {
        ended,
        left: left.iter().flatten().count() as u64,
    })
}

/// Ends sessions at the same time: a store writes what waits together.
async fn end_some(store: &Arc<dyn Store>, ids: &[SessionId]) -> Result<u64, StoreError> {
    let mut ending = JoinSet::new();
    for id in ids {
        let (store, id) = (Arc::clone(store), id.clone());
        ending.spawn(async move { store.retire(&id).await });
    }
    let mut ended = 0;
    while let Some(done) = ending.join_next().await {
        ended += u64::from(done.unwrap_or_else(|_| Err(StoreErrorKind::Unknown.into()))?);
    }
    Ok(ended)
}

/// Returns `true` if `found` may be ended where `expected` were agreed to: a tenth more or less.
pub fn is_as_expected(expected: u64, found: u64) -> bool {
    expected.abs_diff(found) <= expected / 10
}

#[cfg(test)]
mod tests {
    use super::is_as_expected;

    #[test]
    fn a_tenth_more_or_less_is_as_expected() {
        for (agreed, found, expected) in [
            (100, 100, true),
            (100, 110, true),
            (100, 90, true),
            (100, 111, false),
            (100, 89, false),
            (5, 6, false),
            (0, 0, true),
            (0, 1, false),
            (u64::MAX, 0, false),
        ] {
            assert_eq!(is_as_expected(agreed, found), expected, "{agreed} {found}");
        }
    }
}
