use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cloakroom::record::RecordText;
use cloakroom::store::{
    CasOutcome, NewRecord, Page, RETIRED_FOR, RetiredId, Store, StoreErrorKind, StoreFuture,
    StoredRecord,
};
use cloakroom::{SessionId, Timestamp};

/// A store in two maps.
#[derive(Default)]
pub(crate) struct MapStore(Mutex<Maps>);

#[derive(Default)]
struct Maps {
    live: HashMap<SessionId, NewRecord>,
    retired: HashMap<SessionId, (RetiredId, Timestamp)>,
}

impl MapStore {
    /// Locks the maps, without what has expired.
    fn now(&self) -> MutexGuard<'_, Maps> {
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::from(SystemTime::now());
        maps.live.retain(|_, record| record.expires > now);
        maps.retired.retain(|_, (_, until)| *until > now);
        maps
    }
}

impl Maps {
    fn get(&self, id: &SessionId) -> Option<StoredRecord> {
        self.live.get(id).map(|record| StoredRecord {
            text: record.text.clone(),
            expires: record.expires,
        })
    }

    /// Returns the outcome of a write in place of `read` that is not made.
    fn refusal(&self, id: &SessionId, read: &RecordText) -> Option<CasOutcome> {
        match self.get(id) {
            None => Some(CasOutcome::NotFound),
            Some(stored) if stored.text == *read => None,
            Some(stored) => Some(CasOutcome::Conflict(stored)),
        }
    }

    fn retire(&mut self, id: &SessionId, retired: &RetiredId) -> bool {
        let until = Timestamp::from(SystemTime::now()).after(RETIRED_FOR);
        let note = || (retired.clone(), until);
        self.retired.entry(id.clone()).or_insert_with(note);
        self.live.remove(id).is_some()
    }
}

fn is_of(record: &NewRecord, user: &str) -> bool {
    record.users.iter().any(|name| name == user)
}

impl Store for MapStore {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        Box::pin(async move { Ok(self.now().get(id)) })
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut maps = self.now();
            if maps.live.contains_key(id) {
                return Err(StoreErrorKind::IdTaken.into());
            }
            maps.live.insert(id.clone(), entry.clone());
            Ok(())
        })
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        Box::pin(async move {
            let mut maps = self.now();
            if let Some(outcome) = maps.refusal(id, read) {
                return Ok(outcome);
            }
            maps.live.insert(id.clone(), entry.clone());
            Ok(CasOutcome::Stored)
        })
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        _: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut maps = self.now();
            let touched = maps.live.get_mut(id).map(|record| {
                // A process whose clock is slow shortens no session.
                record.expires = record.expires.max(entry.expires);
            });
            Ok(touched.is_some())
        })
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        Box::pin(async move { Ok(self.now().live.remove(id).is_some()) })
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        Box::pin(async move { Ok(self.now().retire(id, &RetiredId::Closed)) })
    }

    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        Box::pin(async move { Ok(self.now().retired.get(id).map(|(why, _)| why.clone())) })
    }

    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        Box::pin(async move {
            let mut maps = self.now();
            if let Some(outcome) = read.and_then(|read| maps.refusal(old, read)) {
                return Ok(outcome);
            }
            if read.is_none() && maps.retired.contains_key(old) {
                return Ok(CasOutcome::NotFound);
            }
            if maps.live.contains_key(new) {
                return Err(StoreErrorKind::IdTaken.into());
            }
            maps.live.insert(new.clone(), entry.clone());
            maps.retire(old, retired);
            Ok(CasOutcome::Stored)
        })
    }

    fn prune(&self) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let before = maps.live.len();
            drop(maps);
            Ok((before - self.now().live.len()) as u64)
        })
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page> {
        Box::pin(async move {
            let mut ids: Vec<SessionId> = self.now().live.keys().cloned().collect();
            ids.sort_by(|one, other| one.expose().cmp(other.expose()));
            ids.retain(|id| cursor.is_none_or(|last| id.expose() > last));
            let is_last = ids.len() <= limit;
            ids.truncate(limit);
            let last = ids.last().filter(|_| !is_last);
            let next = last.map(|id| id.expose().to_owned());
            Ok(Page { ids, next })
        })
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        Box::pin(async move { Ok(self.now().live.len() as u64) })
    }

    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        Box::pin(async move {
            let maps = self.now();
            let theirs = maps.live.iter().filter(|(_, record)| is_of(record, user));
            Ok(theirs.map(|(id, _)| id.clone()).collect())
        })
    }

    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut maps = self.now();
            let before = maps.live.len();
            let stays =
                |id: &SessionId, record: &NewRecord| Some(id) == keep || !is_of(record, user);
            maps.live.retain(|id, record| stays(id, record));
            Ok((before - maps.live.len()) as u64)
        })
    }
}
