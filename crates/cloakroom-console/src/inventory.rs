//! The last counts: all sessions one by one, and their number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use cloakroom::store::StoreError;

use crate::tally::Tally;

/// A figure with its time.
#[derive(Clone, Debug)]
pub(crate) struct Counted<T> {
    pub(crate) value: T,
    pub(crate) at: SystemTime,
    pub(crate) took: Duration,
}

/// The figures of an inventory, and how many sessions are gone since the one before.
#[derive(Debug)]
pub(crate) struct Stock {
    pub(crate) tally: Tally,
    pub(crate) gone: Option<Gone>,
}

/// Sessions that were in one inventory, and not in the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) sessions: u64,
    pub(crate) within: Duration,
}

/// The counts so far.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    stock: Mutex<Option<Arc<Counted<Stock>>>>,
    live: Mutex<Option<Counted<u64>>>,
    /// Sessions that the inventory under way has seen.
    seen: AtomicU64,
    is_failing: Mutex<bool>,
}

impl Inventory {
    pub(crate) fn stock(&self) -> Option<Arc<Counted<Stock>>> {
        lock(&self.stock).clone()
    }

    /// Returns the number of live sessions, as the store counted them last.
    pub(crate) fn live(&self) -> Option<Counted<u64>> {
        lock(&self.live).clone()
    }

    pub(crate) fn set_stock(&self, stock: Counted<Stock>) {
        *lock(&self.stock) = Some(Arc::new(stock));
    }

    pub(crate) fn set_live(&self, live: Counted<u64>) {
        *lock(&self.live) = Some(live);
    }

    pub(crate) fn set_seen(&self, sessions: u64) {
        self.seen.store(sessions, Ordering::Relaxed);
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Returns `true` if the store failed at the last attempt.
    pub(crate) fn is_failing(&self) -> bool {
        *lock(&self.is_failing)
    }

    /// Returns a result's value, and notes if the store failed.
    pub(crate) fn note<T>(&self, result: Result<T, StoreError>) -> Option<T> {
        *lock(&self.is_failing) = result.is_err();
        // The page says so; the application's log has the store's reason.
        result
            .map_err(|error| tracing::warn!(%error, "the console cannot read the store"))
            .ok()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
