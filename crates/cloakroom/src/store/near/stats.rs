//! Counters of a near cache.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The counters of a [`NearStore`](super::NearStore) since it was made, for a metrics collector. They hold no
/// id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearStats {
    /// Reads that were served from memory.
    pub hits: u64,
    /// Reads that went to the store; [`unproven`](Self::unproven) are among them.
    pub misses: u64,
    /// Reads for which there was a copy, and no proof that it holds: many of them mean that the
    /// subscription's connection is down.
    pub unproven: u64,
    /// Changes that the subscription reported or that were made here.
    pub invalidations: u64,
    /// Number of times that all copies were dropped: when a connection is made, and when it is lost.
    pub flushes: u64,
    /// Sessions in memory, unusable copies included.
    pub sessions: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Time since the connection was last proven alive; `None` without a connection.
    pub staleness: Option<Duration>,
}

/// The counters while they are updated.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) unproven: AtomicU64,
    pub(super) invalidations: AtomicU64,
    pub(super) flushes: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> NearStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        NearStats {
            hits: read(&self.hits),
            misses: read(&self.misses),
            unproven: read(&self.unproven),
            invalidations: read(&self.invalidations),
            flushes: read(&self.flushes),
            ..NearStats::default()
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
