//! Options of a near cache.

use std::time::Duration;

use crate::clock::Clock;

/// The options of a [`NearStore`](super::NearStore).
#[derive(Clone, Debug)]
#[must_use]
pub struct NearOptions {
    pub(super) staleness: Duration,
    pub(super) memory: usize,
    pub(super) clock: Clock,
}

impl Default for NearOptions {
    fn default() -> Self {
        Self {
            staleness: Duration::from_secs(1),
            memory: 32 << 20,
            clock: Clock::System,
        }
    }
}

impl NearOptions {
    /// Sets the bound: no session is served that was ended, or changed, longer ago than that.
    ///
    /// Default: 1 s. The subscription is pinged every 150 ms, so that less than 300 ms lets few hits through;
    /// zero lets none. Set the same bound on all servers of a fleet.
    pub fn staleness(mut self, staleness: Duration) -> Self {
        self.staleness = staleness;
        self
    }

    /// Sets the approximate size of all copies in bytes; the counters take 256 KiB besides.
    ///
    /// Default: 32 MiB, some 50,000 sessions of half a kilobyte. The least used are evicted first.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Sets the clock that the store goes by, for tests. Default: the machine's. The bound itself is kept by
    /// a monotonic clock.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = clock.into();
        self
    }
}
