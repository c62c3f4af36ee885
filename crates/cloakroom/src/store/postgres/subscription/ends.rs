//! Notifications of ends: a connection that listens to the trigger `ended`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::postgres::PostgresInner;
use crate::store::postgres::ddl::ENDED;
use crate::store::subscription::supervised::{Connected, Pingable, Supervised};
use crate::store::{Ends, Invalidation, InvalidationSink, StoreFuture};
use crate::util::lock;

/// Time after which an id that was not polled is forgotten: a watching task polls more often.
const FORGET: Duration = Duration::from_mins(1);
/// Number below which stale ids are not searched for.
const FEW: usize = 1024;

/// The subscription of a watching task.
pub(crate) struct EndSubscription {
    inner: Arc<PostgresInner>,
    kept: Supervised<Listener>,
    names: Arc<WatchedIds>,
}

impl EndSubscription {
    pub(crate) fn start(inner: &Arc<PostgresInner>, hints: InvalidationSink) -> Option<Self> {
        if !inner.notify_ends {
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

impl Ends for EndSubscription {
    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        // Watched before they are read: an end in between is reported.
        self.names.learn(ids);
        Box::pin(self.inner.expiries(ids))
    }

    fn is_proven(&self) -> bool {
        self.kept.is_proven()
    }
}

/// The sessions behind the hashes.
#[derive(Default)]
pub(crate) struct WatchedIds(Mutex<WatchedMap>);

#[derive(Default)]
struct WatchedMap {
    ids: HashMap<[u8; 32], (SessionId, Instant)>,
    /// The number at which ids that are not watched any more are next searched for.
    most: usize,
}

impl WatchedIds {
    pub(crate) fn learn(&self, ids: &[SessionId]) {
        let (mut known, now) = (self.lock(), Instant::now());
        for id in ids {
            let hash = Sha256::digest(id.expose()).into();
            known.ids.insert(hash, (id.clone(), now));
        }
        if known.ids.len() > known.most.max(FEW) {
            known
                .ids
                .retain(|_, (_, since)| now.duration_since(*since) < FORGET);
            known.most = known.ids.len() * 2;
        }
    }

    pub(crate) fn id(&self, hash: &str) -> Option<SessionId> {
        let mut bytes = [0; 32];
        if hash.len() != 64 || !hash.is_ascii() {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hash[2 * at..2 * at + 2], 16).ok()?;
        }
        self.lock().ids.get(&bytes).map(|(id, _)| id.clone())
    }

    fn lock(&self) -> MutexGuard<'_, WatchedMap> {
        lock(&self.0)
    }
}

/// A client whose connection ends with it.
struct Listener(Client);

impl Pingable for Listener {
    async fn ping(&self) -> bool {
        self.0.simple_query("").await.is_ok()
    }
}

async fn connect(
    inner: Arc<PostgresInner>,
    names: Arc<WatchedIds>,
    hints: InvalidationSink,
) -> Connected<Listener> {
    let heard = move |hash: &str| {
        if let Some(id) = names.id(hash) {
            hints.send(Invalidation::Of(&id));
        }
    };
    let (client, _) = inner.apart.connect(heard).await.ok()?;
    let listening = client.batch_execute(&format!("LISTEN {ENDED}")).await;
    listening.ok()?;
    // A connection that ends fails the next ping.
    Some((Listener(client), Arc::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_resolves_to_the_watched_id_only() {
        let names = WatchedIds::default();
        let id = SessionId::from_store("abc");
        // `printf abc | sha256sum`
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(names.id(hash), None);
        names.learn(std::slice::from_ref(&id));
        assert_eq!(names.id(hash), Some(id));
        for other in [
            "",
            "ba78",
            &hash.replace('b', "é"),
            &hash.replace('b', "+"),
            "日本語",
        ] {
            assert_eq!(names.id(other), None, "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ids_no_longer_watched_are_forgotten() {
        let names = WatchedIds::default();
        let many = || -> Vec<SessionId> { (0..FEW).map(|_| SessionId::random()).collect() };
        names.learn(&many());
        tokio::time::advance(FORGET).await;
        names.learn(&many());
        assert_eq!(names.lock().ids.len(), FEW);
    }
}
