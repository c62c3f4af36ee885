//! A shard of the store under one lock: a table, its size, and its eviction.

use std::borrow::Cow;

use hashbrown::HashTable;

use super::MemoryLimit;
use crate::clock::Timestamp;
use crate::record::{RecordText, split};
use crate::store::NewRecord;

/// Number of sessions that are sampled to choose one for eviction.
const SAMPLE: usize = 16;
/// Tables of fewer buckets are not worth shrinking.
const SMALL: usize = 64;

/// One session; id and user lie before the record in one allocation.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) text: RecordText,
    pub(super) expires: Timestamp,
}

impl Slot {
    pub(super) fn new(id: &str, entry: &NewRecord, expires: Timestamp) -> Self {
        let users = NewRecord::joined(&entry.users);
        let prefixes = [id, &*users];
        let is_behind = entry.text.prefixes() == prefixes;
        let text = if is_behind {
            entry.text.clone()
        } else {
            RecordText::behind(prefixes, &entry.text)
        };
        Self { text, expires }
    }

    pub(super) fn id(&self) -> &str {
        self.text.prefixes()[0]
    }

    /// Returns the users that it names, in one text; empty for none.
    pub(super) fn joined(&self) -> &str {
        self.text.prefixes()[1]
    }

    pub(super) fn users(&self) -> impl Iterator<Item = Cow<'_, str>> {
        split(self.joined())
    }

    fn size(&self) -> usize {
        let [id, user] = self.text.prefixes();
        id.len() + user.len() + self.text.len()
    }
}

/// Spreads a hash, so that its upper bits differ within one shard: a table compares those before it compares
/// sessions, and a shard is a range of hashes.
pub(super) fn spread(hash: u64) -> u64 {
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

pub(super) struct Shard {
    table: HashTable<Slot>,
    limit: MemoryLimit,
    bytes: usize,
    /// The bucket at which the next search for an eviction begins.
    hand: usize,
}

impl Shard {
    pub(super) fn new(limit: MemoryLimit) -> Self {
        Self {
            table: HashTable::new(),
            limit,
            bytes: 0,
            hand: 0,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.table.iter()
    }

    pub(super) fn live(&self, hash: u64, id: &str, now: Timestamp) -> Option<&Slot> {
        self.table
            .find(spread(hash), |slot| slot.id() == id)
            .filter(|slot| slot.expires > now)
    }

    pub(super) fn live_mut(&mut self, hash: u64, id: &str, now: Timestamp) -> Option<&mut Slot> {
        self.table
            .find_mut(spread(hash), |slot| slot.id() == id)
            .filter(|slot| slot.expires > now)
    }

    /// Replaces the record of the same session and user, if there is one and the new one fits; returns it
    /// otherwise.
    pub(super) fn renew(&mut self, hash: u64, slot: Slot) -> Result<(), Slot> {
        let found = self
            .table
            .find_mut(spread(hash), |old| old.id() == slot.id());
        let Some(old) = found.filter(|old| old.joined() == slot.joined()) else {
            return Err(slot);
        };
        let bytes = self.bytes - old.size() + slot.size();
        if bytes > self.limit.bytes {
            return Err(slot);
        }
        self.bytes = bytes;
        *old = slot;
        Ok(())
    }

    pub(super) fn insert(&mut self, hash: u64, slot: Slot, hasher: impl Fn(&Slot) -> u64) {
        self.bytes += slot.size();
        self.table
            .insert_unique(spread(hash), slot, |slot| spread(hasher(slot)));
    }

    pub(super) fn remove(&mut self, hash: u64, id: &str) -> Option<Slot> {
        let found = self.table.find_entry(spread(hash), |slot| slot.id() == id);
        let (slot, _) = found.ok()?.remove();
        self.bytes -= slot.size();
        Some(slot)
    }

    /// Evicts one session if `coming` does not fit; `None` once it does.
    pub(super) fn make_room(
        &mut self,
        coming: &Slot,
        now: Timestamp,
        hasher: impl Fn(&Slot) -> u64,
    ) -> Option<Slot> {
        let fits = self.table.len() < self.limit.sessions
            && self.bytes + coming.size() <= self.limit.bytes;
        if fits || self.table.is_empty() {
            return None;
        }
        let goes = self
            .sample()
            .min_by_key(|slot| (slot.expires > now, !slot.joined().is_empty(), slot.expires))?;
        let (hash, id) = (hasher(goes), goes.id().to_owned());
        self.remove(hash, &id)
    }

    /// Returns a sample of sessions from where the last one ended.
    fn sample(&mut self) -> impl Iterator<Item = &Slot> {
        let buckets = self.table.num_buckets().max(1);
        let start = self.hand;
        let mut seen = 0;
        let mut steps = 0;
        while seen < SAMPLE && steps < buckets {
            seen += usize::from(self.table.get_bucket((start + steps) % buckets).is_some());
            steps += 1;
        }
        self.hand = (start + steps) % buckets;
        let table = &self.table;
        (start..start + steps).filter_map(move |bucket| table.get_bucket(bucket % buckets))
    }

    /// Removes expired sessions, and returns memory if many were removed.
    pub(super) fn take_expired(
        &mut self,
        now: Timestamp,
        hasher: impl Fn(&Slot) -> u64,
    ) -> Vec<Slot> {
        let count = self.table.iter().filter(|slot| slot.expires <= now).count();
        let mut expired = Vec::with_capacity(count);
        expired.extend(self.table.extract_if(|slot| slot.expires <= now));
        // An allocator reuses first what was freed first, and returns free memory above it to the system: the
        // lowest are freed first.
        expired.sort_unstable_by_key(|slot| slot.text.as_ptr().addr());
        self.bytes -= expired.iter().map(Slot::size).sum::<usize>();
        if self.table.num_buckets() > SMALL && self.table.len() < self.table.capacity() / 4 {
            let to = self.table.len() * 2;
            self.table.shrink_to(to, |slot| spread(hasher(slot)));
        }
        expired
    }
}
