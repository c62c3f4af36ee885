//! Records that were taken apart a moment ago: a store in this process's memory gives each request of
//! a page the same text.

use std::sync::{Arc, Mutex, PoisonError};

use crate::record::{Record, RecordText};

/// As many records are kept, each where the address of its text leads.
const PLACES: usize = 4096;
/// Larger texts are not kept: all together they hold 16 MiB at most.
const LARGEST: usize = 4 * 1024;

/// Found by the identity of a text, which never changes: what is kept cannot be out of date.
pub(super) struct Parsed(Box<[Place]>);

type Place = Mutex<Option<Arc<Record>>>;

impl Default for Parsed {
    fn default() -> Self {
        Self((0..PLACES).map(|_| Place::default()).collect())
    }
}

impl Parsed {
    pub(super) fn get(&self, text: &RecordText) -> Option<Arc<Record>> {
        let kept = self.place(text).lock();
        let kept = kept.unwrap_or_else(PoisonError::into_inner);
        let same = kept.as_ref().filter(|kept| kept.text().is(text));
        same.cloned()
    }

    /// Keeps a record whose text somebody else holds as well, and so may give out again.
    pub(super) fn put(&self, record: &Arc<Record>) {
        let text = record.text();
        if text.len() > LARGEST || !text.is_shared() {
            return;
        }
        let kept = self.place(text).lock();
        let mut kept = kept.unwrap_or_else(PoisonError::into_inner);
        let former = kept.replace(Arc::clone(record));
        // Nobody waits for memory to be given back.
        drop(kept);
        drop(former);
    }

    fn place(&self, text: &RecordText) -> &Place {
        // Fibonacci hashing: the upper bits of the product depend on all bits of the address.
        let spread = (text.address() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        &self.0[spread as usize % PLACES]
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

    #[test]
    fn a_text_is_known_by_its_identity_and_not_by_what_it_says() {
        let parsed = Parsed::default();
        let (one, other) = (text(1), text(1));
        let taken_apart = record(&one);
        parsed.put(&taken_apart);
        assert!(Arc::ptr_eq(&parsed.get(&one).unwrap(), &taken_apart));
        assert!(parsed.get(&other).is_none());
    }

    #[test]
    fn what_nobody_can_give_out_again_and_what_is_large_is_not_kept() {
        let parsed = Parsed::default();
        let large = text(LARGEST);
        parsed.put(&record(&large));
        assert!(parsed.get(&large).is_none());
        let only = record(&text(1));
        let only = Arc::new(Arc::into_inner(only).unwrap());
        parsed.put(&only);
        assert!(parsed.get(only.text()).is_none());
    }

    #[test]
    fn it_holds_no_more_than_its_places() {
        let parsed = Parsed::default();
        let texts: Vec<RecordText> = (0..8 * PLACES).map(|_| text(1)).collect();
        for text in &texts {
            parsed.put(&record(text));
        }
        let kept = texts.iter().filter(|text| parsed.get(text).is_some());
        assert!((PLACES / 2..=PLACES).contains(&kept.count()));
    }
}
