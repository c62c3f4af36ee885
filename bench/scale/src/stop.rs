//! Ctrl-C: the run ends at the next check, and its files are removed.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::error::Failure;

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn listen() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
    STOPPED.store(true, Ordering::Relaxed);
}

/// Fails once the run was interrupted.
pub(crate) fn check() -> Result<(), Failure> {
    if STOPPED.load(Ordering::Relaxed) {
        return Err(Failure::new("stopped; nothing is left on the disk"));
    }
    Ok(())
}
