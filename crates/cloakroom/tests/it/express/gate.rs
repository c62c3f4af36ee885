//! A store behind a gate that counts, delays or refuses its operations.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom::id::SessionId;
use cloakroom::record::RecordText;
use cloakroom::store::{
    CasOutcome, NewRecord, Page, RetiredId, Store, StoreError, StoreErrorKind, StoreFuture,
    StoredRecord,
};

/// The operations that write a record.
pub(crate) const WRITES: [&str; 3] = ["create", "update", "replace"];

#[derive(Clone)]
pub(crate) struct Gate {
    store: Arc<dyn Store>,
    state: Arc<Mutex<State>>,
}

struct State {
    calls: Vec<&'static str>,
    delay: Duration,
    refused: Vec<&'static str>,
    error: fn() -> StoreError,
}

impl Gate {
    pub(crate) fn before(store: Arc<dyn Store>) -> Self {
        let state = State {
            calls: Vec::new(),
            delay: Duration::ZERO,
            refused: Vec::new(),
            error: || StoreErrorKind::Unavailable.into(),
        };
        Self {
            store,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Delays each operation from now on.
    pub(crate) fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Makes these operations fail from now on, with nothing done.
    pub(crate) fn refuse(&self, operations: &[&'static str]) {
        self.state().refused = operations.to_vec();
    }

    /// Sets the error of refused operations.
    pub(crate) fn refuse_with(&self, error: fn() -> StoreError) {
        self.state().error = error;
    }

    /// The operations that were asked for since this was last asked.
    pub(crate) fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state().calls)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        call: impl FnOnce(&'a dyn Store) -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        let (delay, refusal) = {
            let mut state = self.state();
            state.calls.push(operation);
            let refused = state.refused.contains(&operation);
            (state.delay, refused.then_some(state.error))
        };
        Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            match refusal {
                Some(error) => Err(error()),
                None => call(&*self.store).await,
            }
        })
    }
}

impl Store for Gate {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        self.pass("get", move |store| store.get(id))
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        self.pass("create", move |store| store.create(id, entry))
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        self.pass("update", move |store| store.update(id, read, entry))
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        self.pass("touch", move |store| store.touch(id, read, entry))
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.pass("destroy", move |store| store.destroy(id))
    }

    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        self.pass("replace", move |store| {
            store.replace(old, read, new, entry, retired)
        })
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.pass("destroy", move |store| store.retire(id))
    }

    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        self.pass("retired", move |store| store.retired(id))
    }

    fn prune(&self) -> StoreFuture<'_, u64> {
        self.pass("prune", |store| store.prune())
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page> {
        self.pass("scan", move |store| store.scan(cursor, limit))
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        self.pass("count", |store| store.count())
    }

    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        self.pass("list_by_user", move |store| store.list_by_user(user))
    }

    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        self.pass("destroy_by_user", move |store| {
            store.destroy_by_user(user, keep)
        })
    }
}
