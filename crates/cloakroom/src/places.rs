//! A fixed number of places for what is dear to make and cheap to keep.
//!
//! Each thing has one place, by a hash of what it was made from, and stays there until another comes
//! that belongs there: no order, no clock, no list, and never more than there are places.

use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use foldhash::quality::RandomState;

/// Made when something is put there first.
pub(crate) struct Places<T, const COUNT: usize> {
    hasher: RandomState,
    places: OnceLock<Box<[Place<T>]>>,
}

type Place<T> = Mutex<Option<T>>;

impl<T, const COUNT: usize> Places<T, COUNT> {
    /// A hash that nobody outside this process can foresee.
    pub(crate) fn hash(&self, bytes: &[u8]) -> u64 {
        self.hasher.hash_one(bytes)
    }

    /// What `choose` makes of the thing in a place, if one is there.
    pub(crate) fn find<R>(&self, hash: u64, choose: impl FnOnce(&T) -> Option<R>) -> Option<R> {
        lock(&self.places.get()?[Self::index(hash)])
            .as_ref()
            .and_then(choose)
    }

    /// Puts a thing in the place of whatever was there.
    pub(crate) fn put(&self, hash: u64, thing: T) {
        let make = || (0..COUNT).map(|_| Place::default()).collect();
        let mut place = lock(&self.places.get_or_init(make)[Self::index(hash)]);
        let former = place.replace(thing);
        // Nobody waits for memory to be given back.
        drop(place);
        drop(former);
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "any bits of a hash will do"
    )]
    fn index(hash: u64) -> usize {
        hash as usize % COUNT
    }
}

impl<T, const COUNT: usize> Default for Places<T, COUNT> {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            places: OnceLock::new(),
        }
    }
}

fn lock<T>(place: &Place<T>) -> MutexGuard<'_, Option<T>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn a_thing_is_found_until_another_takes_its_place() {
        let places: Places<&str, 4> = Places::default();
        let find = |hash| places.find(hash, |thing| Some(*thing));
        assert_eq!(find(1), None);
        places.put(1, "one");
        assert_eq!((find(1), find(2)), (Some("one"), None));
        places.put(5, "five");
        assert_eq!(find(1), Some("five"), "whoever looks has to compare");
        assert_eq!(places.find(1, |_| None::<()>), None);
    }

    #[test]
    fn hashes_differ_between_processes_and_use_all_places() {
        let (one, other) = (Places::<(), 64>::default(), Places::<(), 64>::default());
        assert_ne!(one.hash(b"id"), other.hash(b"id"));
        let used: std::collections::HashSet<u64> = (0..1000_u32)
            .map(|n| one.hash(&n.to_le_bytes()) % 64)
            .collect();
        assert_eq!(used.len(), 64);
    }
}
