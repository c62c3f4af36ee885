//! Changes as they happen, for a cache: the server reports every key of a session that is written, deleted,
//! expires or is evicted (client-side caching, broadcasting mode).
//!
//! <https://redis.io/docs/latest/develop/reference/client-side-caching/>. Writes of this process are reported
//! as well: with `NOLOOP` a server that ran a write of ours and one of another client in the same turn
//! reported neither. Each primary of a cluster reports its own keys only. Behind Sentinel one that was
//! replaced may live on, and reports nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisResult, Value};
use tokio::sync::Notify;

use super::ends::tell;
use super::tracking::{Servers, TrackingConnections};
use crate::id::SessionId;
use crate::store::redis::connection::command::{Connection, Node, Request, SendMode};
use crate::store::redis::connection::error::{Idempotency, to_store_error};
use crate::store::redis::{RedisInner, RedisStore};
use crate::store::subscription::supervised::{Connected, Pingable as _, Supervised};
use crate::store::{
    Changes, Invalidation, InvalidationSink, StoreError, StoreErrorKind, StoreFuture, StoredRecord,
};

/// Time to wait for a reply.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);
/// Number of keys that are tried, for each node of a cluster, to find one that it serves.
const TRIES: usize = 16;

/// The subscription of one cache.
pub(crate) struct ChangeSubscription {
    store: RedisStore,
    kept: Supervised<TrackingConnections>,
}

impl ChangeSubscription {
    pub(crate) fn start(store: &RedisStore, hints: InvalidationSink) -> Self {
        let owner = Arc::clone(&store.0);
        Self {
            store: store.clone(),
            kept: Supervised::start(hints.clone(), move || {
                connect(Arc::clone(&owner), hints.clone())
            }),
        }
    }

    async fn read(
        &self,
        line: Option<MultiplexedConnection>,
        id: &SessionId,
    ) -> Result<Option<StoredRecord>, StoreError> {
        let (inner, line) = (&self.store.0, line.ok_or(StoreErrorKind::Unavailable)?);
        let (asked, stamp) = (
            Request::from(inner.asks_for(id)),
            inner.link.replay().stamp(),
        );
        let said = if inner.keys.are_spread() {
            // A node that is about to get its first slot is asked by other clients' redirections, and reports
            // no changes yet.
            inner.link.send_once(&asked).await?
        } else {
            let said = asked.send(&Connection::One(line), &SendMode::EvalSha).await;
            said.map_err(|error| to_store_error(&error, Idempotency::Idempotent))?
        };
        let stored = inner.said_of(id, said, stamp).await?;
        if let Some(stored) = &stored {
            self.store.index_what_was_read(id, stored);
        }
        Ok(stored)
    }
}

impl Changes for ChangeSubscription {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        let line = self.kept.with(|lines| lines.each.first().cloned());
        Box::pin(self.read(line.flatten(), id))
    }

    fn proven(&self) -> Option<Instant> {
        self.kept.proven()
    }

    fn catch_up(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.kept.catch_up())
    }
}

async fn connect(
    inner: Arc<RedisInner>,
    hints: InvalidationSink,
) -> Connected<TrackingConnections> {
    let (inner, hints) = (&inner, &hints);
    let (begin, broken) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let servers = Servers::of(inner).await?;
    if servers.were_found(inner, begin) {
        hints.send(Invalidation::All);
    }
    let targets = servers.targets();
    let tries = TRIES * targets.len();
    let each = targets
        .into_iter()
        .map(|node| follow(inner, hints, &broken, node, tries));
    let each = try_join_all(each).await.inspect_err(|error| {
        // A user of few rights, or a proxy: then a read is good for the bound, and no longer.
        tracing::debug!(
            code = error.code(),
            "Redis reports no changes: cached sessions are read again after the bound"
        );
    });
    let each = each.ok()?;
    let lines = TrackingConnections { each, servers };
    if !lines.ping().await {
        return None;
    }
    // Earlier changes were not reported. Nothing counts as proven before all copies are dropped.
    hints.send(Invalidation::All);
    Some((lines, broken))
}

/// Opens a connection on which a server reports changes, and verifies that it does.
async fn follow(
    inner: &Arc<RedisInner>,
    hints: &InvalidationSink,
    broken: &Arc<AtomicBool>,
    node: Option<&Node>,
    tries: usize,
) -> RedisResult<MultiplexedConnection> {
    let probe = Arc::new(KeyProbe::new());
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(REPLY_TIMEOUT))
        .set_response_timeout(Some(REPLY_TIMEOUT))
        .set_push_sender({
            let (inner, hints) = (Arc::clone(inner), hints.clone());
            let (probe, broken) = (Arc::clone(&probe), Arc::clone(broken));
            move |push| {
                hear(&inner, &hints, &probe, &broken, &push);
                Ok::<_, Infallible>(())
            }
        });
    let mut line = Servers::connect(inner, node, &config).await?;
    let mut tracking = redis::cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON").arg("BCAST");
    tracking.arg("PREFIX").arg(inner.keys.prefix());
    // Prefixes must not overlap.
    if !probe.prefix.starts_with(inner.keys.prefix()) {
        tracking.arg("PREFIX").arg(&probe.prefix);
    }
    tracking.query_async::<Value>(&mut line).await?;
    probe.be_heard(&mut line, tries).await?;
    Ok(line)
}

fn hear(
    inner: &RedisInner,
    hints: &InvalidationSink,
    probe: &KeyProbe,
    broken: &AtomicBool,
    push: &PushInfo,
) {
    match push.kind {
        PushKind::Disconnection => {
            broken.store(true, Ordering::SeqCst);
            hints.send(Invalidation::All);
        }
        PushKind::Invalidate => {
            probe.hear(push.data.first());
            tell(&inner.keys, hints, push.data.first());
        }
        _ => {}
    }
}

/// A key that is written to verify that the change is reported: servers that merely resemble Redis may answer
/// `OK` and report nothing.
struct KeyProbe {
    prefix: String,
    heard: Notify,
}

impl KeyProbe {
    fn new() -> Self {
        let random = SessionId::random();
        Self {
            // Named like a tombstone, so that no user needs more rights for it and no scan finds it.
            prefix: format!("tomb:{{near:{}:", random.expose()),
            heard: Notify::new(),
        }
    }

    async fn be_heard(&self, line: &mut MultiplexedConnection, tries: usize) -> RedisResult<()> {
        for at in 0..tries {
            let key = format!("{}{at}}}", self.prefix);
            let mut set = redis::cmd("SET");
            set.arg(key).arg("").arg("PX").arg(1000);
            match set.query_async::<Value>(line).await {
                Ok(_) => {
                    let heard = tokio::time::timeout(REPLY_TIMEOUT, self.heard.notified()).await;
                    return heard.map_err(|_| silent());
                }
                // A key of another node.
                Err(error) if error.code() == Some("MOVED") => {}
                Err(error) => return Err(error),
            }
        }
        Err(silent())
    }

    fn hear(&self, said: Option<&Value>) {
        let Some(Value::Array(keys)) = said else {
            return;
        };
        let is_own = |key: &Value| matches!(key, Value::BulkString(key) if key.starts_with(self.prefix.as_bytes()));
        if keys.iter().any(is_own) {
            self.heard.notify_one();
        }
    }
}

fn silent() -> redis::RedisError {
    (redis::ErrorKind::Client, "no invalidation arrived").into()
}
