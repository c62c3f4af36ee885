//! Subscriptions by which a store reports that sessions may have ended.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::StoreFuture;

/// A reason to re-read, never a fact: the caller asks the store again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidation<'a> {
    /// This session was written, ended, or may have.
    Of(&'a SessionId),
    /// Invalidations may have been lost, or come only from now on: all sessions must be re-read.
    All,
}

/// The receiver of a store's invalidations. Clones share it, and a call never waits.
#[derive(Clone)]
pub struct InvalidationSink(Arc<dyn Fn(Invalidation<'_>) + Send + Sync>);

impl InvalidationSink {
    /// Passes each invalidation to `take`, which must not block.
    pub fn new(take: impl Fn(Invalidation<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// Sends an invalidation.
    pub fn send(&self, hint: Invalidation<'_>) {
        (self.0)(hint);
    }
}

impl fmt::Debug for InvalidationSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvalidationSink")
    }
}

/// A store's subscription to ends, which lasts until this is dropped.
///
/// It makes and renews its connection by itself. Each new connection sends [`Invalidation::All`].
pub trait Ends: Send + Sync {
    /// Returns the expiries of `ids`, as [`Store::expiries`](crate::store::Store::expiries) does; from then
    /// on, invalidations report what happens to these sessions.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`](crate::store::StoreError): then the store itself is asked.
    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>>;

    /// Returns `true` if the subscription was seen to work within the last half second. While it is `false`,
    /// sessions are polled, as with a store without subscriptions.
    fn is_proven(&self) -> bool;
}
