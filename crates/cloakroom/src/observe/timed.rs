//! A store whose operations are timed for an observer: without one there is none.

use std::sync::Arc;
use std::time::Instant;

use super::{Observer, StoreOperation};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::{
    CasOutcome, NewRecord, Page, PutIf, PutOutcome, RecordPage, RetiredId, Store, StoreError,
    StoreErrorKind, StoreFuture, StoreWrapper, StoredRecord,
};

/// A store that tells how long each operation took.
pub(crate) struct TimedStore {
    store: Arc<dyn Store>,
    observer: Arc<dyn Observer>,
}

impl TimedStore {
    pub(crate) fn new(store: Arc<dyn Store>, observer: Arc<dyn Observer>) -> Self {
        Self { store, observer }
    }

    /// Times an operation from the moment at which it is first polled: one that the circuit breaker rejects never
    /// is, and was none.
    fn timed<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        call: impl FnOnce(&'a dyn Store) -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            let mut timing = Timing {
                observer: &*self.observer,
                name,
                begin: Instant::now(),
                is_abandoned: true,
                error: None,
            };
            let outcome = call(&*self.store).await;
            timing.is_abandoned = false;
            timing.error = outcome.as_ref().err().map(StoreError::kind);
            drop(timing);
            outcome
        })
    }
}

/// An operation under way; it is told of when this is dropped.
struct Timing<'a> {
    observer: &'a dyn Observer,
    name: &'static str,
    begin: Instant,
    is_abandoned: bool,
    error: Option<StoreErrorKind>,
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        self.observer.store_operation(&StoreOperation {
            name: self.name,
            duration: self.begin.elapsed(),
            error: self.error,
            is_abandoned: self.is_abandoned,
        });
    }
}

impl StoreWrapper for TimedStore {
    type Inner = dyn Store;

    fn inner(&self) -> &dyn Store {
        &*self.store
    }

    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        self.timed("get", move |store| store.get(id))
    }

    fn get_uncached<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        self.timed("get_uncached", move |store| store.get_uncached(id))
    }

    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        self.timed("expiries", move |store| store.expiries(ids))
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        self.timed("create", move |store| store.create(id, entry))
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        self.timed("update", move |store| store.update(id, read, entry))
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        self.timed("touch", move |store| store.touch(id, read, entry))
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.timed("destroy", move |store| store.destroy(id))
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.timed("retire", move |store| store.retire(id))
    }

    fn retire_as<'a>(&'a self, id: &'a SessionId, retired: &'a RetiredId) -> StoreFuture<'a, bool> {
        self.timed("retire_as", move |store| store.retire_as(id, retired))
    }

    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        self.timed("retired", move |store| store.retired(id))
    }

    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        self.timed("replace", move |store| {
            store.replace(old, read, new, entry, retired)
        })
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        self.timed("check", move |store| store.check())
    }

    fn prune(&self) -> StoreFuture<'_, u64> {
        self.timed("prune", move |store| store.prune())
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page> {
        self.timed("scan", move |store| store.scan(cursor, limit))
    }

    fn scan_records<'a>(
        &'a self,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, RecordPage> {
        self.timed("scan_records", move |store| {
            store.scan_records(cursor, limit)
        })
    }

    fn put<'a>(
        &'a self,
        id: &'a SessionId,
        entry: &'a NewRecord,
        condition: &'a PutIf,
    ) -> StoreFuture<'a, PutOutcome> {
        self.timed("put", move |store| store.put(id, entry, condition))
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        self.timed("count", move |store| store.count())
    }

    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        self.timed("list_by_user", move |store| store.list_by_user(user))
    }

    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        self.timed("destroy_by_user", move |store| {
            store.destroy_by_user(user, keep)
        })
    }
}
