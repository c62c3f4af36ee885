//! What a store's visitors have done, and what must follow from it at the target.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::record::UserKeys;
use cloakroom::store::{AnyStore, NewRecord, PutIf, PutOutcome, Store as _, StoredRecord};
use cloakroom::{SessionId, Timestamp};
use futures_util::{StreamExt as _, stream};

use crate::side::{Side, in_millis};

/// Milliseconds that a session lives.
const LIFE: i64 = 6 * 3_600_000;
/// The pause between two writes: two hundred a second, where the store takes as many.
const PAUSE: Duration = Duration::from_millis(5);
/// Sessions that are filled in, or looked at, at the same time.
const AT_ONCE: usize = 256;

/// The sessions as their visitors know them.
#[derive(Default)]
pub(crate) struct Ledger {
    known: Mutex<Known>,
    next: AtomicU64,
    writes: AtomicU64,
    pause: Option<Duration>,
}

#[derive(Default)]
struct Known {
    live: HashMap<String, Session>,
    names: Vec<String>,
    ended: HashSet<String>,
}

/// The last write of a session that its visitor was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    number: u64,
    expires: Timestamp,
}

/// What has become of the sessions at the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) right: u64,
    pub(crate) ended: u64,
    /// Missing, or as it was before its visitor's last write.
    pub(crate) lost: u64,
    pub(crate) revived: u64,
}

/// What a visitor does.
#[derive(Clone, Copy)]
enum Act {
    Create,
    Change,
    Touch,
    End,
}

fn entry(session: Session) -> NewRecord {
    let Session { number, expires } = session;
    let text = format!(
        r#"{{"cookie":{{"originalMaxAge":{LIFE},"expires":"2031-01-01T00:00:00.000Z","httpOnly":true,"path":"/"}},"n":{number},"userId":"user-{}","cart":["apple","pear"]}}"#,
        number % 5_000
    );
    NewRecord {
        users: UserKeys::default().users_of(&text),
        text: text.into(),
        expires,
    }
}

fn number_in(stored: &StoredRecord) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_str(&stored.text).ok()?;
    value["n"].as_u64()
}

impl Ledger {
    /// One whose visitors write more seldom.
    pub(crate) fn slower(pause: Duration) -> Self {
        Self {
            pause: Some(pause),
            ..Self::default()
        }
    }

    fn next(&self) -> Session {
        Session {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            expires: in_millis(LIFE),
        }
    }

    /// Writes that visitors were told of.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    fn enter(&self, id: &str, session: Session) {
        let mut known = self.known.lock().unwrap();
        if known.live.insert(id.to_owned(), session).is_none() {
            known.names.push(id.to_owned());
        }
    }

    fn end(&self, id: &str) {
        let mut known = self.known.lock().unwrap();
        known.live.remove(id);
        known.ended.insert(id.to_owned());
    }

    /// A live session, by chance.
    fn pick(&self, chance: u64) -> Option<(String, Session)> {
        let known = self.known.lock().unwrap();
        let at = usize::try_from(chance % known.names.len().max(1) as u64).unwrap();
        let id = known.names.get(at)?;
        let session = known.live.get(id)?;
        Some((id.clone(), *session))
    }

    /// Fills a store.
    pub(crate) async fn fill(&self, side: &Side, count: u64) {
        let creating = stream::iter(0..count).map(async |_| {
            let (id, session) = (SessionId::random(), self.next());
            side.store.create(&id, &entry(session)).await.unwrap();
            self.enter(id.expose(), session);
        });
        creating
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<()>>()
            .await;
    }

    /// Creates, changes, touches and ends sessions until it is told to stop.
    pub(crate) fn visitors(self: &Arc<Self>, store: &AnyStore) -> Visitors {
        let stop = Arc::new(AtomicBool::new(false));
        let (ledger, store, stopped) = (Arc::clone(self), store.clone(), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(ledger.pause.unwrap_or(PAUSE));
            let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
            while !stopped.load(Ordering::Relaxed) {
                ticks.tick().await;
                chance ^= chance << 13;
                chance ^= chance >> 7;
                chance ^= chance << 17;
                let act = match chance % 10 {
                    0 | 1 => Act::Create,
                    2 | 3 => Act::End,
                    4 => Act::Touch,
                    _ => Act::Change,
                };
                ledger.act(&store, act, chance >> 8).await;
            }
        });
        Visitors { stop, task }
    }

    async fn act(&self, store: &AnyStore, act: Act, chance: u64) {
        let session = self.next();
        if let Act::Create = act {
            let id = SessionId::random();
            store.create(&id, &entry(session)).await.unwrap();
            self.enter(id.expose(), session);
            self.writes.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let Some((id, before)) = self.pick(chance) else {
            return;
        };
        let key = SessionId::from_store(&id);
        // At the target one may not have arrived yet.
        let Some(read) = store.get_uncached(&key).await.unwrap() else {
            return;
        };
        let session = match act {
            Act::Touch => Session {
                number: number_in(&read).unwrap_or(before.number),
                ..session
            },
            _ => session,
        };
        let done = if let Act::End = act {
            store.retire(&key).await.unwrap()
        } else {
            let new = entry(session);
            let put = store.put(&key, &new, &PutIf::Text(read.text)).await;
            put.unwrap() == PutOutcome::Stored
        };
        match act {
            _ if !done => return,
            Act::End => self.end(&id),
            _ => self.enter(&id, session),
        }
        self.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// Looks at all sessions in a store.
    pub(crate) async fn verdict(&self, store: &AnyStore) -> Verdict {
        let expected: Vec<(String, Option<Session>)> = {
            let known = self.known.lock().unwrap();
            let live = known
                .live
                .iter()
                .map(|(id, session)| (id.clone(), Some(*session)));
            let ended = known.ended.iter().map(|id| (id.clone(), None));
            live.chain(ended).collect()
        };
        let looking = stream::iter(expected).map(async |(id, expected)| {
            let id = SessionId::from_store(&id);
            (store.get_uncached(&id).await.unwrap(), expected)
        });
        let looked = looking.buffer_unordered(AT_ONCE);
        looked
            .fold(
                Verdict::default(),
                async |mut verdict, (found, expected)| {
                    match (found, expected) {
                        (Some(found), Some(expected)) if is(&found, expected) => verdict.right += 1,
                        (_, Some(_)) => verdict.lost += 1,
                        (Some(_), None) => verdict.revived += 1,
                        (None, None) => verdict.ended += 1,
                    }
                    verdict
                },
            )
            .await
    }
}

fn is(found: &StoredRecord, expected: Session) -> bool {
    let apart = found.expires.as_millis() - expected.expires.as_millis();
    number_in(found) == Some(expected.number) && apart.abs() < 3_000
}

/// Writers of a store.
pub(crate) struct Visitors {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Visitors {
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}
