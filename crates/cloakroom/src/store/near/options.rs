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
    /// Sets the bound: no session is given out that was ended, or changed, longer ago than that.
    ///
    /// Default: 1 s. The link is asked for a sign of life every 150 ms, so that less than 300 ms lets
    /// few hits through; zero lets none. Let all servers of a fleet have the same.
    pub fn staleness(mut self, staleness: Duration) -> Self {
        self.staleness = staleness;
        self
    }

    /// Sets how many bytes copies may take, about; the counters take 256 KiB besides.
    ///
    /// Default: 32 MiB, some 50,000 sessions of half a kilobyte. What is used seldom goes first.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Sets the clock that the store goes by, for tests. Default: the machine's. The bound itself is
    /// kept by a clock that nobody sets.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = clock.into();
        self
    }
}
