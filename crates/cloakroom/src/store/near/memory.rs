//! The copies, within a bound of bytes, each with the version that it was read under.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use super::NearOptions;
use super::freshness::{CacheDecision, CopyTimes, ReadSource, judge};
use super::stats::{Counters, NearStats, count};
use super::versions::{Version, Versions};
use super::worth::Worth;
use crate::clock::Clock;
use crate::id::SessionId;
use crate::store::StoredRecord;

/// Number of change counters: in a fleet that writes a thousand sessions a second, a copy is dropped once a
/// minute because of another session that shares its counter.
const SLOTS: usize = 1 << 16;
/// Greatest age of a copy, whatever its subscription reports.
const MAX_AGE: Duration = Duration::from_secs(30);
/// Number of shards: few enough for each to have room for large sessions.
const SHARDS: usize = 16;
/// Overhead of a copy in bytes, beside its texts.
const OVERHEAD: usize = 256;

#[derive(Clone)]
struct CachedRecord {
    stored: StoredRecord,
    stamp: Version,
    times: CopyTimes,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<SessionId, CachedRecord> for Bytes {
    fn weight(&self, id: &SessionId, copy: &CachedRecord) -> u64 {
        (id.expose().len() + copy.stored.text.len() + OVERHEAD) as u64
    }
}

pub(super) struct Memory {
    copies: Cache<SessionId, CachedRecord, Bytes, RandomState>,
    stamps: Versions,
    worth: Worth,
    hasher: RandomState,
    counters: Counters,
    staleness: Duration,
    clock: Clock,
}

/// A version and an instant, taken before the store is asked.
#[derive(Clone, Copy)]
pub(super) struct PendingRead {
    stamp: Version,
    asked: Instant,
}

impl Memory {
    pub(super) fn new(options: &NearOptions) -> Self {
        let hasher = RandomState::new();
        Self {
            copies: copies(options.memory, &hasher),
            stamps: Versions::new(SLOTS),
            worth: Worth::new(SLOTS),
            hasher,
            counters: Counters::default(),
            staleness: options.staleness,
            clock: options.clock.clone(),
        }
    }

    /// Returns the copy of a session if it may be served. `proven` is read before the check for a reported
    /// change, and the time after it: whatever comes in between errs on the safe side.
    pub(super) fn get(
        &self,
        id: &SessionId,
        proven: impl FnOnce() -> Option<Instant>,
    ) -> Option<StoredRecord> {
        let copy = self.copies.get(id)?;
        let proven = proven();
        if !self.stamps.is_current(copy.stamp) || copy.stored.expires <= self.clock.now() {
            return None;
        }
        match judge(copy.times, proven, now(), self.staleness) {
            CacheDecision::Serve => {
                self.worth.was_served(copy.stamp.slot);
                Some(copy.stored)
            }
            CacheDecision::Over => None,
            CacheDecision::Unproven => {
                count(&self.counters.unproven);
                None
            }
        }
    }

    /// Takes a version, to be called before the store is asked and before the subscription is checked.
    pub(super) fn question(&self, id: &SessionId) -> PendingRead {
        PendingRead {
            stamp: self.stamps.take(self.hash(id)),
            asked: now(),
        }
    }

    /// Keeps a reply of the store. If a change was reported meanwhile it is never served.
    pub(super) fn insert(
        &self,
        id: &SessionId,
        question: PendingRead,
        source: ReadSource,
        stored: &StoredRecord,
    ) {
        let PendingRead { stamp, asked } = question;
        if self.staleness.is_zero() {
            return;
        }
        let left = stored.expires.since(self.clock.now());
        let times = CopyTimes {
            asked,
            until: asked + left.min(MAX_AGE),
            source,
        };
        let stored = stored.clone();
        self.worth.was_inserted(stamp.slot);
        self.copies.insert(
            id.clone(),
            CachedRecord {
                stored,
                stamp,
                times,
            },
        );
    }

    /// Returns `true` if the reply of a read should be kept.
    pub(super) fn is_worth_it(&self, question: PendingRead) -> bool {
        self.worth.is_worth_it(question.stamp.slot)
    }

    /// Invalidates the copies of a session that this process begins to write.
    pub(super) fn is_written(&self, id: &SessionId) {
        self.worth.is_written(self.stamps.take(self.hash(id)).slot);
        self.changed(id);
    }

    /// Invalidates the copies of a session that changed, or may have.
    pub(super) fn changed(&self, id: &SessionId) {
        self.stamps.changed(self.hash(id));
        self.copies.remove(id);
        count(&self.counters.invalidations);
    }

    /// Invalidates all copies.
    pub(super) fn clear(&self) {
        self.stamps.clear();
        self.copies.clear();
        count(&self.counters.flushes);
    }

    pub(super) fn was_hit(&self) {
        count(&self.counters.hits);
    }

    pub(super) fn was_missed(&self) {
        count(&self.counters.misses);
    }

    pub(super) fn stats(&self) -> NearStats {
        NearStats {
            sessions: self.copies.len() as u64,
            bytes: self.copies.weight(),
            ..self.counters.read()
        }
    }

    fn hash(&self, id: &SessionId) -> u64 {
        self.hasher.hash_one(id.expose())
    }
}

fn copies(
    bytes: usize,
    hasher: &RandomState,
) -> Cache<SessionId, CachedRecord, Bytes, RandomState> {
    let options = OptionsBuilder::new()
        .estimated_items_capacity(bytes / (2 * OVERHEAD))
        .weight_capacity(bytes as u64)
        .shards(SHARDS)
        .build()
        .expect("both capacities are set");
    let lifecycle = DefaultLifecycle::default();
    Cache::with_options(options, Bytes, hasher.clone(), lifecycle)
}

/// Returns the time by a monotonic clock; in tests the runtime's, which can be paused.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
