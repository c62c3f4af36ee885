//! An outage is told of once when it begins, and once when it is over.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use crate::store::StoreError;
use crate::util::lock;

/// `true` while the store fails.
#[derive(Default)]
pub(super) struct Outage {
    /// Looked at for each operation that succeeds.
    is_on: AtomicBool,
    since: Mutex<Option<Instant>>,
}

impl Outage {
    /// Takes note of a failure of the store itself.
    pub(super) fn begin(&self, error: &StoreError) {
        if self.is_on.load(Ordering::Relaxed) {
            return;
        }
        let mut since = lock(&self.since);
        if since.is_none() {
            *since = Some(Instant::now());
            self.is_on.store(true, Ordering::Relaxed);
            tracing::error!(
                ?error,
                "the session store fails; said once until it answers again"
            );
        }
    }

    /// Takes note that the store has answered.
    pub(super) fn end(&self) {
        if !self.is_on.load(Ordering::Relaxed) {
            return;
        }
        let mut since = lock(&self.since);
        if let Some(since) = since.take() {
            self.is_on.store(false, Ordering::Relaxed);
            let seconds = since.elapsed().as_secs_f32();
            tracing::warn!("the session store answers again, after {seconds:.1} s");
        }
    }
}
