//! A store whose subscription the test controls.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::Semaphore;

use super::super::*;
use crate::clock::Timestamp;
use crate::store::{Page, RetiredId};

/// A store with a subscription that the test controls.
#[derive(Clone, Default)]
pub(super) struct Fake(pub(super) Arc<State>);

pub(super) struct State {
    pub(super) stored: Mutex<Option<StoredRecord>>,
    reads: AtomicUsize,
    hints: Mutex<Option<InvalidationSink>>,
    proven: Mutex<Option<Instant>>,
    pub(super) catches_up: AtomicBool,
    /// Reads wait here once they have their reply, writes once they are done.
    pub(super) gate: Semaphore,
    /// Writes wait here before they are done.
    pub(super) queue: Semaphore,
}

impl Default for State {
    fn default() -> Self {
        Self {
            stored: Mutex::default(),
            reads: AtomicUsize::default(),
            hints: Mutex::default(),
            proven: Mutex::default(),
            catches_up: AtomicBool::new(true),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            queue: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }
}

pub(super) fn record(n: u32) -> StoredRecord {
    StoredRecord {
        text: format!(r#"{{"cookie":{{}},"n":{n}}}"#).into(),
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_hours(1)),
    }
}

pub(super) fn entry(n: u32) -> NewRecord {
    let StoredRecord { text, expires } = record(n);
    NewRecord {
        text,
        expires,
        users: Vec::new(),
    }
}

impl Fake {
    pub(super) fn set(&self, n: u32) {
        *self.0.stored.lock().unwrap() = Some(record(n));
    }

    pub(super) fn tell(&self, hint: Invalidation<'_>) {
        let hints = self.0.hints.lock().unwrap().clone();
        hints.expect("the cache subscribed").send(hint);
    }

    pub(super) fn prove(&self) {
        *self.0.proven.lock().unwrap() = Some(memory::now());
    }

    pub(super) fn lose(&self) {
        *self.0.proven.lock().unwrap() = None;
        self.tell(Invalidation::All);
    }

    pub(super) fn take_reads(&self) -> usize {
        self.0.reads.swap(0, Ordering::SeqCst)
    }

    async fn read(&self) -> Result<Option<StoredRecord>, StoreError> {
        let read = self.0.stored.lock().unwrap().clone();
        self.0.reads.fetch_add(1, Ordering::SeqCst);
        let _ = self.0.gate.acquire().await;
        Ok(read)
    }

    async fn write<T>(&self, stored: Option<StoredRecord>, outcome: T) -> Result<T, StoreError> {
        let _ = self.0.queue.acquire().await;
        *self.0.stored.lock().unwrap() = stored;
        let _ = self.0.gate.acquire().await;
        Ok(outcome)
    }
}

struct Link(Fake);

impl Changes for Link {
    fn get<'a>(&'a self, _: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        Box::pin(self.0.read())
    }

    fn proven(&self) -> Option<Instant> {
        *self.0.0.proven.lock().unwrap()
    }

    fn catch_up(&self) -> StoreFuture<'_, ()> {
        let catches_up = self.0.0.catches_up.load(Ordering::SeqCst);
        let outcome = catches_up.then_some(());
        Box::pin(async move { outcome.ok_or(StoreErrorKind::Unavailable.into()) })
    }
}

impl Store for Fake {
    fn get<'a>(&'a self, _: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        Box::pin(self.read())
    }

    fn changes(&self, hints: InvalidationSink) -> Option<Box<dyn Changes>> {
        *self.0.hints.lock().unwrap() = Some(hints);
        Some(Box::new(Link(self.clone())))
    }

    fn create<'a>(&'a self, _: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        let NewRecord { text, expires, .. } = entry.clone();
        Box::pin(self.write(Some(StoredRecord { text, expires }), ()))
    }

    fn update<'a>(
        &'a self,
        _: &'a SessionId,
        _: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        let NewRecord { text, expires, .. } = entry.clone();
        Box::pin(self.write(Some(StoredRecord { text, expires }), CasOutcome::Stored))
    }

    fn touch<'a>(
        &'a self,
        _: &'a SessionId,
        _: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        let NewRecord { text, expires, .. } = entry.clone();
        Box::pin(self.write(Some(StoredRecord { text, expires }), true))
    }

    fn destroy<'a>(&'a self, _: &'a SessionId) -> StoreFuture<'a, bool> {
        Box::pin(self.write(None, true))
    }

    fn replace<'a>(
        &'a self,
        _: &'a SessionId,
        _: Option<&'a RecordText>,
        _: &'a SessionId,
        _: &'a NewRecord,
        _: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        Box::pin(self.write(None, CasOutcome::Stored))
    }

    fn prune(&self) -> StoreFuture<'_, u64> {
        Box::pin(async { Ok(0) })
    }

    fn scan<'a>(&'a self, _: Option<&'a str>, _: usize) -> StoreFuture<'a, Page> {
        Box::pin(async { Ok(Page::default()) })
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        Box::pin(async { Ok(0) })
    }

    fn list_by_user<'a>(&'a self, _: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn destroy_by_user<'a>(&'a self, _: &'a str, _: Option<&'a SessionId>) -> StoreFuture<'a, u64> {
        Box::pin(self.write(None, 1))
    }
}

/// Returns a cache that holds the first value of a session, and whose subscription is alive.
pub(super) async fn warm() -> (Fake, NearStore, SessionId) {
    let fake = Fake::default();
    fake.set(1);
    let (near, id) = (NearStore::new(fake.clone()), SessionId::random());
    // The first read subscribes.
    near.get(&id).await.unwrap();
    fake.tell(Invalidation::All);
    fake.prove();
    for _ in 0..2 {
        assert_eq!(n(&near, &id).await, Some(1));
    }
    fake.take_reads();
    (fake, near, id)
}

pub(super) async fn n(near: &NearStore, id: &SessionId) -> Option<u32> {
    let stored = near.get(id).await.unwrap()?;
    let digits = stored.text.trim_end_matches('}').rsplit(':').next()?;
    digits.parse().ok()
}
