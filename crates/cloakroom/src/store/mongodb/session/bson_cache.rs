//! A cache of the BSON behind the texts that were read or written last.

use std::collections::{HashMap, VecDeque};

use mongodb::bson::Bson;

use crate::record::RecordText;

/// The sessions that were read or written last, bounded by their number and their size.
///
/// A text does not tell which BSON it was read from, and a save compares with that BSON. Once the entry is
/// evicted, a save reads the document first.
#[derive(Default)]
pub(crate) struct BsonCache {
    by_id: HashMap<String, CachedBson>,
    /// Oldest first. Of an id with several entries, all but the last are stale.
    order: VecDeque<(String, u64)>,
    turn: u64,
    bytes: usize,
}

struct CachedBson {
    text: RecordText,
    session: Bson,
    turn: u64,
}

impl CachedBson {
    /// Estimates the size of an entry: a document takes a few times the room of its text.
    fn bytes(&self) -> usize {
        self.text.len() * 4 + 256
    }
}

impl BsonCache {
    const MOST: usize = 4096;
    const MOST_BYTES: usize = 16 << 20;

    pub(crate) fn get(&self, id: &str, text: &str) -> Option<Bson> {
        let sight = self.by_id.get(id)?;
        (&*sight.text == text).then(|| sight.session.clone())
    }

    pub(crate) fn put(&mut self, id: &str, text: RecordText, session: Bson) {
        self.turn += 1;
        let sight = CachedBson {
            text,
            session,
            turn: self.turn,
        };
        self.bytes += sight.bytes();
        self.order.push_back((id.to_owned(), self.turn));
        if let Some(before) = self.by_id.insert(id.to_owned(), sight) {
            self.bytes -= before.bytes();
        }
        while self.order.len() > Self::MOST || self.bytes > Self::MOST_BYTES {
            self.forget_oldest();
        }
    }

    pub(crate) fn forget(&mut self, id: &str) {
        if let Some(sight) = self.by_id.remove(id) {
            self.bytes -= sight.bytes();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((id, turn)) = self.order.pop_front() else {
            return;
        };
        if self.by_id.get(&id).is_some_and(|sight| sight.turn == turn) {
            self.forget(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::Bson;

    use super::BsonCache;

    #[test]
    fn entry_is_valid_until_another_text_of_its_id() {
        let mut seen = BsonCache::default();
        seen.put("a", "one".into(), 1.into());
        assert_eq!(seen.get("a", "one"), Some(Bson::Int32(1)));
        assert_eq!(seen.get("b", "one"), None);
        seen.put("a", "two".into(), 2.into());
        assert_eq!(seen.get("a", "one"), None);
        assert_eq!(seen.get("a", "two"), Some(Bson::Int32(2)));
        seen.forget("a");
        assert_eq!(seen.get("a", "two"), None);
        assert_eq!(seen.bytes, 0);
    }

    #[test]
    fn cache_is_bounded_in_number_and_in_size() {
        let mut seen = BsonCache::default();
        for turn in 0..3 * BsonCache::MOST {
            seen.put(&(turn % 5000).to_string(), "x".into(), Bson::Null);
            assert!(seen.by_id.len() <= seen.order.len() && seen.order.len() <= BsonCache::MOST);
        }
        for turn in 0..100 {
            seen.put(&turn.to_string(), "x".repeat(1 << 20).into(), Bson::Null);
            assert!(seen.bytes <= BsonCache::MOST_BYTES);
        }
        assert!(seen.get("99", &"x".repeat(1 << 20)).is_some());
        seen.put("huge", "x".repeat(20 << 20).into(), Bson::Null);
        assert!(seen.by_id.is_empty() && seen.bytes == 0);
    }
}
