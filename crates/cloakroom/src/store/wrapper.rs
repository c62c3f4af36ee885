//! Stores around other stores: a wrapper says what it does differently.

use std::sync::Arc;
use std::time::Duration;

use super::{
    CasOutcome, Changes, Ends, InvalidationSink, NewRecord, Page, PutIf, PutOutcome, RecordPage,
    RetiredId, Store, StoreFuture, StoredRecord, UserKeys,
};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::record::RecordText;

/// A store around another one: every method that is not written calls the same method of [`inner`](Self::inner).
///
/// Each wrapper is a [`Store`]. `Arc<S>` and `Box<S>` are wrappers, so that a function that takes a store takes a
/// shared one as well.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use cloakroom::SessionId;
/// use cloakroom::store::{Store, StoreFuture, StoreWrapper, StoredRecord};
///
/// /// Counts the reads of a store.
/// struct Counted<S> {
///     store: S,
///     reads: AtomicU64,
/// }
///
/// impl<S: Store> StoreWrapper for Counted<S> {
///     type Inner = S;
///
///     fn inner(&self) -> &S {
///         &self.store
///     }
///
///     fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
///         self.reads.fetch_add(1, Ordering::Relaxed);
///         self.store.get(id)
///     }
/// }
/// # fn is_a_store(_: impl Store) {}
/// # fn check(counted: Counted<cloakroom::MemoryStore>) { is_a_store(counted) }
/// ```
pub trait StoreWrapper: Send + Sync + 'static {
    /// The type of the store inside.
    type Inner: Store + ?Sized;

    /// Returns the store inside.
    fn inner(&self) -> &Self::Inner;

    /// See [`Store::get`].
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        self.inner().get(id)
    }

    /// See [`Store::get_uncached`].
    fn get_uncached<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        self.inner().get_uncached(id)
    }

    /// See [`Store::staleness`].
    fn staleness(&self) -> Duration {
        self.inner().staleness()
    }

    /// See [`Store::has_unindexed`].
    fn has_unindexed(&self) -> bool {
        self.inner().has_unindexed()
    }

    /// See [`Store::changes`].
    fn changes(&self, hints: InvalidationSink) -> Option<Box<dyn Changes>> {
        self.inner().changes(hints)
    }

    /// See [`Store::expiries`].
    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        self.inner().expiries(ids)
    }

    /// See [`Store::ends`].
    fn ends(&self, hints: InvalidationSink) -> Option<Box<dyn Ends>> {
        self.inner().ends(hints)
    }

    /// See [`Store::create`].
    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        self.inner().create(id, entry)
    }

    /// See [`Store::update`].
    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        self.inner().update(id, read, entry)
    }

    /// See [`Store::touch`].
    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        self.inner().touch(id, read, entry)
    }

    /// See [`Store::destroy`].
    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.inner().destroy(id)
    }

    /// See [`Store::retire`].
    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.inner().retire(id)
    }

    /// See [`Store::retire_as`].
    fn retire_as<'a>(&'a self, id: &'a SessionId, retired: &'a RetiredId) -> StoreFuture<'a, bool> {
        self.inner().retire_as(id, retired)
    }

    /// See [`Store::retired`].
    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        self.inner().retired(id)
    }

    /// See [`Store::replace`].
    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        self.inner().replace(old, read, new, entry, retired)
    }

    /// See [`Store::check`].
    fn check(&self) -> StoreFuture<'_, ()> {
        self.inner().check()
    }

    /// See [`Store::prune`].
    fn prune(&self) -> StoreFuture<'_, u64> {
        self.inner().prune()
    }

    /// See [`Store::scan`].
    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page> {
        self.inner().scan(cursor, limit)
    }

    /// See [`Store::scan_records`].
    fn scan_records<'a>(
        &'a self,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, RecordPage> {
        self.inner().scan_records(cursor, limit)
    }

    /// See [`Store::put`].
    fn put<'a>(
        &'a self,
        id: &'a SessionId,
        entry: &'a NewRecord,
        condition: &'a PutIf,
    ) -> StoreFuture<'a, PutOutcome> {
        self.inner().put(id, entry, condition)
    }

    /// See [`Store::count`].
    fn count(&self) -> StoreFuture<'_, u64> {
        self.inner().count()
    }

    /// See [`Store::set_user_keys`].
    fn set_user_keys(&self, keys: &UserKeys) {
        self.inner().set_user_keys(keys);
    }

    /// See [`Store::list_by_user`].
    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        self.inner().list_by_user(user)
    }

    /// See [`Store::destroy_by_user`].
    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        self.inner().destroy_by_user(user, keep)
    }
}

impl<W: StoreWrapper> Store for W {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        StoreWrapper::get(self, id)
    }

    fn get_uncached<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        StoreWrapper::get_uncached(self, id)
    }

    fn staleness(&self) -> Duration {
        StoreWrapper::staleness(self)
    }

    fn has_unindexed(&self) -> bool {
        StoreWrapper::has_unindexed(self)
    }

    fn changes(&self, hints: InvalidationSink) -> Option<Box<dyn Changes>> {
        StoreWrapper::changes(self, hints)
    }

    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        StoreWrapper::expiries(self, ids)
    }

    fn ends(&self, hints: InvalidationSink) -> Option<Box<dyn Ends>> {
        StoreWrapper::ends(self, hints)
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        StoreWrapper::create(self, id, entry)
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        StoreWrapper::update(self, id, read, entry)
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        StoreWrapper::touch(self, id, read, entry)
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        StoreWrapper::destroy(self, id)
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        StoreWrapper::retire(self, id)
    }

    fn retire_as<'a>(&'a self, id: &'a SessionId, retired: &'a RetiredId) -> StoreFuture<'a, bool> {
        StoreWrapper::retire_as(self, id, retired)
    }

    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        StoreWrapper::retired(self, id)
    }

    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        StoreWrapper::replace(self, old, read, new, entry, retired)
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        StoreWrapper::check(self)
    }

    fn prune(&self) -> StoreFuture<'_, u64> {
        StoreWrapper::prune(self)
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page> {
        StoreWrapper::scan(self, cursor, limit)
    }

    fn scan_records<'a>(
        &'a self,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, RecordPage> {
        StoreWrapper::scan_records(self, cursor, limit)
    }

    fn put<'a>(
        &'a self,
        id: &'a SessionId,
        entry: &'a NewRecord,
        condition: &'a PutIf,
    ) -> StoreFuture<'a, PutOutcome> {
        StoreWrapper::put(self, id, entry, condition)
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        StoreWrapper::count(self)
    }

    fn set_user_keys(&self, keys: &UserKeys) {
        StoreWrapper::set_user_keys(self, keys);
    }

    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        StoreWrapper::list_by_user(self, user)
    }

    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        StoreWrapper::destroy_by_user(self, user, keep)
    }
}

impl<S: Store + ?Sized> StoreWrapper for Arc<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        self
    }
}

impl<S: Store + ?Sized> StoreWrapper for Box<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        self
    }
}
