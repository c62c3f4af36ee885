//! Detects the end of the runtime that drives a connection.
//!
//! A command that is sent over such a connection fails, and a write could not be sent again: it may or may
//! not have left. If the end is noted beforehand, the write goes over a new connection.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::AbortHandle;

/// A task on the runtime that drives a connection; both end with it.
pub(crate) struct Driver {
    gone: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Driver {
    /// Starts the task on the runtime that this is called in; `gone` is set when that ends.
    pub(crate) fn watched(gone: Arc<AtomicBool>) -> Self {
        let flag = SetOnDrop(Arc::clone(&gone));
        let task = tokio::spawn(async move {
            let _flag = flag;
            pending::<()>().await;
        });
        Self {
            gone,
            task: task.abort_handle(),
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
