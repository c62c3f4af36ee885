//! The ids that were retired within the last minute.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::clock::Timestamp;
use crate::store::{RETIRED_FOR, RetiredId};

/// Most ids that are remembered at a time, in some 16 MB; beyond, the oldest are dropped sooner.
const MAX_RETIRED: usize = 100_000;

/// Retired ids, the oldest first, and a table that finds the last entry of each.
#[derive(Default)]
pub(super) struct Retired {
    hasher: RandomState,
    order: VecDeque<RetiredEntry>,
    last: HashTable<EntryNumber>,
    /// The number of the oldest entry.
    first: u64,
}

struct RetiredEntry {
    hash: u64,
    id: Box<str>,
    until: Timestamp,
    retired: RetiredId,
}

/// An entry by its number, with the hash of its id, so that the table grows without a look at the entries.
struct EntryNumber {
    hash: u64,
    number: u64,
}

impl Retired {
    /// Remembers that `id` is retired from `now` on.
    pub(super) fn insert(&mut self, id: &str, retired: &RetiredId, now: Timestamp) {
        self.prune(now);
        if self.order.len() >= MAX_RETIRED {
            self.remove_oldest();
        }
        let hash = self.hasher.hash_one(id);
        let number = self.first + self.order.len() as u64;
        let earlier = self.last.find(hash, |own| self.is_of(own, hash, id));
        let earlier = earlier.map(|own| own.number);
        if let Some(earlier) = earlier {
            self.forget(hash, earlier);
        }
        let entry = EntryNumber { hash, number };
        self.last.insert_unique(hash, entry, |entry| entry.hash);
        self.order.push_back(RetiredEntry {
            hash,
            id: id.into(),
            until: now.after(RETIRED_FOR),
            retired: retired.clone(),
        });
    }

    /// Remembers that `id` is retired from `now` on, unless it is already.
    pub(super) fn note(&mut self, id: &str, retired: &RetiredId, now: Timestamp) {
        if self.get(id, now).is_none() {
            self.insert(id, retired, now);
        }
    }

    /// Returns the reason why `id` was retired, as long as it is remembered.
    pub(super) fn get(&self, id: &str, now: Timestamp) -> Option<&RetiredId> {
        let hash = self.hasher.hash_one(id);
        let own = self.last.find(hash, |own| self.is_of(own, hash, id))?;
        let found = self.entry(own)?;
        (found.until > now).then_some(&found.retired)
    }

    /// Drops what has been remembered for long enough.
    pub(super) fn prune(&mut self, now: Timestamp) {
        while self.order.front().is_some_and(|entry| entry.until <= now) {
            self.remove_oldest();
        }
    }

    fn entry(&self, own: &EntryNumber) -> Option<&RetiredEntry> {
        self.order
            .get(usize::try_from(own.number - self.first).ok()?)
    }

    fn is_of(&self, own: &EntryNumber, hash: u64, id: &str) -> bool {
        own.hash == hash && self.entry(own).is_some_and(|entry| *entry.id == *id)
    }

    fn remove_oldest(&mut self) {
        let Some(oldest) = self.order.pop_front() else {
            return;
        };
        // An id that was retired again since is in the table by its later entry.
        self.forget(oldest.hash, self.first);
        self.first += 1;
    }

    fn forget(&mut self, hash: u64, number: u64) {
        let found = self.last.find_entry(hash, |own| own.number == number);
        if let Ok(found) = found {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MAX_RETIRED, Retired};
    use crate::clock::Timestamp;
    use crate::store::{RETIRED_FOR, RetiredId};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn a_retired_id_is_known_for_a_minute() {
        let mut retired = Retired::default();
        retired.insert("a", &RetiredId::Closed, NOW);
        let almost = NOW.after(RETIRED_FOR.saturating_sub(Duration::from_millis(1)));
        assert_eq!(retired.get("a", almost), Some(&RetiredId::Closed));
        assert_eq!(retired.get("a", NOW.after(RETIRED_FOR)), None);
        assert_eq!(retired.get("b", NOW), None);
    }

    #[test]
    fn an_id_that_is_retired_again_is_known_for_longer() {
        let mut retired = Retired::default();
        retired.insert("a", &RetiredId::Renewed("b".into()), NOW);
        let later = NOW.after(RETIRED_FOR / 2);
        retired.insert("a", &RetiredId::Closed, later);
        retired.prune(NOW.after(RETIRED_FOR));
        let now = NOW.after(RETIRED_FOR);
        assert_eq!(retired.get("a", now), Some(&RetiredId::Closed));
        retired.prune(later.after(RETIRED_FOR));
        assert!(retired.last.is_empty() && retired.order.is_empty());
    }

    #[test]
    fn retired_ids_are_bounded_and_the_oldest_dropped_first() {
        let mut retired = Retired::default();
        for n in 0..=MAX_RETIRED {
            retired.insert(&n.to_string(), &RetiredId::Closed, NOW);
        }
        assert_eq!(retired.last.len(), MAX_RETIRED);
        assert_eq!(retired.get("0", NOW), None);
        assert!(retired.get("1", NOW).is_some());
    }
}
