use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cloakroom::store::{
    CasOutcome, NewRecord, Page, RETIRED_FOR, RecordText, RetiredId, Store, StoreErrorKind,
    StoreFuture, StoredRecord,
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
        self.live.get(id).map(StoredRecord::from)
    }

    fn retire(&mut self, id: &SessionId, retired: &RetiredId) -> bool {
        let until = Timestamp::from(SystemTime::now()).after(RETIRED_FOR);
        let retired = (retired.clone(), until);
        self.retired.entry(id.clone()).or_insert(retired);
        self.live.remove(id).is_some()
    }
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
            if let Some(outcome) = CasOutcome::refusal(maps.get(id), read) {
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
            let record = maps.live.get_mut(id);
            // A process whose clock is slow shortens no session.
            let touched = record.map(|it| it.expires = it.expires.max(entry.expires));
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
            let refusal = |read| CasOutcome::refusal(maps.get(old), read);
            if let Some(outcome) = read.and_then(refusal) {
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

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page> {
        Box::pin(async move {
            let mut ids: Vec<SessionId> = self.now().live.keys().cloned().collect();
            ids.retain(|id| cursor.is_none_or(|last| id.expose() > last));
            ids.sort_by(|one, other| one.expose().cmp(other.expose()));
            let is_last = ids.len() <= limit;
            ids.truncate(limit);
            let last = ids.last().filter(|_| !is_last);
            let next = last.map(|id| id.expose().to_owned());
            Ok(Page { ids, next })
        })
    }

    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        Box::pin(async move {
            let (maps, user) = (self.now(), user.to_owned());
            let theirs = maps.live.iter().filter(|(_, it)| it.users.contains(&user));
            Ok(theirs.map(|(id, _)| id.clone()).collect())
        })
    }
}
