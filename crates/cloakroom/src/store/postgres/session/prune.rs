//! Pruning of expired rows, a thousand at a time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::params::Params;
use super::reads::first;
use super::retired::PRUNED_AT_ONCE;
use crate::store::StoreError;
use crate::store::postgres::PostgresInner;

impl PostgresInner {
    /// Deletes expired rows, except those that others hold at the moment.
    pub(crate) async fn prune(&self) -> Result<u64, StoreError> {
        self.prune_marks().await?;
        self.prune_all(&self.sql.prune, &[&self.now()]).await
    }

    /// Prunes unless another process does already.
    async fn prune_alone(&self) -> Result<u64, StoreError> {
        self.prune_marks().await?;
        let lock = format!("cloakroom prune {}", self.names.table());
        self.prune_all(&self.sql.prune_alone, &[&self.now(), &lock])
            .await
    }

    async fn prune_all(&self, sql: &str, params: Params<'_>) -> Result<u64, StoreError> {
        let mut pruned = 0;
        loop {
            let rows = self.write(sql, params).await?;
            let some = first::<i64>(&rows)?.unsigned_abs();
            pruned += some;
            if some < PRUNED_AT_ONCE {
                return Ok(pruned);
            }
        }
    }

    /// Prunes tombstones, and ids that were retired for long enough.
    async fn prune_marks(&self) -> Result<(), StoreError> {
        if let Some(sql) = &self.sql.prune_tombs {
            self.write(sql, &[&self.now()]).await?;
        }
        if let Some(sql) = &self.sql.retired {
            self.prune_all(&sql.prune, &[&self.now()]).await?;
        }
        Ok(())
    }
}

/// Prunes until the store is dropped, whatever fails meanwhile.
pub(crate) fn spawn(inner: &Arc<PostgresInner>, interval: Duration) -> AbortHandle {
    let store = Arc::downgrade(inner);
    tokio::spawn(run(store, interval)).abort_handle()
}

async fn run(store: Weak<PostgresInner>, interval: Duration) {
    loop {
        sleep(jittered(interval)).await;
        let Some(inner) = store.upgrade() else { return };
        match inner.prune_alone().await {
            Ok(pruned) => tracing::debug!(pruned, "expired sessions were deleted"),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(
                    cause,
                    "expired sessions cannot be deleted; the next interval tries again"
                );
            }
        }
    }
}

/// Returns 50 to 150 % of an interval.
fn jittered(interval: Duration) -> Duration {
    // Without a random number all processes of a fleet prune at once, which is merely busy.
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    interval.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}
