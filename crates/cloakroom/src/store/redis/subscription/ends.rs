//! Ends as they happen: the server remembers the keys that were read on a connection of their own, and
//! reports when one of them is written, deleted, expires or is evicted (client-side caching).
//!
//! <https://redis.io/docs/latest/develop/reference/client-side-caching/>, default mode. On a cluster there is
//! none: sessions are polled.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::{AsyncConnectionConfig, PushInfo, PushKind, Value};

use super::tracking::{Servers, TrackingConnections};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::redis::RedisInner;
use crate::store::redis::connection::command::{Connection, Request, SendMode};
use crate::store::redis::connection::error::{Idempotency, to_store_error};
use crate::store::redis::keys::RedisKeys;
use crate::store::subscription::supervised::{Connected, Supervised};
use crate::store::{Ends, Invalidation, InvalidationSink, StoreErrorKind, StoreFuture};

/// Time to wait for a reply.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// The subscription of a watching task.
pub(crate) struct EndSubscription {
    inner: Arc<RedisInner>,
    kept: Supervised<TrackingConnections>,
}

impl EndSubscription {
    pub(crate) fn start(inner: &Arc<RedisInner>, hints: InvalidationSink) -> Option<Self> {
        if inner.keys.are_spread() {
            return None;
        }
        let owner = Arc::clone(inner);
        let kept = Supervised::start(hints.clone(), move || {
            connect(Arc::clone(&owner), hints.clone())
        });
        Some(Self {
            inner: Arc::clone(inner),
            kept,
        })
    }
}

impl Ends for EndSubscription {
    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        let line = self.kept.with(|lines| lines.each.first().cloned());
        Box::pin(async move {
            let line = line.flatten().ok_or(StoreErrorKind::Unavailable)?;
            let asked = Request::from(self.inner.lives(ids));
            let stamp = self.inner.link.replay().stamp();
            let said = asked.send(&Connection::One(line), &SendMode::EvalSha).await;
            let said = said.map_err(|error| to_store_error(&error, Idempotency::Idempotent))?;
            let living = self.inner.lives_said(said)?;
            Ok(self.inner.unbarred(ids, living, stamp))
        })
    }

    fn is_proven(&self) -> bool {
        self.kept.is_proven()
    }
}

async fn connect(
    inner: Arc<RedisInner>,
    hints: InvalidationSink,
) -> Connected<TrackingConnections> {
    let (begin, broken) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let servers = Servers::of(&inner).await?;
    let (ended, heard, owner) = (Arc::clone(&broken), hints, Arc::clone(&inner));
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(REPLY_TIMEOUT))
        .set_response_timeout(Some(REPLY_TIMEOUT))
        .set_push_sender(move |push: PushInfo| {
            match push.kind {
                PushKind::Disconnection => {
                    ended.store(true, Ordering::SeqCst);
                    heard.send(Invalidation::All);
                }
                PushKind::Invalidate => tell(&owner.keys, &heard, push.data.first()),
                _ => {}
            }
            Ok::<_, Infallible>(())
        });
    let target = servers.targets().into_iter().next()?;
    let line = Servers::connect(&inner, target, &config).await;
    let mut line = line.ok()?;
    let mut tracking = redis::cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON");
    match tracking.query_async::<Value>(&mut line).await {
        Ok(_) => {
            servers.were_found(&inner, begin);
            let each = vec![line];
            Some((TrackingConnections { each, servers }, broken))
        }
        Err(error) => {
            // A user of few rights, or a proxy: then sessions are polled.
            tracing::debug!(
                code = error.code(),
                "Redis reports no ended sessions: they are polled"
            );
            None
        }
    }
}

/// Passes on some keys, or nothing if all were flushed.
pub(crate) fn tell(keys: &RedisKeys, hints: &InvalidationSink, said: Option<&Value>) {
    let Some(Value::Array(changed)) = said else {
        return hints.send(Invalidation::All);
    };
    for key in changed {
        let Value::BulkString(key) = key else {
            continue;
        };
        if let Some(id) = std::str::from_utf8(key).ok().and_then(|key| keys.id(key)) {
            hints.send(Invalidation::Of(&id));
        }
    }
}
