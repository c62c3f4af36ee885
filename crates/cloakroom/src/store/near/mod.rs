//! A cache that is itself a store: reads are served from memory for as long as nothing is known to have
//! changed.
//!
//! A change counts as reported before the copy that it concerns is served (`versions`), and a copy is served
//! for a bounded time after it was last known to hold (`freshness`). `model` explores all orders in which
//! that can happen.

mod freshness;
mod invalidate;
mod memory;
mod options;
mod stats;
mod versions;
mod worth;

/// The atomics of the counters; the model uses loom's.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU32, Ordering};
}

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use options::NearOptions;
pub use stats::NearStats;

use self::freshness::ReadSource;
use self::invalidate::{ClearOnDrop, WriteInvalidation};
use self::memory::Memory;
use super::{
    CasOutcome, Changes, Invalidation, InvalidationSink, NewRecord, PutIf, PutOutcome, RetiredId,
    Store, StoreError, StoreErrorKind, StoreFuture, StoredRecord,
};
use crate::id::SessionId;
use crate::record::RecordText;

/// Time for a read over the subscription's connection before the store itself is asked.
const LINK_READ_TIMEOUT: Duration = Duration::from_millis(500);

/// A store in front of another, which serves reads from this process's memory; clones are the same store.
///
/// ```
/// # use cloakroom::store::{Store, near::NearStore};
/// # fn near(redis_store: impl Store) -> NearStore {
/// NearStore::new(redis_store)
/// # }
/// ```
///
/// Redis, Valkey and PostgreSQL (with the trigger `notify`) report changes by any writer: a logout elsewhere
/// is known here as it happens. If no ping was answered for the [bound](NearOptions::staleness), a second,
/// nothing is served that was not read within it; the same holds from the start for a store without such
/// reports. Writes of this process are visible to it at once. Writes compare with the stored record, as ever:
/// an old copy overwrites nothing.
///
/// # Security
///
/// For the bound after a logout on another server this one may still accept the session. Where that is too
/// long: [`Require::role`](crate::auth::Require::role) and [`fresh`](crate::auth::Require::fresh) bypass the
/// cache, as does [`Session::reload`](crate::Session::reload);
/// [`Manager::wait_for_caches`](crate::Manager::wait_for_caches) waits until no server can accept a session
/// that was ended before.
#[derive(Clone)]
pub struct NearStore(Arc<NearInner>);

struct NearInner {
    store: Arc<dyn Store>,
    memory: Arc<Memory>,
    staleness: Duration,
    /// Made at the first read, because it needs a runtime.
    link: OnceLock<Option<Box<dyn Changes>>>,
}

impl NearStore {
    /// Wraps `store`, with the default options.
    pub fn new(store: impl Store) -> Self {
        Self::with(Arc::new(store), &NearOptions::default())
    }

    /// Wraps a shared store.
    pub fn with(store: Arc<dyn Store>, options: &NearOptions) -> Self {
        Self(Arc::new(NearInner {
            store,
            memory: Arc::new(Memory::new(options)),
            staleness: options.staleness,
            link: OnceLock::new(),
        }))
    }

    /// Returns the counters since the cache was made.
    pub fn stats(&self) -> NearStats {
        let proven = self.0.link.get().and_then(Option::as_ref);
        let proven = proven.and_then(|link| link.proven());
        NearStats {
            staleness: proven.map(|proven| memory::now().saturating_duration_since(proven)),
            ..self.0.memory.stats()
        }
    }
}

impl NearInner {
    fn link(&self) -> Option<&dyn Changes> {
        let link = self.link.get_or_init(|| {
            let memory = Arc::clone(&self.memory);
            self.store
                .changes(InvalidationSink::new(move |hint| match hint {
                    Invalidation::Of(id) => memory.changed(id),
                    Invalidation::All => memory.clear(),
                }))
        });
        link.as_deref()
    }

    async fn get(&self, id: &SessionId) -> Result<Option<StoredRecord>, StoreError> {
        if let Some(stored) = self.memory.get(id, || self.link()?.proven()) {
            self.memory.was_hit();
            return Ok(Some(stored));
        }
        self.memory.was_missed();
        // Taken first: a change that is reported from now on concerns this read as well.
        let question = self.memory.question(id);
        if !self.memory.is_worth_it(question) {
            return self.store.get(id).await;
        }
        let (source, read) = match self.read_by_link(id).await {
            Some(read) => (ReadSource::Subscribed, read?),
            None => (ReadSource::Unsubscribed, self.store.get(id).await?),
        };
        if let Some(stored) = &read {
            self.memory.insert(id, question, source, stored);
        }
        Ok(read)
    }

    /// Reads from the server that the subscription is connected to; `None` if that is of no use.
    async fn read_by_link(
        &self,
        id: &SessionId,
    ) -> Option<Result<Option<StoredRecord>, StoreError>> {
        let link = self.link()?;
        let age = memory::now().saturating_duration_since(link.proven()?);
        if age > self.staleness {
            return None;
        }
        match tokio::time::timeout(LINK_READ_TIMEOUT, link.get(id)).await {
            Ok(Err(error)) if error.kind() != StoreErrorKind::Corrupt => None,
            Ok(read) => Some(read),
            Err(_) => None,
        }
    }

    /// Waits until all changes so far were reported; drops all copies if that may have failed.
    async fn catch_up(&self, forgetting: ClearOnDrop<'_>) {
        let Some(link) = self.link() else { return };
        if link.catch_up().await.is_ok() {
            forgetting.needs_not();
        }
    }
}

impl fmt::Debug for NearStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NearStore")
            .field("staleness", &self.0.staleness)
            .finish_non_exhaustive()
    }
}

impl super::StoreWrapper for NearStore {
    type Inner = dyn Store;

    fn inner(&self) -> &dyn Store {
        &*self.0.store
    }

    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        Box::pin(self.0.get(id))
    }

    fn staleness(&self) -> Duration {
        self.0.staleness + self.inner().staleness()
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let _writing = WriteInvalidation::to(&self.0.memory, [id, id]);
            self.inner().create(id, entry).await
        })
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        Box::pin(async move {
            let _writing = WriteInvalidation::to(&self.0.memory, [id, id]);
            self.inner().update(id, read, entry).await
        })
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let _writing = WriteInvalidation::to(&self.0.memory, [id, id]);
            self.inner().touch(id, read, entry).await
        })
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let _writing = WriteInvalidation::to(&self.0.memory, [id, id]);
            self.inner().destroy(id).await
        })
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
            let _writing = WriteInvalidation::to(&self.0.memory, [old, new]);
            self.inner().replace(old, read, new, entry, retired).await
        })
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let _writing = WriteInvalidation::to(&self.0.memory, [id, id]);
            self.inner().retire(id).await
        })
    }

    fn retire_as<'a>(&'a self, id: &'a SessionId, retired: &'a RetiredId) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let _writing = WriteInvalidation::to(&self.0.memory, [id, id]);
            self.inner().retire_as(id, retired).await
        })
    }

    fn put<'a>(
        &'a self,
        id: &'a SessionId,
        entry: &'a NewRecord,
        condition: &'a PutIf,
    ) -> StoreFuture<'a, PutOutcome> {
        Box::pin(async move {
            let _writing = WriteInvalidation::to(&self.0.memory, [id, id]);
            self.inner().put(id, entry, condition).await
        })
    }

    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let forgetting = ClearOnDrop::of(&self.0.memory);
            let ended = self.inner().destroy_by_user(user, keep).await?;
            self.0.catch_up(forgetting).await;
            Ok(ended)
        })
    }

    /// Returns `None`: what a cache in front of this one would be notified of, this one learns as well.
    fn changes(&self, _: InvalidationSink) -> Option<Box<dyn Changes>> {
        None
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
