//! A cache of fixed size, 4-way set-associative, for values that are expensive to make and cheap to keep.
//!
//! The hash of a value's source selects a set of a few entries; the value stays there until others of the set
//! evict it: no order, no clock, no list, and a fixed number of entries.

use std::hash::BuildHasher as _;
use std::sync::{Mutex, OnceLock};

use foldhash::quality::RandomState;

use super::lock;

/// Entries of a set: with one, sixty of 500 values in 4,096 entries would evict each other for ever.
const WAYS: usize = 4;

/// Allocated when the first value is inserted.
pub(crate) struct BoundedCache<T, const COUNT: usize> {
    hasher: RandomState,
    sets: OnceLock<Box<[Set<T>]>>,
}

type Set<T> = Mutex<CacheSet<T>>;

/// Values with their hashes, and the index of the next to be evicted.
struct CacheSet<T> {
    each: [Option<(u64, T)>; WAYS],
    next: usize,
}

impl<T, const COUNT: usize> BoundedCache<T, COUNT> {
    /// Returns a hash that no one outside this process can predict.
    pub(crate) fn hash(&self, bytes: &[u8]) -> u64 {
        self.hasher.hash_one(bytes)
    }

    /// Returns the first result of `choose` for a value with that hash.
    pub(crate) fn get<R>(&self, hash: u64, choose: impl Fn(&T) -> Option<R>) -> Option<R> {
        let ways = lock(&self.sets.get()?[Self::index(hash)]);
        let alike = ways.each.iter().flatten().filter(|(own, _)| *own == hash);
        alike.into_iter().find_map(|(_, thing)| choose(thing))
    }

    /// Inserts a value: replaces one with the same hash, takes a free entry, or evicts the oldest of the set.
    pub(crate) fn insert(&self, hash: u64, thing: T) {
        let make = || (0..COUNT / WAYS).map(|_| Set::default()).collect();
        let mut ways = lock(&self.sets.get_or_init(make)[Self::index(hash)]);
        let former = ways.place(hash).replace((hash, thing));
        // The lock is released before memory is freed.
        drop(ways);
        drop(former);
    }

    /// Removes the value with that hash, if there is one.
    pub(crate) fn remove(&self, hash: u64) {
        let Some(sets) = self.sets.get() else { return };
        let mut ways = lock(&sets[Self::index(hash)]);
        let former = ways.index_of(hash).and_then(|at| ways.each[at].take());
        drop(ways);
        drop(former);
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "any bits of a hash will do"
    )]
    fn index(hash: u64) -> usize {
        hash as usize % (COUNT / WAYS)
    }
}

impl<T> CacheSet<T> {
    /// Returns the index of the entry with that hash.
    fn index_of(&self, hash: u64) -> Option<usize> {
        let is_own = |way: &Option<(u64, T)>| way.as_ref().is_some_and(|(own, _)| *own == hash);
        self.each.iter().position(is_own)
    }

    fn place(&mut self, hash: u64) -> &mut Option<(u64, T)> {
        let free = || self.each.iter().position(Option::is_none);
        let at = self.index_of(hash).or_else(free).unwrap_or_else(|| {
            self.next = (self.next + 1) % WAYS;
            self.next
        });
        &mut self.each[at]
    }
}

impl<T, const COUNT: usize> Default for BoundedCache<T, COUNT> {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            sets: OnceLock::new(),
        }
    }
}

impl<T> Default for CacheSet<T> {
    fn default() -> Self {
        Self {
            each: [const { None }; WAYS],
            next: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BoundedCache;

    #[test]
    fn values_of_one_set_stay_until_it_overflows() {
        let places: BoundedCache<u64, 8> = BoundedCache::default();
        let find = |hash| places.get(hash, |thing| Some(*thing));
        assert_eq!(find(1), None);
        for hash in [1, 3, 5, 7] {
            places.insert(hash, 10 * hash);
        }
        assert_eq!([1, 3, 5, 7].map(find), [10, 30, 50, 70].map(Some));
        places.insert(3, 31);
        assert_eq!(
            [1, 3].map(find),
            [10, 31].map(Some),
            "it replaces its own entry"
        );
        assert_eq!(find(2), None);
        assert_eq!(places.get(1, |_| None::<()>), None);
        places.remove(11);
        places.remove(1);
        assert_eq!(find(1), None);
        places.insert(1, 10);
        places.insert(9, 90);
        assert_eq!(find(9), Some(90));
        assert_eq!([1, 3, 5, 7].into_iter().filter_map(find).count(), 3);
    }

    #[test]
    fn an_eighth_of_the_capacity_fits_without_eviction() {
        let places: BoundedCache<(), 4096> = BoundedCache::default();
        let hashes: Vec<u64> = (0..512_u32)
            .map(|n| places.hash(&n.to_le_bytes()))
            .collect();
        for hash in &hashes {
            places.insert(*hash, ());
        }
        let found = hashes
            .iter()
            .filter(|hash| places.get(**hash, |()| Some(())).is_some());
        assert!(found.count() >= 508);
    }

    #[test]
    fn hashes_differ_between_processes_and_use_all_sets() {
        let (one, other) = (
            BoundedCache::<(), 64>::default(),
            BoundedCache::<(), 64>::default(),
        );
        assert_ne!(one.hash(b"id"), other.hash(b"id"));
        let used: std::collections::HashSet<u64> = (0..1000_u32)
            .map(|n| one.hash(&n.to_le_bytes()) % 64)
            .collect();
        assert_eq!(used.len(), 64);
    }
}
