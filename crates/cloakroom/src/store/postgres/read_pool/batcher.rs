//! A connection that reads share: concurrent reads of single sessions are batched into one statement.
//!
//! Only reads that wait for no row which others hold come here. A few statements are under way at once, so
//! that a distant server delays no read; later reads join the next batch. A connection that fails in any way
//! is given up, and answers none of its reads: they are repeated on connections of their own.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use futures_util::TryStreamExt as _;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_postgres::{Error, RowStream, Statement};

use super::ReadPool;
use crate::id::SessionId;
use crate::store::postgres::session::params::{Param, Text};
use crate::store::postgres::session::rows::stored;
use crate::store::{StoreError, StoredRecord};
use crate::util::lock;

/// The load of a shared connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::postgres) struct PoolLoad {
    pub(in crate::store::postgres) waiting: usize,
    /// A read timed out, and the connection has not answered since. One that was closed while it was idle is
    /// not stalled: the next read finds out, is repeated elsewhere, and has it dropped.
    pub(in crate::store::postgres) is_stalled: bool,
}

/// Most sessions that one statement asks for: its result is to arrive at once.
const MAX_BATCH: usize = 16;
/// Most statements under way at once. With one, a read that comes meanwhile would wait for another's round
/// trip before its own; with many, each would ask for one session.
const MAX_IN_FLIGHT: usize = 4;
/// Number of waiting reads at which a connection is full.
pub(in crate::store::postgres) const MAX_QUEUED: usize = MAX_BATCH * MAX_IN_FLIGHT;
/// Time for a statement before its connection is given up; a manager's own bound is shorter.
const REPLY_TIMEOUT: Duration = Duration::from_secs(3);
/// Wait below which a dropped read counts as a disconnect of its client, and says nothing of the connection.
const DISCONNECT_WITHIN: Duration = Duration::from_millis(10);

/// The result of a read.
pub(in crate::store::postgres) type ReadResult = Result<Option<StoredRecord>, StoreError>;

pub(in crate::store::postgres) struct ReadBatcher {
    object: Option<Object>,
    statements: Statements,
    queue: Mutex<Queue>,
    /// Number of reads without a reply yet.
    waiting: AtomicUsize,
    /// `true` if a read timed out and no reply has come since.
    is_stalled: AtomicBool,
    /// The runtime that it was opened on, which drives its connection.
    runtime: Handle,
    lines: Weak<ReadPool>,
}

/// The statements that it sends.
pub(in crate::store::postgres) struct Statements {
    pub(in crate::store::postgres) one: Query,
    pub(in crate::store::postgres) many: Query,
}

pub(in crate::store::postgres) enum Query {
    /// Prepared on its connection.
    Prepared(Statement),
    /// Sent as text each time: behind a pooler nothing stays prepared.
    Text(String),
}

#[derive(Default)]
struct Queue {
    asks: Vec<ReadRequest>,
    under_way: usize,
    hangs_since: Option<Instant>,
    end: Option<BatchOutcome>,
}

struct ReadRequest {
    id: SessionId,
    now: i64,
    answer: Option<oneshot::Sender<ReadResult>>,
}

/// The fate of a connection that was given up; the worse takes precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum BatchOutcome {
    /// It was returned to the pool: the statement failed, not the connection.
    Returned,
    /// It is closed.
    Closed,
}

impl ReadBatcher {
    /// Shares a connection, which the runtime drives that this is called in.
    pub(in crate::store::postgres) fn new(
        object: Object,
        statements: Statements,
        lines: Weak<ReadPool>,
    ) -> Self {
        Self {
            object: Some(object),
            statements,
            queue: Mutex::default(),
            waiting: AtomicUsize::new(0),
            is_stalled: AtomicBool::new(false),
            runtime: Handle::current(),
            lines,
        }
    }

    /// Reads a session; `None` if the connection was given up meanwhile.
    pub(in crate::store::postgres) async fn get(
        self: &Arc<Self>,
        id: &SessionId,
        now: i64,
    ) -> Option<ReadResult> {
        let (answer, answered) = oneshot::channel();
        let mut reader = ReadWaiter::of(self);
        self.put(ReadRequest {
            id: id.clone(),
            now,
            answer: Some(answer),
        });
        let found = answered.await;
        reader.is_answered = true;
        found.ok()
    }

    pub(in crate::store::postgres) fn load(&self) -> PoolLoad {
        PoolLoad {
            waiting: self.waiting.load(Ordering::Relaxed),
            is_stalled: self.is_stalled.load(Ordering::Relaxed),
        }
    }

    /// Gives the connection up if it has been stalled for longer than its own time-out: the runtime that
    /// drives it may be blocked.
    pub(in crate::store::postgres) fn check(&self) {
        let since = self.queue().hangs_since;
        if since.is_some_and(|since| since.elapsed() > REPLY_TIMEOUT) {
            self.give_up(BatchOutcome::Closed);
        }
    }

    /// Closes the connection, once the statements under way have ended, as one that may not answer.
    pub(in crate::store::postgres) fn close(&self) {
        self.give_up(BatchOutcome::Closed);
    }

    pub(in crate::store::postgres) fn object(&self) -> &Object {
        self.object
            .as_ref()
            .expect("it is held until the line is dropped")
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Queues a read. If the queue has others, a task is on its way for them; a read that is dropped here
    /// means that the connection was given up.
    fn put(self: &Arc<Self>, ask: ReadRequest) {
        let mut queue = self.queue();
        if queue.end.is_some() {
            return;
        }
        queue.asks.push(ask);
        if queue.asks.len() > 1 || queue.under_way == MAX_IN_FLIGHT {
            return;
        }
        queue.under_way += 1;
        drop(queue);
        self.runtime.spawn(Turns::of(self).take());
    }

    /// Sends a batch, and answers each read whose row has arrived.
    async fn ask(&self, asks: &mut [ReadRequest]) -> Result<(), Error> {
        let mut rows = pin!(self.send(asks).await?);
        while let Some(row) = rows.try_next().await? {
            // The position counts from one; a statement for one session has none.
            let place: i64 = if row.len() > 2 { row.try_get(2)? } else { 1 };
            let at = usize::try_from(place - 1).unwrap_or(usize::MAX);
            if let Some(ask) = asks.get_mut(at) {
                ask.answer(stored(&row).map(Some));
            }
        }
        for ask in asks {
            ask.answer(Ok(None));
        }
        Ok(())
    }

    async fn send(&self, asks: &[ReadRequest]) -> Result<RowStream, Error> {
        let Statements { one, many } = &self.statements;
        let now = asks.last().map_or(0, |ask| ask.now);
        let sids: Vec<Text<'_>> = asks.iter().map(|ask| Text(ask.id.expose())).collect();
        let (query, sids): (_, &dyn Param) = match &sids[..] {
            [sid] => (one, sid),
            _ => (many, &sids),
        };
        let params: [&dyn Param; 2] = [sids, &now];
        match query {
            Query::Prepared(statement) => {
                let values = params.map(Param::value);
                self.object().query_raw(statement, values).await
            }
            Query::Text(sql) => {
                let typed = params.map(|param| (param.value(), param.kind()));
                self.object().query_typed_raw(sql, typed).await
            }
        }
    }

    fn give_up(&self, end: BatchOutcome) {
        let mut queue = self.queue();
        queue.end = queue.end.max(Some(end));
        let asks = std::mem::take(&mut queue.asks);
        drop(queue);
        drop(asks);
        if let Some(lines) = self.lines.upgrade() {
            lines.forget(self);
        }
    }
}

impl Drop for ReadBatcher {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else {
            return;
        };
        match self.queue().end {
            Some(BatchOutcome::Closed) => drop(Object::take(object)),
            // The next user prepares again what it may have lost.
            Some(BatchOutcome::Returned) => object.statement_cache.clear(),
            None => {}
        }
    }
}

impl ReadRequest {
    /// Delivers a result; only the first counts.
    fn answer(&mut self, found: ReadResult) {
        if let Some(answer) = self.answer.take() {
            // The reader may be gone.
            let _ = answer.send(found);
        }
    }
}

/// A read that waits for its result.
struct ReadWaiter<'a> {
    line: &'a ReadBatcher,
    since: Instant,
    is_answered: bool,
}

impl<'a> ReadWaiter<'a> {
    fn of(line: &'a ReadBatcher) -> Self {
        line.waiting.fetch_add(1, Ordering::Relaxed);
        Self {
            line,
            since: Instant::now(),
            is_answered: false,
        }
    }
}

impl Drop for ReadWaiter<'_> {
    fn drop(&mut self) {
        self.line.waiting.fetch_sub(1, Ordering::Relaxed);
        if self.is_answered || self.since.elapsed() < DISCONNECT_WITHIN {
            return;
        }
        let mut queue = self.line.queue();
        // Only a statement under way can show that the connection is well.
        if queue.under_way > 0 {
            queue.hangs_since.get_or_insert_with(Instant::now);
            self.line.is_stalled.store(true, Ordering::Relaxed);
        }
    }
}

/// The task that sends the queued reads, batch after batch until the queue is empty.
struct Turns {
    line: Arc<ReadBatcher>,
    has_answer: bool,
    are_over: bool,
}

impl Turns {
    fn of(line: &Arc<ReadBatcher>) -> Self {
        Self {
            line: Arc::clone(line),
            has_answer: false,
            are_over: false,
        }
    }

    async fn take(mut self) {
        while let Some(mut asks) = self.next() {
            let end = match timeout(REPLY_TIMEOUT, self.line.ask(&mut asks)).await {
                Ok(Ok(())) => {
                    self.has_answer = true;
                    continue;
                }
                Ok(Err(error)) if error.code().is_some() => BatchOutcome::Returned,
                Ok(Err(_)) | Err(_) => BatchOutcome::Closed,
            };
            self.are_over = true;
            self.line.give_up(end);
            return;
        }
    }

    /// Takes the next batch. To find the queue empty and to end the task is one step.
    fn next(&mut self) -> Option<Vec<ReadRequest>> {
        let mut queue = self.line.queue();
        if self.has_answer {
            queue.hangs_since = None;
            self.line.is_stalled.store(false, Ordering::Relaxed);
        }
        if queue.asks.is_empty() {
            queue.under_way -= 1;
            self.are_over = true;
            return None;
        }
        let most = queue.asks.len().min(MAX_BATCH);
        Some(queue.asks.drain(..most).collect())
    }
}

impl Drop for Turns {
    /// The runtime of the task may have ended: no other task would send the queued reads.
    fn drop(&mut self) {
        if !self.are_over {
            self.line.give_up(BatchOutcome::Closed);
        }
    }
}
