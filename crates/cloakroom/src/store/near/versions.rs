//! Versions, by which a copy is known to be current: no change was reported since before it was read.
//!
//! `model.rs` compiles this file a second time, against loom's atomics.

use super::atomic::{AtomicU32, Ordering};

/// The state of the counters that may concern one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// The number of the session's counter.
    pub(super) slot: usize,
    changes: u32,
    /// Number of times that all copies were dropped.
    epoch: u32,
}

/// Counts reported changes. Sessions share counters: one that did not change may be read once more.
#[derive(Debug)]
pub(super) struct Versions {
    changes: Box<[AtomicU32]>,
    epoch: AtomicU32,
}

impl Versions {
    /// Allocates `slots` counters, four bytes each.
    pub(super) fn new(slots: usize) -> Self {
        Self {
            changes: (0..slots).map(|_| AtomicU32::new(0)).collect(),
            epoch: AtomicU32::new(0),
        }
    }

    /// Takes the version before the store is asked: later changes show.
    pub(super) fn take(&self, hash: u64) -> Version {
        let slot = usize::try_from(hash % self.changes.len() as u64).unwrap_or(0);
        Version {
            slot,
            changes: self.changes[slot].load(Ordering::SeqCst),
            epoch: self.epoch.load(Ordering::SeqCst),
        }
    }

    /// Returns `true` if nothing was reported since.
    pub(super) fn is_current(&self, stamp: Version) -> bool {
        self.changes[stamp.slot].load(Ordering::SeqCst) == stamp.changes
            && self.epoch.load(Ordering::SeqCst) == stamp.epoch
    }

    /// Counts a change, possible or certain, of one session.
    pub(super) fn changed(&self, hash: u64) {
        let slot = usize::try_from(hash % self.changes.len() as u64).unwrap_or(0);
        self.changes[slot].fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a change, possible or certain, of all.
    pub(super) fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }
}
