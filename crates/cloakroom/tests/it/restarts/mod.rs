//! Sessions that ended stay ended, whatever a Redis server has lost: it restarts from a snapshot or from a
//! truncated log, or a replica is promoted that had not received the end.
//!
//! `CLOAKROOM_ROUNDS=1000` plays so many rounds of each kind. A round ends sessions in every way that there
//! is, lets the server forget it, and reads: by this store, and from the server itself, as any other program
//! would. Controls play the same rounds with a store that repeats nothing.

mod alone;
mod cluster;
mod failover;
mod rig;
mod storm;

use std::sync::Arc;

use cloakroom::SessionId;
use cloakroom::store::redis::{RedisOptions, RedisStore};
use cloakroom::store::{CasOutcome, RetiredId, Store, StoreError, StoredRecord};
use testbed::Redis;
use tokio::time::{Duration, Instant, sleep};

use self::rig::{entry, entry_of};
use crate::faults::{control, rounds, saw};

/// Number of sessions that end in a round.
const ENDS: usize = 6;

/// Connects as a process of its own; `repeats` is false for the controls.
async fn connect(url: &str, repeats: bool) -> RedisStore {
    let options = if repeats {
        RedisOptions::default()
    } else {
        RedisOptions::default().without_replay()
    };
    RedisStore::connect_options(url, options).await.unwrap()
}

/// Sessions before they end, each of which will end in another way, and one that goes on.
struct Sessions {
    destroyed: SessionId,
    retired: SessionId,
    replaced: SessionId,
    renewed: SessionId,
    of_user: [SessionId; 2],
    user: String,
    expired: SessionId,
    live: SessionId,
}

impl Sessions {
    async fn create(store: &dyn Store) -> Self {
        let id = SessionId::random;
        let sessions = Self {
            destroyed: id(),
            retired: id(),
            replaced: id(),
            renewed: id(),
            of_user: [id(), id()],
            user: format!("u{}", id().expose()),
            expired: id(),
            live: id(),
        };
        let user = entry_of(&sessions.user);
        for id in &sessions.of_user {
            store.create(id, &user).await.unwrap();
        }
        let others = [
            &sessions.destroyed,
            &sessions.retired,
            &sessions.replaced,
            &sessions.expired,
            &sessions.live,
        ];
        for id in others {
            store.create(id, &entry()).await.unwrap();
        }
        sessions
    }

    /// Ends all but one of them; each step is acknowledged.
    async fn end(&self, store: &dyn Store) {
        assert!(store.destroy(&self.destroyed).await.unwrap());
        assert!(store.retire(&self.retired).await.unwrap());
        let (read, next, closed) = (entry().text, entry(), RetiredId::Closed);
        let replacing = store.replace(&self.replaced, Some(&read), &self.renewed, &next, &closed);
        assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
        let ended = store.destroy_by_user(&self.user, None).await.unwrap();
        assert_eq!(ended, 2);
        // A session may also end by a time that has passed.
        let over = rig::over();
        store.update(&self.expired, &read, &over).await.unwrap();
    }

    fn ended(&self) -> [(&'static str, &SessionId); ENDS] {
        [
            ("destroyed", &self.destroyed),
            ("retired", &self.retired),
            ("replaced", &self.replaced),
            ("the user's first", &self.of_user[0]),
            ("the user's second", &self.of_user[1]),
            ("expired", &self.expired),
        ]
    }
}

/// Asks a store until it answers.
async fn ask(store: &dyn Store, id: &SessionId) -> Option<StoredRecord> {
    until("the store answers", async || store.get(id).await).await
}

async fn until<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let begin = Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert!(begin.elapsed() < LIMIT, "{what}: {error:?}"),
        }
        sleep(LOOK).await;
    }
}

/// Time limit of every wait, on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(10);

/// The sessions that came back in one round.
#[derive(Debug, Default)]
struct Back {
    /// Answered by the store itself.
    here: Vec<&'static str>,
    /// Found at the server, by any other client, once the store had its time.
    there: Vec<&'static str>,
}

impl Back {
    /// Asks the store first, and then the server; `nodes` are all that may have a session.
    async fn of(sessions: &Sessions, store: &Arc<dyn Store>, nodes: &[Redis], waits: bool) -> Self {
        let mut back = Self::default();
        for (what, id) in sessions.ended() {
            if ask(&**store, id).await.is_some() {
                back.here.push(what);
            }
        }
        back.there = Self::at_servers(sessions, nodes, waits).await;
        back
    }

    /// Asks the servers alone, for as long as it may take that a store repeats the ends by itself.
    async fn at_servers(sessions: &Sessions, nodes: &[Redis], waits: bool) -> Vec<&'static str> {
        let begin = Instant::now();
        let limit = if waits { LIMIT / 3 } else { Duration::ZERO };
        loop {
            let found = sessions.ended().into_iter();
            let found = found.filter(|(_, id)| nodes.iter().any(|node| rig::has(node, id)));
            let found: Vec<_> = found.map(|(what, _)| what).collect();
            if found.is_empty() || begin.elapsed() >= limit {
                return found;
            }
            sleep(LOOK).await;
        }
    }

    fn is_none(&self) -> bool {
        self.here.is_empty() && self.there.is_empty()
    }
}
