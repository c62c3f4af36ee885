//! A lock whose holders take turns, in the order in which they asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

/// A value that one task at a time has. Clones are the same lock.
pub(crate) struct TurnLock<T>(Arc<Mutex<T>>);

/// A task's turn, with the value; it ends when this is dropped.
pub(crate) type Turn<T> = OwnedMutexGuard<T>;

impl<T> TurnLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    /// Waits for a turn, for so long at most; `None` where it did not come.
    pub(crate) async fn take(self, within: Duration) -> Option<Turn<T>> {
        timeout(within, self.0.lock_owned()).await.ok()
    }

    /// Returns `true` if a task has its turn, or waits for it.
    pub(crate) fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl<T> Clone for TurnLock<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
