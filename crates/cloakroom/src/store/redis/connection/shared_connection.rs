//! One connection, its failure, and the detection of silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::{RedisError, RedisResult, Value};
use tokio::task::AbortHandle;

use super::command::{Connection, Request, SendMode};
use super::driver::Driver;
use crate::store::redis::replay::Generation;

/// Delay of a reply, while nothing else arrives, after which a connection is suspect.
const SUSPECT_AFTER: Duration = Duration::from_millis(250);

/// A connection and its state.
pub(crate) struct SharedConnection {
    pub(crate) connection: Connection,
    /// The server that it leads to, between one change and the next.
    pub(crate) generation: Generation,
    /// The time since which requests are out and nothing has arrived, in milliseconds since `made`; 0 once
    /// something has.
    silent: AtomicU64,
    made: Instant,
    /// The time at which connecting began: it leads to the server of that time.
    pub(crate) begun: Instant,
    /// Also set by the connection itself as soon as it ends, and with the runtime that drives it.
    pub(crate) broken: Arc<AtomicBool>,
    _driver: Driver,
    /// Repeats ends where the server may lack them.
    _keeper: TaskOwner,
}

/// A task that ends with its connection.
pub(crate) struct TaskOwner(pub(crate) AbortHandle);

impl Drop for TaskOwner {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl SharedConnection {
    pub(crate) fn new(
        connection: Connection,
        generation: Generation,
        begun: Instant,
        broken: Arc<AtomicBool>,
        keeper: TaskOwner,
    ) -> Self {
        Self {
            connection,
            generation,
            silent: AtomicU64::new(0),
            made: Instant::now(),
            begun,
            _driver: Driver::watched(Arc::clone(&broken)),
            broken,
            _keeper: keeper,
        }
    }

    /// Returns `true` if it leads to a cluster.
    pub(crate) fn is_of_cluster(&self) -> bool {
        matches!(self.connection, Connection::Cluster(_))
    }

    /// Sends a request, over this connection or over one beside it, and notices silence.
    pub(crate) async fn send(
        &self,
        request: &Request<'_>,
        connection: &Connection,
        form: &SendMode,
    ) -> RedisResult<Value> {
        let watch = SilenceGuard::over(self);
        let outcome = request.send(connection, form).await;
        watch.answered(!outcome.as_ref().is_err_and(RedisError::is_io_error));
        outcome
    }
}

/// Detects a connection on which nothing arrives, also without a waiting caller: a request may time out
/// before the connection does.
struct SilenceGuard<'a> {
    line: &'a SharedConnection,
    begin: Instant,
    answered: bool,
}

impl<'a> SilenceGuard<'a> {
    fn over(line: &'a SharedConnection) -> Self {
        let begin = Instant::now();
        let since = millis(begin.duration_since(line.made)).max(1);
        let _ = line
            .silent
            .compare_exchange(0, since, Ordering::Relaxed, Ordering::Relaxed);
        Self {
            line,
            begin,
            answered: false,
        }
    }

    fn answered(mut self, answered: bool) {
        self.answered = true;
        if answered {
            self.line.silent.store(0, Ordering::Relaxed);
        }
    }
}

impl Drop for SilenceGuard<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let since = self.line.silent.load(Ordering::Relaxed);
        let now = Instant::now();
        let silent = since != 0
            && millis(now.duration_since(self.line.made)).saturating_sub(since)
                >= millis(SUSPECT_AFTER);
        // A caller with a short time-out does not see all of the silence itself.
        if silent && now.duration_since(self.begin) >= SUSPECT_AFTER / 5 {
            self.line.broken.store(true, Ordering::Relaxed);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
