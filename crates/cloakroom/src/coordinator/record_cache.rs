//! The cache of parsed records, for the next request of the same page.

use std::sync::Arc;

use crate::id::SessionId;
use crate::record::{Record, RecordText};
use crate::util::bounded_cache::BoundedCache;

/// Number of records that are kept.
const CAPACITY: usize = 4096;
/// Size of the largest text that is kept: all together hold 16 MiB at most.
const MAX_TEXT_BYTES: usize = 4 * 1024;

/// A cache of one record for each session, valid for the text that it was parsed from: the text holds everything
/// that is in the record, so an entry cannot be out of date.
///
/// A store in this process's memory gives each request the same text, which is compared by address; other
/// stores return a new buffer for each read, which is compared by content. Entries lie by the session's id: what a
/// write stores takes the place of what it was written over.
#[derive(Default)]
pub(super) struct RecordCache(BoundedCache<Arc<Record>, CAPACITY>);

impl RecordCache {
    pub(super) fn get(&self, id: &SessionId, text: &RecordText) -> Option<Arc<Record>> {
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        self.0.get(self.place(id), |kept| {
            let is_same = kept.text() == text;
            is_same.then(|| Arc::clone(kept))
        })
    }

    pub(super) fn insert(&self, id: &SessionId, record: &Arc<Record>) {
        if record.text().len() <= MAX_TEXT_BYTES {
            self.0.insert(self.place(id), Arc::clone(record));
        }
    }

    pub(super) fn remove(&self, id: &SessionId) {
        self.0.remove(self.place(id));
    }

    fn place(&self, id: &SessionId) -> u64 {
        self.0.hash(id.expose().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RecordLimit;

    fn text(padding: usize) -> RecordText {
        format!(r#"{{"cookie":{{}},"a":"{}"}}"#, "x".repeat(padding)).into()
    }

    fn read(padding: usize) -> Arc<Record> {
        Arc::new(Record::parse(text(padding), RecordLimit::default()).unwrap())
    }

    fn id(number: usize) -> SessionId {
        SessionId::from_store(&number.to_string())
    }

    #[test]
    fn a_record_is_found_by_its_session_and_its_text() {
        let cache = RecordCache::default();
        let record = read(1);
        cache.insert(&id(1), &record);
        for same in [record.text(), &text(1)] {
            assert!(Arc::ptr_eq(&cache.get(&id(1), same).unwrap(), &record));
        }
        assert!(cache.get(&id(1), &text(2)).is_none());
        assert!(cache.get(&id(2), record.text()).is_none());
        cache.remove(&id(1));
        assert!(cache.get(&id(1), record.text()).is_none());
    }

    #[test]
    fn an_earlier_text_of_a_session_is_not_a_hit() {
        let cache = RecordCache::default();
        for padding in 0..1000 {
            cache.insert(&id(1), &read(padding));
            let found = cache.get(&id(1), &text(padding)).unwrap();
            assert_eq!(*found.text(), text(padding));
            let earlier = padding.saturating_sub(1);
            let is_hit = cache.get(&id(1), &text(earlier)).is_some();
            assert_eq!(is_hit, earlier == padding);
        }
    }

    #[test]
    fn a_large_record_is_not_cached() {
        let cache = RecordCache::default();
        let large = read(MAX_TEXT_BYTES);
        cache.insert(&id(1), &large);
        assert!(cache.get(&id(1), large.text()).is_none());
    }

    #[test]
    fn the_record_cache_is_bounded() {
        let cache = RecordCache::default();
        for number in 0..8 * CAPACITY {
            cache.insert(&id(number), &read(1));
        }
        let is_kept = |number: &usize| cache.get(&id(*number), &text(1)).is_some();
        let kept = (0..8 * CAPACITY).filter(is_kept).count();
        assert!((CAPACITY / 2..=CAPACITY).contains(&kept));
    }

    /// An allocator returns the address that was freed last: had entries lain by address, each write would
    /// have evicted from the set that the write before it had filled.
    #[test]
    fn sessions_that_are_written_in_turn_stay_in_the_record_cache() {
        let cache = RecordCache::default();
        let mut stored: Vec<Arc<Record>> = (0..512).map(|_| read(1)).collect();
        let mut found = 0;
        for turn in 0..20 {
            for (number, record) in stored.iter_mut().enumerate() {
                found += usize::from(cache.get(&id(number), record.text()).is_some());
                *record = read(turn % 7);
                cache.insert(&id(number), record);
            }
        }
        assert!(found > 19 * 500, "{found} of {}", 19 * 512);
    }
}
