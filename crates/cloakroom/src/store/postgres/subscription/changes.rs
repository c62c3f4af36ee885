//! Changes as they happen, for a cache: a connection that listens to the triggers `notify`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use tokio_postgres::{Client, SimpleQueryMessage};

use super::ends::WatchedIds;
use crate::id::SessionId;
use crate::store::postgres::PostgresInner;
use crate::store::postgres::ddl::{CHANGED, EVERYTHING, has_notify};
use crate::store::subscription::supervised::{Connected, Pingable, Supervised};
use crate::store::{Changes, Invalidation, InvalidationSink, StoreFuture, StoredRecord};

/// The subscription of one cache.
pub(crate) struct ChangeSubscription {
    inner: Arc<PostgresInner>,
    kept: Supervised<Follower>,
    names: Arc<WatchedIds>,
}

impl ChangeSubscription {
    pub(crate) fn start(inner: &Arc<PostgresInner>, hints: InvalidationSink) -> Option<Self> {
        if !inner.notifies {
            return None;
        }
        let names = Arc::<WatchedIds>::default();
        let (owner, known) = (Arc::clone(inner), Arc::clone(&names));
        let kept = Supervised::start(hints.clone(), move || {
            connect(Arc::clone(&owner), Arc::clone(&known), hints.clone())
        });
        Some(Self {
            inner: Arc::clone(inner),
            kept,
            names,
        })
    }
}

impl Changes for ChangeSubscription {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        // Watched before it is read, and for longer than a copy can be used.
        self.names.learn(std::slice::from_ref(id));
        Box::pin(self.inner.get(id))
    }

    fn proven(&self) -> Option<Instant> {
        self.kept.proven()
    }

    fn catch_up(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.kept.catch_up())
    }
}

/// A connection that notifies itself: notifications come in the order of the commits, so that earlier ones
/// have arrived when its own does.
struct Follower {
    client: Client,
    /// The notification that it sends, but for a number, on a channel of its own.
    call: String,
    calls: AtomicU64,
    /// The number that arrived last.
    heard: Arc<AtomicU64>,
    has_notify: String,
}

impl Pingable for Follower {
    /// Notifies itself, and checks that the triggers still exist; a pooler that hands the connection to other
    /// clients fails.
    async fn ping(&self) -> bool {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let (call, has_notify) = (&self.call, &self.has_notify);
        let beat = format!("SELECT pg_notify('{call}', '{call}:{number}'), {has_notify}");
        let Ok(said) = self.client.simple_query(&beat).await else {
            return false;
        };
        let notifies = said.iter().any(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(1) == Some("t"),
            _ => false,
        });
        notifies && self.heard.load(Ordering::SeqCst) >= number
    }
}

async fn connect(
    inner: Arc<PostgresInner>,
    names: Arc<WatchedIds>,
    hints: InvalidationSink,
) -> Connected<Follower> {
    let random = SessionId::random();
    let letters = random.expose().bytes().map(|byte| format!("{byte:02x}"));
    let call = format!("cloakroom_{}", letters.take(16).collect::<String>());
    let heard = Arc::new(AtomicU64::new(0));
    let broken = Arc::new(AtomicBool::new(false));
    let hear = Hear {
        names,
        hints: hints.clone(),
        call: format!("{call}:"),
        heard: Arc::clone(&heard),
        broken: Arc::clone(&broken),
    };
    let (client, _) = inner
        .apart
        .connect(move |said| hear.take(said))
        .await
        .ok()?;
    // Notifications to itself need no disk.
    let listen = format!("SET synchronous_commit = off; LISTEN {CHANGED}; LISTEN {call}");
    client.batch_execute(&listen).await.ok()?;
    let follower = Follower {
        client,
        call,
        calls: AtomicU64::new(0),
        heard,
        has_notify: has_notify(&inner.names),
    };
    if !follower.ping().await {
        return None;
    }
    // Earlier changes were not reported. Nothing counts as proven before all copies are dropped.
    hints.send(Invalidation::All);
    Some((follower, broken))
}

/// The handler of notifications; it is dropped with the connection.
struct Hear {
    names: Arc<WatchedIds>,
    hints: InvalidationSink,
    call: String,
    heard: Arc<AtomicU64>,
    broken: Arc<AtomicBool>,
}

impl Hear {
    fn take(&self, said: &str) {
        if let Some(number) = said.strip_prefix(&self.call) {
            if let Ok(number) = number.parse() {
                self.heard.fetch_max(number, Ordering::SeqCst);
            }
        } else if said == EVERYTHING {
            self.hints.send(Invalidation::All);
        } else if let Some(id) = self.names.id(said) {
            self.hints.send(Invalidation::Of(&id));
        }
    }
}

impl Drop for Hear {
    fn drop(&mut self) {
        self.broken.store(true, Ordering::SeqCst);
        self.hints.send(Invalidation::All);
    }
}
