//! Pages of ids and of whole records, and conditional writes.

use super::shard::Slot;
use super::{MemoryTables, lock, stored};
use crate::id::SessionId;
use crate::store::steady::Look;
use crate::store::transfer::bounded;
use crate::store::{NewRecord, Page, PutIf, PutOutcome, RecordPage, StoreError, StoreErrorKind};

impl MemoryTables {
    pub(super) fn scan(&self, cursor: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        let (ids, next) = self.page(cursor, limit, |slot, _| id_of(slot))?;
        Ok(Page { ids, next })
    }

    pub(super) fn scan_records(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<RecordPage, StoreError> {
        let record = |slot: &Slot, time| (id_of(slot), Ok(stored(slot, time)));
        let (records, next) = self.page(cursor, limit, record)?;
        Ok(RecordPage { records, next })
    }

    /// Returns what `each` makes of some live sessions, in the order of the hashes of their ids, which no growth
    /// of a table changes; and the cursor.
    fn page<T>(
        &self,
        cursor: Option<&str>,
        limit: usize,
        each: impl Fn(&Slot, Look) -> T,
    ) -> Result<(Vec<T>, Option<String>), StoreError> {
        let after = cursor
            .map(|cursor| u64::from_str_radix(cursor, 16))
            .transpose();
        let after = after.map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
        let time = self.time.look();
        let mut found: Vec<(u64, T)> = Vec::new();
        for shard in &self.shards[after.map_or(0, |hash| self.shard_of(hash))..] {
            let shard = lock(shard);
            let live = shard.iter().filter(|slot| slot.expires > time.now);
            let hashed = live.map(|slot| (self.hash(slot.id()), slot));
            let unseen = hashed.filter(|(hash, _)| after.is_none_or(|after| *hash > after));
            found.extend(unseen.map(|(hash, slot)| (hash, each(slot, time))));
            if found.len() >= limit {
                break;
            }
        }
        found.sort_unstable_by_key(|(hash, _)| *hash);
        found.truncate(limit.max(1));
        let next = found.last().filter(|_| found.len() >= limit.max(1));
        let next = next.map(|(hash, _)| format!("{hash:016x}"));
        Ok((found.into_iter().map(|(_, made)| made).collect(), next))
    }

    pub(super) fn put_if(&self, id: &str, entry: &NewRecord, condition: &PutIf) -> PutOutcome {
        let (hash, time) = (self.hash(id), self.time.look());
        let mut shard = self.shard(hash);
        let live = shard.live(hash, id, time.now);
        let live = live.map(|slot| stored(slot, time));
        let is_retired = lock(&self.retired).get(id, time.now).is_some();
        if let Some(refused) = condition.refuse(live, is_retired) {
            return refused;
        }
        let entry = bounded(entry);
        let expires = time.inward(entry.expires);
        self.put(&mut shard, hash, id, (&entry, expires), time.now);
        PutOutcome::Stored
    }
}

fn id_of(slot: &Slot) -> SessionId {
    SessionId::from_store(slot.id())
}
