//! The cache of parsed records, for the next request of the same page.

use std::sync::Arc;

use crate::record::{Record, RecordText};
use crate::util::bounded_cache::BoundedCache;

/// Number of records that are kept.
const CAPACITY: usize = 4096;
/// Size of the largest text that is kept: all together hold 16 MiB at most.
const MAX_TEXT_BYTES: usize = 4 * 1024;

/// A cache keyed by the text that a record was parsed from. The text holds everything that is in the record,
/// so an entry cannot be out of date.
///
/// A store in this process's memory gives each request the same text, which is compared by address; other
/// stores return a new buffer for each read, which is compared by content.
#[derive(Default)]
pub(super) struct RecordCache(BoundedCache<Arc<Record>, CAPACITY>);

impl RecordCache {
    pub(super) fn get(&self, text: &RecordText) -> Option<Arc<Record>> {
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        let is_shared = text.is_shared();
        self.0.get(self.place(text), |kept| {
            let own = kept.text();
            let same = own.is(text) || (!is_shared && own == text);
            same.then(|| Arc::clone(kept))
        })
    }

    pub(super) fn insert(&self, record: &Arc<Record>) {
        let text = record.text();
        if text.len() <= MAX_TEXT_BYTES {
            self.0.insert(self.place(text), Arc::clone(record));
        }
    }

    fn place(&self, text: &RecordText) -> u64 {
        if text.is_shared() {
            return self.0.hash(&text.address().to_ne_bytes());
        }
        self.0.hash(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RecordLimit;

    fn record(text: &RecordText) -> Arc<Record> {
        Arc::new(Record::parse(text.clone(), RecordLimit::default()).unwrap())
    }

    fn text(padding: usize) -> RecordText {
        format!(r#"{{"cookie":{{}},"a":"{}"}}"#, "x".repeat(padding)).into()
    }

    /// Parses a record whose text is not shared.
    fn read(padding: usize) -> Arc<Record> {
        Arc::new(Record::parse(text(padding), RecordLimit::default()).unwrap())
    }

    #[test]
    fn a_shared_text_is_found_by_address() {
        let parsed = RecordCache::default();
        let (one, other) = (text(1), text(1));
        let taken_apart = record(&one);
        parsed.insert(&taken_apart);
        assert!(Arc::ptr_eq(&parsed.get(&one).unwrap(), &taken_apart));
        let held = other.clone();
        assert!(parsed.get(&other).is_none());
        drop(held);
    }

    #[test]
    fn a_fresh_copy_of_a_text_is_found_by_content() {
        let parsed = RecordCache::default();
        let taken_apart = read(1);
        parsed.insert(&taken_apart);
        assert!(Arc::ptr_eq(&parsed.get(&text(1)).unwrap(), &taken_apart));
        assert!(parsed.get(&text(2)).is_none());
    }

    #[test]
    fn other_content_at_the_same_address_is_not_a_hit() {
        let parsed = RecordCache::default();
        for padding in 0..1000 {
            parsed.insert(&read(padding));
            let found = parsed.get(&text(padding)).unwrap();
            assert_eq!(found.text().len(), text(padding).len());
        }
        let right = (0..1000).filter_map(|padding| Some((padding, parsed.get(&text(padding))?)));
        for (padding, found) in right {
            assert_eq!(*found.text(), text(padding));
        }
    }

    #[test]
    fn a_large_record_is_not_cached() {
        let parsed = RecordCache::default();
        let large = text(MAX_TEXT_BYTES);
        parsed.insert(&record(&large));
        assert!(parsed.get(&large).is_none());
    }

    #[test]
    fn the_record_cache_is_bounded() {
        let parsed = RecordCache::default();
        let texts: Vec<RecordText> = (0..8 * CAPACITY).map(|_| text(1)).collect();
        for text in &texts {
            parsed.insert(&record(text));
        }
        let kept = texts.iter().filter(|text| {
            // A shared text is looked up by address.
            let _held = RecordText::clone(text);
            parsed.get(text).is_some()
        });
        assert!((CAPACITY / 2..=CAPACITY).contains(&kept.count()));
    }
}
