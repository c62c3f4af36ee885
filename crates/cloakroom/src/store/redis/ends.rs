//! Hints of ends: the server remembers the keys that were asked for on a connection of their own, and
//! says when one of them is written, deleted, expires or is evicted (client-side caching).
//!
//! <https://redis.io/docs/latest/develop/reference/client-side-caching/>, default mode. A cluster has
//! none: there each session is asked for at intervals.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, Value};
use tokio::task::AbortHandle;

use super::Inner;
use super::failure::{Effect, told};
use super::keys::Keys;
use super::request::{Connection, Form, Request};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::heartbeat::{Line, Pulse};
use crate::store::{Ends, Hint, Hints, StoreErrorKind, StoreFuture};

/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The link of one who watches.
pub(super) struct Tracking {
    inner: Arc<Inner>,
    pulse: Arc<Pulse<MultiplexedConnection>>,
    task: AbortHandle,
}

impl Tracking {
    pub(super) fn start(inner: &Arc<Inner>, hints: Hints) -> Option<Self> {
        if inner.keys.are_spread() {
            return None;
        }
        let pulse = Pulse::new();
        let (keeper, owner) = (Arc::clone(&pulse), Arc::clone(inner));
        let task = tokio::spawn(async move {
            let connect = || connect(&owner, &hints);
            keeper.keep(hints.clone(), connect).await;
        });
        Some(Self {
            inner: Arc::clone(inner),
            pulse,
            task: task.abort_handle(),
        })
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ends for Tracking {
    fn living<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        let line = self.pulse.with(Clone::clone);
        Box::pin(async move {
            let line = line.ok_or(StoreErrorKind::Unavailable)?;
            let asked = Request::from(self.inner.lives(ids));
            let said = asked.send(Connection::One(line), &Form::Plain).await;
            self.inner
                .lives_said(said.map_err(|error| told(&error, Effect::Read))?)
        })
    }

    fn is_proven(&self) -> bool {
        self.pulse.is_proven()
    }
}

impl Line for MultiplexedConnection {
    async fn beat(&self) -> bool {
        let mut line = self.clone();
        redis::cmd("PING")
            .query_async::<Value>(&mut line)
            .await
            .is_ok()
    }
}

async fn connect(
    inner: &Arc<Inner>,
    hints: &Hints,
) -> Option<(MultiplexedConnection, Arc<AtomicBool>)> {
    let broken = Arc::new(AtomicBool::new(false));
    let (ended, heard, owner) = (Arc::clone(&broken), hints.clone(), Arc::clone(inner));
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE))
        .set_push_sender(move |push: PushInfo| {
            match push.kind {
                PushKind::Disconnection => {
                    ended.store(true, Ordering::SeqCst);
                    heard.give(Hint::All);
                }
                PushKind::Invalidate => tell(&owner.keys, &heard, push.data.first()),
                _ => {}
            }
            Ok::<_, Infallible>(())
        });
    let Ok(Connection::One(mut line)) = inner.link.apart(&config).await else {
        return None;
    };
    let mut tracking = redis::cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON");
    match tracking.query_async::<Value>(&mut line).await {
        Ok(_) => Some((line, broken)),
        Err(error) => {
            // A user of few rights, or a proxy: then sessions are asked for at intervals.
            tracing::debug!(
                code = error.code(),
                "Redis gives no hints of ended sessions"
            );
            None
        }
    }
}

/// Some keys, or nothing where all were flushed.
pub(super) fn tell(keys: &Keys, hints: &Hints, said: Option<&Value>) {
    let Some(Value::Array(changed)) = said else {
        return hints.give(Hint::All);
    };
    for key in changed {
        let Value::BulkString(key) = key else {
            continue;
        };
        if let Some(id) = std::str::from_utf8(key).ok().and_then(|key| keys.id(key)) {
            hints.give(Hint::Of(&id));
        }
    }
}
