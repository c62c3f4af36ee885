//! Lifetimes of keys.

use std::time::Duration;

/// Time that a tombstone stands beyond the session's life: longer than a request of Express's, which may
/// resurrect it.
pub(crate) const TOMBSTONE_GRACE: Duration = Duration::from_mins(15);
/// A year and more, for sessions without an end.
pub(super) const LONGEST: i64 = 400 * 86_400_000;

/// Returns the ttl of an index: longer than its session's, so that not every touch prolongs it.
pub(crate) fn index_ttl(ttl: i64) -> i64 {
    ttl.saturating_add(ttl / 4).clamp(1000, LONGEST)
}
