//! How a store tells a cache in front of it, unasked, what changed.

use std::time::Instant;

use crate::id::SessionId;
use crate::record::StoredRecord;
use crate::store::StoreFuture;

/// A store's link for a cache, which lasts until this is dropped.
///
/// It makes and renews its connection by itself. Over it comes a [`Invalidation`](crate::store::Invalidation) of every change
/// to a record, whoever makes it, in the order in which they are made; and
/// [`Invalidation::All`](crate::store::Invalidation::All) when the connection was lost, and again once there is another,
/// before that is [proven](Self::proven).
pub trait Changes: Send + Sync {
    /// The same as [`Store::get`](crate::store::Store::get), from the server whose changes are told.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Corrupt`](crate::store::StoreErrorKind::Corrupt); any other where that server cannot
    /// answer: then the store itself is asked, and what it says is not told of any more.
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>>;

    /// When the latest question was put that was answered: what was changed before it has been told.
    /// `None` where there is no connection.
    fn proven(&self) -> Option<Instant>;

    /// Puts such a question now, and waits until it is answered.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`](crate::store::StoreError): something may not have been told.
    fn catch_up(&self) -> StoreFuture<'_, ()>;
}
