//! A store that injects faults on demand, and records its calls.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::{
    CasOutcome, Changes, Ends, InvalidationSink, NewRecord, Page, PutIf, PutOutcome, RecordPage,
    RetiredId, Store, StoreError, StoreErrorKind, StoreFuture, StoredRecord, UserKeys,
};
use crate::util::lock;

/// A store in front of another, for tests of an application whose store fails.
#[derive(Clone)]
pub struct FaultInjectingStore {
    store: Arc<dyn Store>,
    state: Arc<Mutex<InjectionState>>,
    /// Notified when it works again.
    works: watch::Sender<()>,
}

/// The calls that change nothing.
const READS: [&str; 7] = [
    "get",
    "expiries",
    "retired",
    "scan",
    "scan_records",
    "count",
    "list_by_user",
];

#[derive(Default)]
struct InjectionState {
    fault: Option<InjectedFault>,
    spares_reads: bool,
    /// The one call that fails, counted from the next, which is 1.
    one: Option<(usize, OneFault)>,
    calls: Vec<&'static str>,
}

#[derive(Clone, Copy)]
enum OneFault {
    Fail(StoreErrorKind),
    LoseAnswer,
}

impl InjectionState {
    /// Records a call, and returns the fault to inject.
    fn enter(&mut self, name: &'static str) -> Option<InjectedFault> {
        self.calls.push(name);
        match &mut self.one {
            Some((1, _)) => {
                let (_, fault) = self.one.take()?;
                Some(InjectedFault::One(fault))
            }
            Some((left, _)) => {
                *left -= 1;
                self.lasting(name)
            }
            None => self.lasting(name),
        }
    }

    fn lasting(&self, name: &str) -> Option<InjectedFault> {
        let is_spared = self.spares_reads && READS.contains(&name);
        self.fault.filter(|_| !is_spared)
    }
}

#[derive(Clone, Copy)]
enum InjectedFault {
    Fail(StoreErrorKind),
    Hang,
    HoldAnswer,
    LoseAnswer,
    Panic,
    One(OneFault),
}

impl FaultInjectingStore {
    /// Wraps a store; it works until a fault is set.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            state: Arc::default(),
            works: watch::Sender::new(()),
        }
    }

    /// Makes every call from now on fail at once, with nothing done.
    pub fn fail(&self, kind: StoreErrorKind) {
        self.set(Some(InjectedFault::Fail(kind)));
    }

    /// Makes every call from now on hang.
    pub fn hang(&self) {
        self.set(Some(InjectedFault::Hang));
    }

    /// Executes every call from now on, but holds its reply until the store [works](Self::work) again.
    pub fn hold_answers(&self) {
        self.set(Some(InjectedFault::HoldAnswer));
    }

    /// Executes every call from now on, but loses its reply.
    pub fn lose_answers(&self) {
        self.set(Some(InjectedFault::LoseAnswer));
    }

    /// Makes the `n`th call from now fail at once, with nothing done; the next one is the first.
    pub fn fail_call(&self, n: usize, kind: StoreErrorKind) {
        self.lock().one = Some((n, OneFault::Fail(kind)));
    }

    /// Executes the `n`th call from now, but reports [`Unknown`](StoreErrorKind::Unknown) to the caller.
    pub fn lose_answer_of_call(&self, n: usize) {
        self.lock().one = Some((n, OneFault::LoseAnswer));
    }

    /// Returns `true` once the call that was to fail has been made.
    pub fn has_failed_call(&self) -> bool {
        self.lock().one.is_none()
    }

    /// Makes every call from now on panic when it is polled.
    pub fn panic(&self) {
        self.set(Some(InjectedFault::Panic));
    }

    /// Exempts calls that change nothing from any fault: as a store on a full disk, or a standby.
    pub fn spare_reads(&self) {
        self.lock().spares_reads = true;
    }

    /// Ends all faults.
    pub fn work(&self) {
        self.lock().one = None;
        self.set(None);
        self.works.send_replace(());
    }

    /// Returns the names of the methods that were called since the last call of this.
    pub fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.lock().calls)
    }

    fn set(&self, fault: Option<InjectedFault>) {
        self.lock().fault = fault;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, InjectionState> {
        lock(&self.state)
    }

    fn call<'a, T: Send + 'a>(
        &self,
        name: &'static str,
        call: impl FnOnce() -> StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        let fault = self.lock().enter(name);
        match fault {
            None => call(),
            Some(InjectedFault::One(OneFault::LoseAnswer)) => {
                let call = call();
                Box::pin(async move { call.await.and(Err(StoreErrorKind::Unknown.into())) })
            }
            Some(InjectedFault::Fail(kind) | InjectedFault::One(OneFault::Fail(kind))) => {
                Box::pin(async move { Err(StoreError::from(kind)) })
            }
            Some(InjectedFault::Hang) => Box::pin(std::future::pending()),
            Some(InjectedFault::HoldAnswer) => {
                let (call, mut works) = (call(), self.works.subscribe());
                Box::pin(async move {
                    let answer = call.await;
                    let _ = works.changed().await;
                    answer
                })
            }
            Some(InjectedFault::Panic) => Box::pin(async { panic!("a store that panics") }),
            Some(InjectedFault::LoseAnswer) => {
                let call = call();
                Box::pin(async move {
                    let _ = call.await;
                    std::future::pending().await
                })
            }
        }
    }
}

impl std::fmt::Debug for FaultInjectingStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultInjectingStore")
    }
}

impl Store for FaultInjectingStore {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        self.call("get", || self.store.get(id))
    }

    fn staleness(&self) -> std::time::Duration {
        self.store.staleness()
    }

    fn has_unindexed(&self) -> bool {
        self.store.has_unindexed()
    }

    fn changes(&self, hints: InvalidationSink) -> Option<Box<dyn Changes>> {
        self.store.changes(hints)
    }

    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        self.call("expiries", || self.store.expiries(ids))
    }

    fn ends(&self, hints: InvalidationSink) -> Option<Box<dyn Ends>> {
        self.store.ends(hints)
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        self.call("create", || self.store.create(id, entry))
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        self.call("update", || self.store.update(id, read, entry))
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        self.call("touch", || self.store.touch(id, read, entry))
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.call("destroy", || self.store.destroy(id))
    }

    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        self.call("replace", || {
            self.store.replace(old, read, new, entry, retired)
        })
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.call("retire", || self.store.retire(id))
    }

    fn retire_as<'a>(&'a self, id: &'a SessionId, retired: &'a RetiredId) -> StoreFuture<'a, bool> {
        self.call("retire_as", || self.store.retire_as(id, retired))
    }

    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        self.call("retired", || self.store.retired(id))
    }

    fn prune(&self) -> StoreFuture<'_, u64> {
        self.call("prune", || self.store.prune())
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page> {
        self.call("scan", || self.store.scan(cursor, limit))
    }

    fn scan_records<'a>(
        &'a self,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, RecordPage> {
        self.call("scan_records", || self.store.scan_records(cursor, limit))
    }

    fn put<'a>(
        &'a self,
        id: &'a SessionId,
        entry: &'a NewRecord,
        condition: &'a PutIf,
    ) -> StoreFuture<'a, PutOutcome> {
        self.call("put", || self.store.put(id, entry, condition))
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        self.call("count", || self.store.count())
    }

    fn set_user_keys(&self, keys: &UserKeys) {
        self.store.set_user_keys(keys);
    }

    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        self.call("list_by_user", || self.store.list_by_user(user))
    }

    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        self.call("destroy_by_user", || self.store.destroy_by_user(user, keep))
    }
}
