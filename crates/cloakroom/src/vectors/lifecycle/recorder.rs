//! An application whose store records the operations.

use std::future::Future;
use std::sync::{Arc, Mutex};

use crate::clock::{ManualClock, Timestamp};
use crate::cookie::sign;
use crate::id::SessionId;
use crate::manager::Manager;
use crate::policy::{Policy, RequestInfo};
use crate::record::RecordText;
use crate::session::Session;
use crate::store::memory::{MemoryLimit, MemoryStore};
use crate::store::{
    CasOutcome, NewRecord, RetiredId, Store, StoreFuture, StoreWrapper, StoredRecord,
};
use crate::vectors::NOW;

/// One application with a recording store in memory.
pub(crate) struct Run {
    pub(crate) manager: Manager,
    pub(crate) store: MemoryStore,
    pub(crate) clock: ManualClock,
    pub(super) operations: Arc<Mutex<Vec<String>>>,
    pub(crate) written: Arc<Mutex<Vec<NewRecord>>>,
}

impl Run {
    pub(crate) fn new(policy: Policy) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(NOW));
        let store = MemoryStore::with(MemoryLimit::default(), clock.clone());
        let operations = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::new(Mutex::new(Vec::new()));
        let recorder = Recorder {
            store: store.clone(),
            operations: Arc::clone(&operations),
            written: Arc::clone(&written),
        };
        let manager = Manager::with_clock(policy, Arc::new(recorder), clock.clone());
        Self {
            manager,
            store,
            clock,
            operations,
            written,
        }
    }

    pub(crate) fn open_with(&self, cookie: Option<&str>, is_secure: bool) -> Session {
        let cookies = cookie.into_iter().map(str::as_bytes);
        let request = RequestInfo {
            is_secure,
            ..RequestInfo::default()
        };
        wait(self.manager.open(cookies, request)).unwrap()
    }

    pub(crate) fn open(&self, id: &str) -> Session {
        self.open_with(Some(&self.cookie(id)), false)
    }

    pub(super) fn cookie(&self, id: &str) -> String {
        let policy = self.manager.policy();
        format!("{}=s:{}", policy.name(), sign(id, policy.keys()))
    }

    /// Returns the Set-Cookie of a request that changes a new session.
    pub(crate) fn one_change(&self) -> Option<String> {
        let session = self.open_with(None, false);
        session.insert("a", 1).unwrap();
        wait(self.manager.close(&session)).unwrap().set_cookie
    }
    pub(crate) fn put(&self, id: &str, stored: &str) {
        let expires = Timestamp::from_millis(self.clock.now().as_millis() + 30_000);
        let entry = NewRecord {
            text: stored.into(),
            expires,
            users: Vec::new(),
        };
        wait(self.store.create(&SessionId::from_store(id), &entry)).unwrap();
    }

    pub(crate) fn text_of(&self, id: &str) -> Option<String> {
        let stored = wait(self.store.get(&SessionId::from_store(id))).unwrap();
        stored.map(|stored| stored.text.to_string())
    }
}

struct Recorder {
    store: MemoryStore,
    operations: Arc<Mutex<Vec<String>>>,
    written: Arc<Mutex<Vec<NewRecord>>>,
}

impl Recorder {
    fn note(&self, operation: &str, id: &SessionId) {
        self.operations
            .lock()
            .unwrap()
            .push(format!("{operation} {}", id.expose()));
    }

    fn note_set(&self, id: &SessionId, entry: &NewRecord) {
        self.note("set", id);
        self.written.lock().unwrap().push(entry.clone());
    }
}

impl StoreWrapper for Recorder {
    type Inner = dyn Store;

    fn inner(&self) -> &dyn Store {
        &self.store
    }

    fn get_uncached<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        StoreWrapper::get(self, id)
    }

    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        self.note("get", id);
        self.inner().get(id)
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        self.note_set(id, entry);
        self.inner().create(id, entry)
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        self.note_set(id, entry);
        self.inner().update(id, read, entry)
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        self.note("touch", id);
        self.inner().touch(id, read, entry)
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.note("destroy", id);
        self.inner().destroy(id)
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
            // Express does not destroy a record that does not exist either.
            if self.inner().get(old).await?.is_some() {
                self.note("destroy", old);
            }
            self.note_set(new, entry);
            self.inner().replace(old, read, new, entry, retired).await
        })
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.note("destroy", id);
        self.inner().retire(id)
    }
}

/// Runs a future that waits for nothing outside this thread.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(future)
}
