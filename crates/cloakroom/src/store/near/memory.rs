//! The copies, within a bound of bytes, each with the stamp that it was read under.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use super::NearOptions;
use super::freshness::{CacheDecision, CopyTimes, ReadSource, judge};
use super::stats::{Counters, NearStats, count};
use super::versions::{Version, Versions};
use crate::clock::Clock;
use crate::id::SessionId;
use crate::store::StoredRecord;

/// Number of change counters: in a fleet that writes a thousand sessions a second, a copy is dropped once a
/// minute because of another session that shares its counter.
const SLOTS: usize = 1 << 16;
/// Greatest age of a copy, whatever its subscription reports.
const MAX_AGE: Duration = Duration::from_secs(30);
/// In how many parts the memory is: few enough for each to have room for large sessions.
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
            hasher,
            counters: Counters::default(),
            staleness: options.staleness,
            clock: options.clock.clone(),
        }
    }

    /// The copy of a session, if it may be given out. `proven` is asked before it is looked at whether
    /// a change was told, and the time after that: whatever comes in between is on the safe side.
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
            CacheDecision::Serve => Some(copy.stored),
            CacheDecision::Over => None,
            CacheDecision::Unproven => {
                count(&self.counters.unproven);
                None
            }
        }
    }

    /// To be noted before the store is asked, and before it is looked whether the link is alive.
    pub(super) fn question(&self, id: &SessionId) -> PendingRead {
        PendingRead {
            stamp: self.stamps.take(self.hash(id)),
            asked: now(),
        }
    }

    /// Keeps what the store said. Where a change was told of meanwhile it is never given out.
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
        self.copies.insert(
            id.clone(),
            CachedRecord {
                stored,
                stamp,
                times,
            },
        );
    }

    /// A session changed, or may have.
    pub(super) fn changed(&self, id: &SessionId) {
        self.stamps.changed(self.hash(id));
        self.copies.remove(id);
        count(&self.counters.invalidations);
    }

    /// All may have.
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

/// The time by a clock that nobody sets; in tests the runtime's, which can be made to stand still.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
