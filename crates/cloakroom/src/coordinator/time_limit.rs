//! The time that a request may wait for the store.

use std::time::Duration;

use tokio::time::Instant;

/// The time that operations may take together, counted from where the first of them has to wait: one that is done at
/// once costs no reading of the clock.
pub(super) struct TimeLimit {
    timeout: Duration,
    since: Option<Instant>,
}

impl TimeLimit {
    pub(super) fn of(timeout: Duration) -> Self {
        Self {
            timeout,
            since: None,
        }
    }

    /// Returns its end; it begins now, unless it has begun before.
    pub(super) fn end(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now) + self.timeout
    }

    pub(super) fn waited(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}
