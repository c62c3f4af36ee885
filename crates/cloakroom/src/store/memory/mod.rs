//! Sessions in this process's memory: for development, tests, and a single process.

mod container;
mod retired;
mod shard;
mod sweep;
mod transfer;
mod users;

use std::collections::HashSet;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use foldhash::quality::RandomState;

use self::retired::Retired;
use self::shard::{Shard, Slot};
use self::users::Users;
use super::steady::{Look, Steady};
use super::{
    CasOutcome, NewRecord, Page, PutIf, PutOutcome, RecordPage, RetiredId, Store, StoreError,
    StoreErrorKind, StoreFuture, StoredRecord,
};
use crate::clock::{Clock, Timestamp};
use crate::id::SessionId;
use crate::record::RecordText;
use crate::util::lock;

/// Bound on the passes over a user's sessions: no login is that fast.
const PASSES: usize = 1000;

/// Bounds on what a [`MemoryStore`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Sessions; a million unless set.
    pub sessions: usize,
    /// Bytes of ids, users and records; 1 GiB unless set, and at most a quarter of the memory of the machine,
    /// or of the container (Linux's control groups).
    pub bytes: usize,
}

impl Default for MemoryLimit {
    fn default() -> Self {
        Self {
            sessions: 1_000_000,
            bytes: default_bytes(container::memory()),
        }
    }
}

/// Returns the default bound, from the memory that the process may use.
fn default_bytes(memory: Option<u64>) -> usize {
    let quarter = memory.map_or(usize::MAX, |bytes| {
        usize::try_from(bytes / 4).unwrap_or(usize::MAX)
    });
    quarter.min(1 << 30)
}

/// A store in this process's memory; clones are the same store.
///
/// A thread of the store's own drops expired sessions every ten seconds. When a bound is reached, each new
/// session evicts one of a sample of sixteen: one that expired, else one without a user, else the one that
/// ends first. Nothing survives the process.
#[derive(Clone)]
pub struct MemoryStore(Arc<MemoryTables>);

struct MemoryTables {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    users: Users,
    /// Locked after a shard, never before one.
    retired: Mutex<Retired>,
    /// The time by which expiries are kept.
    time: Steady,
}

impl MemoryStore {
    /// Interval of the sweep for expired sessions.
    const SWEEP: Duration = Duration::from_secs(10);

    /// Creates a store within the default bounds.
    pub fn new() -> Self {
        Self::with(MemoryLimit::default(), Clock::System)
    }

    /// Creates a store within `limit`, by a clock that a test may set.
    ///
    /// Expiry is decided by a monotonic clock, so that a wall clock that jumps ends no session; a
    /// [`ManualClock`](crate::ManualClock) replaces both.
    pub fn with(limit: MemoryLimit, clock: impl Into<Clock>) -> Self {
        // Few enough that each holds a fair sample, many enough that cores seldom contend.
        let shards = (limit.sessions / 1024).clamp(1, 256).next_power_of_two();
        let share = MemoryLimit {
            sessions: limit.sessions.div_ceil(shards).max(1),
            bytes: limit.bytes.div_ceil(shards).max(1),
        };
        let store = Self(Arc::new(MemoryTables {
            hasher: RandomState::default(),
            shards: (0..shards).map(|_| Mutex::new(Shard::new(share))).collect(),
            users: Users::new(shards),
            retired: Mutex::default(),
            time: Steady::new(clock.into()),
        }));
        sweep::start(&store.0, Self::SWEEP);
        store
    }

    /// Returns the bytes of ids, users and records that it holds, expired ones included.
    pub fn bytes(&self) -> usize {
        self.0.shards.iter().map(|shard| lock(shard).bytes()).sum()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

impl MemoryTables {
    fn hash(&self, id: &str) -> u64 {
        self.hasher.hash_one(id)
    }

    /// Returns the shard of a hash. A shard holds a range of hashes, so that the order of hashes is the order
    /// of shards.
    fn shard_of(&self, hash: u64) -> usize {
        let shards = self.shards.len() as u128;
        usize::try_from((u128::from(hash) * shards) >> 64).expect("less than the number of shards")
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.shard_of(hash)])
    }

    fn get(&self, id: &str) -> Option<StoredRecord> {
        let (hash, time) = (self.hash(id), self.time.look());
        let shard = self.shard(hash);
        shard
            .live(hash, id, time.now)
            .map(|slot| stored(slot, time))
    }

    fn expires(&self, id: &str) -> Option<Timestamp> {
        let (hash, time) = (self.hash(id), self.time.look());
        let shard = self.shard(hash);
        shard
            .live(hash, id, time.now)
            .map(|slot| time.outward(slot.expires))
    }

    fn create(&self, id: &str, entry: &NewRecord) -> Result<(), StoreError> {
        let (hash, time) = (self.hash(id), self.time.look());
        let mut shard = self.shard(hash);
        if shard.live(hash, id, time.now).is_some() {
            return Err(StoreErrorKind::IdTaken.into());
        }
        let expires = time.inward(entry.expires);
        self.put(&mut shard, hash, id, (entry, expires), time.now);
        Ok(())
    }

    /// Stores a record, and maintains the index and the bounds.
    fn put(
        &self,
        shard: &mut Shard,
        hash: u64,
        id: &str,
        (entry, expires): (&NewRecord, Timestamp),
        now: Timestamp,
    ) {
        if expires <= now {
            if let Some(old) = shard.remove(hash, id) {
                self.users.remove(&old);
            }
            return;
        }
        // The old slot stands in the index of users, and so does the one that takes its place.
        let Err(slot) = shard.renew(hash, Slot::new(id, entry, expires)) else {
            return;
        };
        let old = shard.remove(hash, id);
        while let Some(evicted) = shard.make_room(&slot, now, |slot| self.hash(slot.id())) {
            self.users.remove(&evicted);
        }
        // A live session is in the set at all times: others iterate over it meanwhile.
        self.users.add(&slot);
        if let Some(old) = old {
            let kept: HashSet<_> = slot.users().collect();
            let gone = old.users().filter(|user| !kept.contains(user));
            gone.for_each(|user| self.users.remove_one(&user, old.id()));
        }
        shard.insert(hash, slot, |slot| self.hash(slot.id()));
    }

    fn update(&self, id: &str, read: &RecordText, entry: &NewRecord) -> CasOutcome {
        let (hash, time) = (self.hash(id), self.time.look());
        let mut shard = self.shard(hash);
        match shard.live(hash, id, time.now) {
            None => CasOutcome::NotFound,
            Some(slot) if slot.text != *read => CasOutcome::Conflict(stored(slot, time)),
            Some(_) => {
                let expires = time.inward(entry.expires);
                self.put(&mut shard, hash, id, (entry, expires), time.now);
                CasOutcome::Stored
            }
        }
    }

    fn touch(&self, id: &str, read: &RecordText, entry: &NewRecord) -> bool {
        let (hash, time) = (self.hash(id), self.time.look());
        let expires = time.inward(entry.expires);
        let mut shard = self.shard(hash);
        match shard.live_mut(hash, id, time.now) {
            None => false,
            Some(slot) if slot.text != *read => {
                slot.expires = slot.expires.max(expires);
                true
            }
            Some(slot) => {
                let expires = slot.expires.max(expires);
                self.put(&mut shard, hash, id, (entry, expires), time.now);
                true
            }
        }
    }

    fn destroy(&self, id: &str) -> bool {
        let (hash, now) = (self.hash(id), self.time.now());
        self.remove(&mut self.shard(hash), hash, id, now)
    }

    /// Removes a record; `false` where none was live.
    fn remove(&self, shard: &mut Shard, hash: u64, id: &str, now: Timestamp) -> bool {
        shard.remove(hash, id).is_some_and(|slot| {
            self.users.remove(&slot);
            slot.expires > now
        })
    }

    fn replace(
        &self,
        old: &str,
        read: Option<&RecordText>,
        new: &str,
        entry: &NewRecord,
        retired: &RetiredId,
    ) -> Result<CasOutcome, StoreError> {
        let (old_hash, new_hash) = (self.hash(old), self.hash(new));
        let time = self.time.look();
        let now = time.now;
        let mut shards = ShardPair::lock(self, old_hash, new_hash);
        if shards.of(new_hash, self).live(new_hash, new, now).is_some() {
            return Err(StoreErrorKind::IdTaken.into());
        }
        let from = shards.of(old_hash, self);
        match (from.live(old_hash, old, now), read) {
            (None, Some(_)) => return Ok(CasOutcome::NotFound),
            (Some(slot), Some(read)) if slot.text != *read => {
                return Ok(CasOutcome::Conflict(stored(slot, time)));
            }
            (None, None) if lock(&self.retired).get(old, now).is_some() => {
                return Ok(CasOutcome::NotFound);
            }
            _ => {}
        }
        // Under the lock of the old id's shard, so that no reader finds it neither live nor retired.
        lock(&self.retired).insert(old, retired, now);
        let gone = from.remove(old_hash, old);
        // Entered before the old one is removed: a pass over the user's sessions finds one or both.
        let entry = (entry, time.inward(entry.expires));
        self.put(shards.of(new_hash, self), new_hash, new, entry, now);
        if let Some(slot) = gone {
            self.users.remove(&slot);
        }
        Ok(CasOutcome::Stored)
    }

    fn retire(&self, id: &str, retired: &RetiredId) -> bool {
        let (hash, now) = (self.hash(id), self.time.now());
        let mut shard = self.shard(hash);
        lock(&self.retired).note(id, retired, now);
        self.remove(&mut shard, hash, id, now)
    }

    fn prune(&self) -> u64 {
        let now = self.time.now();
        lock(&self.retired).prune(now);
        let prune_one = |shard: &Mutex<Shard>| {
            let expired = lock(shard).take_expired(now, |slot| self.hash(slot.id()));
            for slot in &expired {
                self.users.remove(slot);
            }
            expired.len() as u64
        };
        self.shards.iter().map(prune_one).sum()
    }

    fn count(&self) -> u64 {
        let now = self.time.now();
        let live =
            |shard: &Mutex<Shard>| lock(shard).iter().filter(|slot| slot.expires > now).count();
        self.shards.iter().map(|shard| live(shard) as u64).sum()
    }

    fn list_by_user(&self, user: &str) -> Vec<SessionId> {
        let mut live = Vec::new();
        self.each_of_user(user, |id| {
            live.extend(self.get(id.expose()).map(|_| id.clone()));
        });
        live
    }

    fn destroy_by_user(&self, user: &str, keep: Option<&SessionId>) -> u64 {
        let mut ended = 0;
        self.each_of_user(user, |id| {
            ended += u64::from(keep != Some(id) && self.destroy(id.expose()));
        });
        ended
    }

    /// Visits a user's sessions until a pass finds no new one: a session that changed its id meanwhile was
    /// added under the new one before the old one was removed.
    fn each_of_user(&self, user: &str, mut each: impl FnMut(&SessionId)) {
        let mut seen = HashSet::new();
        for _ in 0..PASSES {
            let mut ids = self.users.sessions(user);
            ids.retain(|id| seen.insert(id.clone()));
            if ids.is_empty() {
                break;
            }
            ids.iter().for_each(&mut each);
        }
    }
}

fn stored(slot: &Slot, time: Look) -> StoredRecord {
    StoredRecord {
        text: slot.text.clone(),
        expires: time.outward(slot.expires),
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        ready(Ok(self.0.get(id.expose())))
    }

    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        ready(Ok(ids
            .iter()
            .map(|id| self.0.expires(id.expose()))
            .collect()))
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        ready(self.0.create(id.expose(), entry))
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        ready(Ok(self.0.update(id.expose(), read, entry)))
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        ready(Ok(self.0.touch(id.expose(), read, entry)))
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        ready(Ok(self.0.destroy(id.expose())))
    }

    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        ready(
            self.0
                .replace(old.expose(), read, new.expose(), entry, retired),
        )
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        ready(Ok(self.0.retire(id.expose(), &RetiredId::Closed)))
    }

    fn retire_as<'a>(&'a self, id: &'a SessionId, retired: &'a RetiredId) -> StoreFuture<'a, bool> {
        ready(Ok(self.0.retire(id.expose(), retired)))
    }

    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        let retired = lock(&self.0.retired);
        let known = retired.get(id.expose(), self.0.time.now()).cloned();
        ready(Ok(known))
    }

    fn prune(&self) -> StoreFuture<'_, u64> {
        ready(Ok(self.0.prune()))
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page> {
        ready(self.0.scan(cursor, limit))
    }

    fn scan_records<'a>(
        &'a self,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, RecordPage> {
        ready(self.0.scan_records(cursor, limit))
    }

    fn put<'a>(
        &'a self,
        id: &'a SessionId,
        entry: &'a NewRecord,
        condition: &'a PutIf,
    ) -> StoreFuture<'a, PutOutcome> {
        ready(Ok(self.0.put_if(id.expose(), entry, condition)))
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        ready(Ok(self.0.count()))
    }

    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        ready(Ok(self.0.list_by_user(user)))
    }

    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        ready(Ok(self.0.destroy_by_user(user, keep)))
    }
}

/// The shards of two hashes, which may be one; locked in a fixed order, so that no deadlock arises.
struct ShardPair<'a> {
    first: MutexGuard<'a, Shard>,
    second: Option<MutexGuard<'a, Shard>>,
    first_index: usize,
}

impl<'a> ShardPair<'a> {
    fn lock(inner: &'a MemoryTables, one: u64, other: u64) -> Self {
        let (one, other) = (inner.shard_of(one), inner.shard_of(other));
        let (low, high) = (one.min(other), one.max(other));
        let first = lock(&inner.shards[low]);
        let second = (low != high).then(|| lock(&inner.shards[high]));
        Self {
            first,
            second,
            first_index: low,
        }
    }

    fn of(&mut self, hash: u64, inner: &MemoryTables) -> &mut Shard {
        match &mut self.second {
            Some(second) if inner.shard_of(hash) != self.first_index => second,
            _ => &mut self.first,
        }
    }
}

fn ready<'a, T: Send + 'a>(outcome: Result<T, StoreError>) -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(outcome))
}

#[cfg(test)]
mod tests;
