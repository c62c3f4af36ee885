//! The repetition of ends: a server that restarts from a snapshot, or a replica that takes over, may lack
//! those that were acknowledged last.
//!
//! This process logs its own. Each connection first asks the server for its identity, and carries no other
//! request before an unknown server has got the missing ends. A cluster's client connects to nodes by itself:
//! there the ids are barred from the moment a node was lost, and also while a server refuses the ends.

mod bar;
mod identity;
mod log;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::{Pipeline, RedisResult, Value};
use tokio::sync::Notify;
use tokio::time::timeout;

use self::bar::Bar;
pub(super) use self::bar::Stamp;
use self::identity::RunIdReply;
use self::log::{Acceptance, EndLog, Identity, Pending};
pub(super) use self::log::{End, Generation, LogLimits};
use super::connection::cluster_nodes::{nodes_said, slots};
use super::connection::command::{Connection, Node, Request, SendMode};
use super::keys::RedisKeys;
use super::session::script_call::Call;
use super::session::scripts::Script;
use super::session::ttl::TOMBSTONE_GRACE;
use super::user_index::index_cache::IndexCache;
use crate::id::SessionId;
use crate::store::RETIRED_FOR;
use crate::util::lock;

/// Number of ends that go to a server together.
const BATCH: usize = 500;
/// Time for a node of a cluster to acknowledge one: if a node does not answer, the others' sessions wait no
/// longer than this for each [`BATCH`].
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// The count of suspicions when a check began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inspection(u64);

/// The ends that this process saw acknowledged, and their state.
pub(super) struct Replay {
    log: Mutex<EndLog>,
    /// The current generation, for callers that do not want to wait for the log.
    current: AtomicU64,
    /// `true` if no ends are logged.
    is_off: bool,
    bar: Bar,
    /// Number of lost connections and changes of a cluster.
    noticed: AtomicU64,
    /// Number of these that were checked to the end: a check that is only begun may never finish.
    looked_into: AtomicU64,
    pub(super) trouble: Notify,
    /// Held by the task that repeats ends: others find it done.
    turn: tokio::sync::Mutex<()>,
    again: Script,
    keys: Arc<RedisKeys>,
    marks: bool,
    seen: Arc<IndexCache>,
}

impl Replay {
    pub(super) fn new(
        limits: LogLimits,
        keys: Arc<RedisKeys>,
        marks: bool,
        seen: Arc<IndexCache>,
    ) -> Self {
        Self {
            log: Mutex::new(EndLog::new(limits)),
            current: AtomicU64::new(0),
            is_off: limits.ids == 0,
            bar: Bar::default(),
            noticed: AtomicU64::new(0),
            looked_into: AtomicU64::new(0),
            trouble: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            again: Script::again(),
            keys,
            marks,
            seen,
        }
    }

    /// Returns the oldest generation of servers that can answer a request which begins now.
    pub(super) fn now(&self) -> Generation {
        Generation(self.current.load(Ordering::Acquire))
    }

    /// Logs an acknowledged end; returns `true` if the current server has it.
    pub(super) fn acknowledge(&self, end: End, by: Generation) -> bool {
        if self.is_off {
            return true;
        }
        let mut log = self.log();
        let holds = log.acknowledge(end, by, Instant::now()) == Acceptance::Holds;
        if !holds {
            self.bar.raise(&log);
        }
        holds
    }

    /// Returns the stamp by which replies to requests from now on are judged.
    pub(super) fn stamp(&self) -> Stamp {
        self.bar.stamp()
    }

    /// Returns `true` if an id is known to have ended although the server that answered may not have known
    /// it, at any moment since `stamp`.
    pub(super) fn bars(&self, id: &SessionId, stamp: Stamp) -> bool {
        !(stamp.is_free() && self.bar.stamp() == stamp) && self.log().has(id)
    }

    /// Records that a server may have been replaced, and wakes the task that checks. In a cluster other
    /// requests go on meanwhile, so that ended ids are barred.
    pub(super) fn suspect(&self) {
        if self.is_off {
            return;
        }
        let log = self.log();
        if log.is_empty() {
            return;
        }
        self.noticed.fetch_add(1, Ordering::SeqCst);
        if self.keys.are_spread() {
            self.bar.raise(&log);
        }
        drop(log);
        // All of them: one may be about to end with its connection.
        self.trouble.notify_waiters();
    }

    /// Begins a check of all suspicions until now.
    pub(super) fn look(&self) -> Inspection {
        Inspection(self.noticed.load(Ordering::SeqCst))
    }

    /// Records that the servers have all ends up to that check.
    pub(super) fn looked_into(&self, look: Inspection) {
        self.looked_into.fetch_max(look.0, Ordering::SeqCst);
    }

    /// Returns `true` if there is a suspicion that was not checked to the end.
    pub(super) fn is_suspicious(&self) -> bool {
        self.noticed.load(Ordering::SeqCst) != self.looked_into.load(Ordering::SeqCst)
    }

    /// Asks a server for its identity, before the connection is used; returns its generation, and `true` if
    /// all servers of a cluster have answered.
    ///
    /// # Errors
    ///
    /// The driver's, if the connection cannot be used.
    pub(super) async fn greet(&self, connection: &Connection) -> RedisResult<(Generation, bool)> {
        if self.is_off {
            return Ok((self.now(), true));
        }
        let (identity, is_whole) = who(connection).await?;
        let mut log = self.log();
        let has_lost = log.meet(identity);
        let generation = log.current();
        self.current.store(generation.0, Ordering::Release);
        if has_lost && !log.is_empty() {
            self.bar.raise(&log);
        }
        drop(log);
        if has_lost {
            // It may have lost entries of the indexes.
            self.seen.forget_entries();
        }
        Ok((generation, is_whole))
    }

    /// Repeats all ends that a server has not acknowledged; returns `true` if it has acknowledged them.
    pub(super) async fn tell(
        &self,
        connection: &Connection,
        generation: Generation,
        look: Inspection,
    ) -> bool {
        let _turn = self.turn.lock().await;
        let (mut from, mut revived) = (0, 0_u64);
        loop {
            let pending = self.log().pending(generation, from, BATCH, Instant::now());
            let Some(last) = pending.last() else {
                break;
            };
            from = last.number + 1;
            let said = self.send(connection, &pending).await;
            let done = pending.iter().zip(&said).filter(|(_, said)| said.is_some());
            let numbers: Vec<u64> = done.map(|(pending, _)| pending.number).collect();
            revived += said.iter().flatten().filter(|deleted| **deleted).count() as u64;
            self.log().applied(&numbers, generation);
            if numbers.is_empty() {
                // The connection is broken, or the server refuses them all.
                break;
            }
        }
        if revived > 0 {
            tracing::warn!(
                sessions = revived,
                "Redis had brought back sessions that were ended; they are ended again"
            );
        }
        self.settle(look)
    }

    /// Lifts the bar if the current server has all ends, and nothing was noticed since `look`.
    fn settle(&self, look: Inspection) -> bool {
        let log = self.log();
        let is_settled = log.is_settled();
        if is_settled && self.look() == look {
            self.bar.lift(&log);
        }
        is_settled
    }

    /// Sends some ends; returns, for each, if there was a session, or `None` if it was not acknowledged.
    async fn send(&self, connection: &Connection, pending: &[Pending]) -> Vec<Option<bool>> {
        match connection {
            Connection::One(one) => {
                let mut pipeline = Pipeline::with_capacity(pending.len() + 1);
                let mut load = redis::cmd("SCRIPT");
                load.arg("LOAD").arg(&self.again.code);
                pipeline.add_command(load);
                for pending in pending {
                    self.ends_again(pending)
                        .add_to(&mut pipeline, &SendMode::EvalSha);
                }
                let sent = one
                    .clone()
                    .send_packed_commands(&pipeline, 0, pipeline.len())
                    .await;
                let said = sent
                    .unwrap_or_default()
                    .into_iter()
                    .skip(1)
                    .map(|said| deleted(&said));
                said.chain(std::iter::repeat(None))
                    .take(pending.len())
                    .collect()
            }
            Connection::Cluster(_) => {
                let sending = pending.iter().map(async |pending| {
                    let sending = self.send_one(connection, pending);
                    timeout(REPLY_TIMEOUT, sending).await.ok().flatten()
                });
                join_all(sending).await
            }
        }
    }

    async fn send_one(&self, connection: &Connection, pending: &Pending) -> Option<bool> {
        let request = self.ends_again(pending);
        let mut said = request.send(connection, &SendMode::EvalSha).await;
        if said
            .as_ref()
            .is_err_and(|error| error.code() == Some("NOSCRIPT"))
        {
            said = request.send(connection, &SendMode::Eval).await;
        }
        deleted(&said.ok()?)
    }

    /// Builds the request that ends a session again, with the tombstone and note that its end had.
    fn ends_again<'a>(&'a self, pending: &'a Pending) -> Request<'a> {
        let End { id, note } = &pending.end;
        let left = RETIRED_FOR.saturating_sub(pending.since).as_millis();
        let note = note.as_deref().filter(|_| left > 0);
        if note.is_none() && !self.marks {
            let mut command = redis::cmd("DEL");
            command.arg(self.keys.session(id));
            return command.into();
        }
        Call::of(&self.again)
            .key('s', self.keys.session(id))
            .maybe_key('t', self.marks.then(|| self.keys.tomb(id)))
            .maybe_key('r', note.map(|_| self.keys.retired(id)))
            .argument(TOMBSTONE_GRACE.as_millis().to_string())
            .argument(note.unwrap_or_default())
            .argument(left.to_string())
            .into()
    }

    fn log(&self) -> MutexGuard<'_, EndLog> {
        lock(&self.log)
    }
}

fn deleted(said: &Value) -> Option<bool> {
    match said {
        Value::Int(count) => Some(*count > 0),
        _ => None,
    }
}

/// Returns the identity of the server, or of all primaries of a cluster, and `true` if each of them has
/// answered.
async fn who(connection: &Connection) -> RedisResult<(Option<Identity>, bool)> {
    if let Connection::One(_) = connection {
        let said = Request::from(identity::asked())
            .send(connection, &SendMode::EvalSha)
            .await;
        return match said {
            Ok(said) => Ok((
                text(said)
                    .and_then(|info| identity::of_info(&info))
                    .map(Identity),
                true,
            )),
            // The user may lack the right.
            Err(error) if error.code().is_some() => Ok((None, true)),
            Err(error) => Err(error),
        };
    }
    let Some(nodes) = primaries(connection).await else {
        return Ok((None, false));
    };
    let each = join_all(nodes.into_iter().map(|node| who_is(connection, node))).await;
    let is_whole = each.iter().all(|(_, said)| *said != RunIdReply::Nothing);
    Ok((identity::of_all(&each), is_whole))
}

async fn who_is(connection: &Connection, node: Node) -> (String, RunIdReply) {
    let address = format!("{}:{}", node.host, node.port);
    let asked = Request::ToNode(identity::asked(), node);
    let said = match asked.send(connection, &SendMode::EvalSha).await {
        Ok(said) => text(said)
            .and_then(|info| identity::of_info(&info))
            .map_or(RunIdReply::Something, RunIdReply::Is),
        Err(error) if error.code().is_some() => RunIdReply::Something,
        Err(_) => RunIdReply::Nothing,
    };
    (address, said)
}

async fn primaries(connection: &Connection) -> Option<Vec<Node>> {
    let said = Request::from(slots())
        .send(connection, &SendMode::EvalSha)
        .await;
    nodes_said(said.ok()?).ok()
}

/// Returns the text of a reply to `INFO`.
pub(super) fn text(said: Value) -> Option<String> {
    match said {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
