//! The thread that drops expired sessions, for as long as the store is in use.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::MemoryTables;

pub(super) fn start(store: &Arc<MemoryTables>, every: Duration) {
    let store = Arc::downgrade(store);
    let thread = thread::Builder::new().name("cloakroom-sweep".into());
    if let Err(error) = thread.spawn(move || sweep(&store, every)) {
        tracing::warn!(%error, "expired sessions are dropped only when the store is pruned");
    }
}

fn sweep(store: &Weak<MemoryTables>, every: Duration) {
    loop {
        thread::sleep(every);
        let Some(store) = store.upgrade() else { return };
        store.prune();
    }
}
