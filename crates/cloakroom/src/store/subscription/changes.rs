//! Subscriptions by which a store notifies a cache in front of it of changes.

use std::time::Instant;

use crate::id::SessionId;
use crate::record::StoredRecord;
use crate::store::StoreFuture;

/// A store's subscription for a cache, which lasts until this is dropped.
///
/// It makes and renews its connection by itself. It sends an [`Invalidation`](crate::store::Invalidation) of
/// every change to a record, by any writer, in the order of the changes; and
/// [`Invalidation::All`](crate::store::Invalidation::All) when the connection was lost, and again once there
/// is another, before that is [proven](Self::proven).
pub trait Changes: Send + Sync {
    /// Reads the live record of `id`, as [`Store::get`](crate::store::Store::get) does, from the server whose
    /// changes are reported.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Corrupt`](crate::store::StoreErrorKind::Corrupt); any other where that server cannot
    /// answer: then the store itself is asked, and changes to what it returns are not reported.
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>>;

    /// Returns the time of the latest ping that was answered: changes before it have been reported. `None`
    /// without a connection.
    fn proven(&self) -> Option<Instant>;

    /// Sends a ping now, and waits until it is answered.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`](crate::store::StoreError): some changes may not have been reported.
    fn catch_up(&self) -> StoreFuture<'_, ()>;
}
