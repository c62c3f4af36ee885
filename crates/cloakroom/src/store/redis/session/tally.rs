//! A count of ids some of which come twice, in memory that does not grow with their number.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

/// Ids that are remembered at most, half a megabyte of hashes.
const MOST: usize = 1 << 16;

/// Counts ids: exactly where none comes twice, and up to 65,536 of them in any case; beyond, those that come twice
/// are estimated from a part of the ids, chosen by their hash.
#[derive(Default)]
pub(super) struct Tally {
    hasher: RandomState,
    /// The hashes that end in so many zero bits as `level` says.
    seen: HashSet<u64>,
    level: u32,
    noted: u64,
    again: u64,
}

impl Tally {
    pub(super) fn note(&mut self, id: &str) {
        self.noted += 1;
        let hash = self.hasher.hash_one(id);
        if hash.trailing_zeros() < self.level {
            return;
        }
        if !self.seen.insert(hash) {
            // It stands for those that are not remembered as well.
            self.again += 1 << self.level;
        }
        while self.seen.len() > MOST {
            self.level += 1;
            let level = self.level;
            self.seen.retain(|hash| hash.trailing_zeros() >= level);
        }
    }

    /// Returns the number of different ids.
    pub(super) fn count(&self) -> u64 {
        self.noted.saturating_sub(self.again)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Tally};

    #[test]
    fn ids_are_counted_once_in_bounded_memory() {
        #[rustfmt::skip]
        let table = [ // ids, of which come twice, off by at most
            (0,        0,       0),
            (1_000,    1_000,   0),
            (60_000,   60_000,  0),
            (300_000,  0,       0),
            (300_000,  300_000, 15_000),
            (300_000,  3_000,   2_000),
        ];
        for (ids, twice, off) in table {
            let mut tally = Tally::default();
            for id in (0..ids).chain(0..twice) {
                tally.note(&id.to_string());
            }
            assert!(
                tally.count().abs_diff(ids) <= off,
                "{ids} {twice}: {}",
                tally.count()
            );
            assert!(tally.seen.len() <= MOST);
        }
    }
}
