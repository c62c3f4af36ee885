//! Runs one statement on one connection: prepared once, or unnamed behind a pooler; sent in one round trip,
//! and retried where that is harmless.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object};
use futures_util::TryStreamExt as _;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, Row, RowStream};

use super::connect::POOL_WAIT;
use super::error::{QueryError, SendPhase};
use crate::store::postgres::PostgresInner;
use crate::store::postgres::read_pool::ReadPool;
use crate::store::postgres::session::params::Params;

/// Number of times that a statement is sent again after it certainly changed nothing.
const RETRIES: usize = 3;
/// Total time for a statement that needs a row which others hold: a request has two seconds, unless its
/// policy sets another time-out.
const LOCK_WAIT: Duration = Duration::from_millis(1500);
/// Pause between two attempts, without a connection.
const LOCK_BACKOFF: Duration = Duration::from_millis(20);
/// Time for a connection to show that it is well after its user was dropped.
///
/// Meanwhile it counts as one of the pool's, so that a slow server is not given more to do.
const RECYCLE_TIMEOUT: Duration = Duration::from_secs(3);

impl PostgresInner {
    /// Runs a statement that changes nothing.
    pub(crate) async fn read(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, QueryError> {
        self.run(SendPhase::Before, sql, params).await
    }

    /// Runs a statement whose outcome must be known.
    pub(crate) async fn write(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, QueryError> {
        self.run_patiently(LOCK_WAIT, sql, params).await
    }

    /// Runs such a statement on many rows, whose caller waits longer.
    pub(crate) async fn write_many(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, QueryError> {
        self.run_patiently(LOCK_WAIT * 10, sql, params).await
    }

    /// Retries a statement while others hold a row that it needs.
    ///
    /// It waits without a connection in between, and only a few at a time with one, so that there are
    /// connections for statements on other rows.
    async fn run_patiently(
        &self,
        patience: Duration,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, QueryError> {
        let limit = Instant::now() + patience;
        let mut turn = None;
        loop {
            let fault = match self.run(SendPhase::Sent, sql, params).await {
                Err(fault) if fault.is_locked() && self.layout.is_brief => fault,
                outcome => return outcome,
            };
            drop(turn.take());
            sleep(LOCK_BACKOFF).await;
            match timeout_at(limit, self.waiting.acquire()).await {
                Ok(next) if Instant::now() < limit => turn = next.ok(),
                _ => return Err(fault),
            }
        }
    }

    async fn run(
        &self,
        phase: SendPhase,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, QueryError> {
        let mut retries = 0;
        loop {
            match self.run_once(phase, sql, params).await {
                Err(fault) if fault.again && retries < RETRIES => retries += 1,
                outcome => return outcome,
            }
        }
    }

    async fn run_once(
        &self,
        phase: SendPhase,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, QueryError> {
        let lease = self.lease().await?;
        let outcome = match self.send(lease.client(), sql, params).await {
            Ok(rows) => rows.try_collect().await.map_err(|error| (error, phase)),
            Err((error, SendPhase::Sent)) => Err((error, phase)),
            Err(before) => Err(before),
        };
        match outcome {
            Ok(rows) => {
                lease.settle();
                Ok(rows)
            }
            Err((error, phase)) => Err(lease.failed(&error, phase)),
        }
    }

    /// Sends a statement; an error tells the phase in which it failed.
    pub(crate) async fn send(
        &self,
        client: &ClientWrapper,
        sql: &str,
        params: Params<'_>,
    ) -> Result<RowStream, (Error, SendPhase)> {
        let sent = |error| (error, SendPhase::Sent);
        if self.pooler.is_there() {
            let typed = params.iter().map(|param| (param.value(), param.kind()));
            return client.query_typed_raw(sql, typed).await.map_err(sent);
        }
        let prepared = client.prepare_cached(sql).await;
        let statement = prepared.map_err(|error| (error, SendPhase::Before))?;
        let values = params.iter().map(|param| param.value());
        client.query_raw(&statement, values).await.map_err(sent)
    }

    /// Runs unprepared statements in one transaction.
    pub(crate) async fn run_batch(&self, sql: &str) -> Result<(), QueryError> {
        let lease = self.lease().await?;
        let outcome = lease.client().batch_execute(sql).await;
        match outcome {
            Ok(()) => {
                lease.settle();
                Ok(())
            }
            Err(error) => Err(lease.failed(&error, SendPhase::Sent)),
        }
    }

    /// Takes a connection of the pool; if the server grants it no more of them, the next that is free.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>, QueryError> {
        let limit = Instant::now() + POOL_WAIT;
        loop {
            while self.full.is_noted() && self.pool.status().available == 0 {
                if Instant::now() >= limit {
                    break;
                }
                sleep(LOCK_BACKOFF).await;
            }
            let object = self.pool.get().await;
            let fault = match object {
                Ok(object) => return Ok(Lease::of(object, &self.lines)),
                Err(error) => QueryError::of_pool(&error),
            };
            if !fault.is_full() || Instant::now() >= limit {
                return Err(fault);
            }
            self.full.note();
            // Shared connections give way to callers that need one for themselves.
            self.lines.keep(self.pool.status().size / 2);
        }
    }
}

/// A connection of the pool in use.
///
/// A request that times out drops its future in the middle: its connection goes back to the pool only once it
/// has answered. One that hangs would stall the next request as well.
pub(crate) struct Lease<'a> {
    object: Option<Object>,
    lines: &'a ReadPool,
}

impl<'a> Lease<'a> {
    fn of(object: Object, lines: &'a ReadPool) -> Self {
        Self {
            object: Some(object),
            lines,
        }
    }

    pub(crate) fn client(&self) -> &ClientWrapper {
        self.object
            .as_ref()
            .expect("it is held until it is settled")
    }

    /// Returns the connection, with nothing under way.
    pub(crate) fn settle(mut self) {
        self.object = None;
    }

    /// Returns the connection after an error, or drops it if it would fail again.
    pub(crate) fn failed(mut self, error: &Error, phase: SendPhase) -> QueryError {
        if error.code() == Some(&SqlState::INVALID_SQL_STATEMENT_NAME) {
            self.client().statement_cache.clear();
        }
        let demoted = error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
        if demoted && let Some(object) = self.object.take() {
            drop(Object::take(object));
            self.lines.close();
        }
        self.settle();
        QueryError::of(error, phase)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            drop(Object::take(object));
            return;
        };
        runtime.spawn(async move {
            let answer = timeout(RECYCLE_TIMEOUT, object.check_connection()).await;
            if !matches!(answer, Ok(Ok(()))) {
                drop(Object::take(object));
            }
        });
    }
}
