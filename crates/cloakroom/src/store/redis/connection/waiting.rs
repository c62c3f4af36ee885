//! Ends that count only once replicas have them, too: each is followed by `WAIT` on its connection. That
//! blocks the connection meanwhile, so that all other requests have another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::Cmd;

use super::shared::Shared;
use crate::store::redis::RedisOptions;

/// Time-out of `WAIT` after some replicas have just not answered, so that the next end is not delayed.
const AT_ONCE: Duration = Duration::from_millis(1);

/// The number of replicas that must have a write, and the connection for it.
pub(crate) struct Waiting {
    pub(crate) shared: Arc<Shared>,
    replicas: u32,
    patience: Duration,
    /// `true` if other writes wait as well.
    pub(crate) writes: bool,
    /// `true` if there were fewer the last time.
    lacks: AtomicBool,
}

impl Waiting {
    pub(crate) fn of(options: &RedisOptions, shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            replicas: options.wait_replicas,
            // The connection is given up when a reply takes longer.
            patience: options.wait_timeout.min(options.response_timeout / 2),
            writes: options.wait_for_writes,
            lacks: AtomicBool::new(false),
        }
    }

    /// Builds the `WAIT` command.
    pub(crate) fn command(&self) -> Cmd {
        let lacks = self.lacks.load(Ordering::Relaxed);
        let patience = if lacks { AT_ONCE } else { self.patience };
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.replicas)
            .arg(patience.max(AT_ONCE).as_millis().to_string());
        wait
    }

    /// Records the number of replicas that have the write; returns `true` if they are enough.
    pub(crate) fn heard(&self, replicas: i64) -> bool {
        let is_enough = replicas >= i64::from(self.replicas);
        if !is_enough && !self.lacks.load(Ordering::Relaxed) {
            tracing::warn!(
                replicas,
                wanted = self.replicas,
                "too few replicas of Redis have what was ended: it may come back with a failover"
            );
        }
        self.lacks.store(!is_enough, Ordering::Relaxed);
        is_enough
    }
}
