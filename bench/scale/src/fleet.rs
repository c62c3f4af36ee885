//! Sessions that need no list: each id and each record follows from a number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cloakroom::cookie::sign;
use cloakroom::policy::RequestInfo;
use cloakroom::record::RecordText;
use cloakroom::store::{CasOutcome, NewRecord, Store, StoreErrorKind};
use cloakroom::{Clock, KeyRing, Manager, Policy, SessionId, Timestamp};

use crate::error::Failure;
use crate::stop;

/// Bytes of a record, as of a visitor who is signed in and has a few things in a cart.
pub(crate) const RECORD: usize = 300;
/// Longer than anything here lasts.
const LIFE: Duration = Duration::from_hours(24);

/// Numbers that look random (`SplitMix64`: Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        u32::try_from((u128::from(self.next()) * u128::from(end)) >> 64).unwrap_or(0)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The id of a session: as long as a real one, and as far from its neighbour.
pub(crate) fn id(n: u32) -> SessionId {
    SessionId::from_store(&id_text(n))
}

pub(crate) fn id_text(n: u32) -> String {
    let (low, high) = (mix(u64::from(n) + 1), mix(u64::from(n) + (1 << 40)));
    format!("{low:016x}{high:016x}")
}

/// The user of a session: each has one.
pub(crate) fn user(n: u32) -> String {
    format!("{:08}", 10_000_000 + n)
}

/// The record of a session after so many changes.
pub(crate) fn text(n: u32, version: u8) -> String {
    let mut text = format!(
        r#"{{"cookie":{{"originalMaxAge":1800000,"expires":"2026-11-26T12:00:00.000Z","secure":true,"httpOnly":true,"path":"/","sameSite":"lax"}},"userId":"{}","version":"{version:03}","cart":""#,
        user(n)
    );
    let filled = RECORD - 2;
    while text.len() < filled {
        text.push('x');
    }
    text.push_str("\"}");
    text
}

/// Signs the cookies of the visitors.
fn keys() -> KeyRing {
    KeyRing::with_insecure_short_secret([7; 32]).expect("any secret will do")
}

/// Returns the `Cookie` field of a session's visitor.
fn cookie(n: u32) -> String {
    let signed = sign(&id_text(n), &keys());
    let value = signed.replace('+', "%2B").replace('/', "%2F");
    format!("theme=dark; connect.sid=s%3A{value}; lang=en")
}

/// A store with the sessions 0 to `size`, and how often each was changed.
pub(crate) struct Fleet {
    pub(crate) store: Arc<dyn Store>,
    manager: Manager,
    pub(crate) size: u32,
    versions: Vec<AtomicU8>,
    prolonged: AtomicU32,
    expires: Timestamp,
    /// Expiry of every second session, where those expire earlier.
    odd_expire: Option<Timestamp>,
    has_users: bool,
}

impl Fleet {
    /// Room for `most` sessions in `store`, which holds none of them.
    pub(crate) fn new(store: Arc<dyn Store>, most: u32) -> Self {
        let policy = Policy::builder(keys()).no_absolute_timeout().build();
        let policy = policy.expect("the defaults go together");
        Self {
            manager: Manager::with_clock(policy, Arc::clone(&store), Clock::System),
            store,
            size: 0,
            versions: (0..most).map(|_| AtomicU8::new(1)).collect(),
            prolonged: AtomicU32::new(0),
            expires: Clock::System.now().after(LIFE),
            odd_expire: None,
            has_users: false,
        }
    }

    /// Returns a fleet of which every second session expires at `at`; the first of them is 1.
    pub(crate) fn with_odd_until(mut self, at: Timestamp) -> Self {
        self.odd_expire = Some(at);
        self
    }

    /// Returns a fleet whose sessions are entered into the store's index of users.
    pub(crate) fn with_users(mut self) -> Self {
        self.has_users = true;
        self
    }

    /// Returns the expiry of the session `n`, unless it is touched.
    pub(crate) fn expires(&self, n: u32) -> Timestamp {
        self.odd_expire
            .filter(|_| n % 2 == 1)
            // Half an hour apart, as sessions are.
            .unwrap_or_else(|| self.expires.after(Duration::from_millis(mix(n.into()) % 1_800_000)))
    }

    /// Another end each time, by whole seconds, as of a session that is used.
    fn later(&self, n: u32) -> Timestamp {
        let times = self.prolonged.fetch_add(1, Ordering::Relaxed);
        let seconds = u64::from(times % 7200) + 1;
        self.expires(n).after(Duration::from_secs(seconds))
    }

    fn version(&self, n: u32) -> &AtomicU8 {
        &self.versions[n as usize]
    }

    fn entry(&self, n: u32, version: u8, expires: Timestamp) -> NewRecord {
        NewRecord {
            text: text(n, version).into(),
            expires,
            users: self.has_users.then(|| user(n)).into_iter().collect(),
        }
    }

    /// Creates the session `n`; how long it took.
    pub(crate) async fn create(&self, n: u32) -> Result<Duration, Failure> {
        let (id, entry) = (id(n), self.entry(n, 1, self.expires(n)));
        let begin = Instant::now();
        let created = self.store.create(&id, &entry).await;
        let took = begin.elapsed();
        match created {
            Err(error) if error.kind() == StoreErrorKind::IdTaken => {
                Err(Failure::new(format!("session {n} was there before")))
            }
            created => Ok(created.map(|()| took)?),
        }
    }

    /// Reads the session `n`; how long it took.
    pub(crate) async fn get(&self, n: u32) -> Result<Duration, Failure> {
        let id = id(n);
        let begin = Instant::now();
        let stored = self.store.get(&id).await;
        let took = begin.elapsed();
        let stored = stored?.ok_or_else(|| missing(n))?;
        if stored.text.len() != RECORD {
            return Err(Failure::new("a record came back with another length"));
        }
        Ok(took)
    }

    /// A request of the visitor that reads who is signed in, without its server; how long it took.
    pub(crate) async fn visit(&self, n: u32) -> Result<Duration, Failure> {
        let cookie = cookie(n);
        let begin = Instant::now();
        let session = self
            .manager
            .open([cookie.as_bytes()], RequestInfo::default())
            .await?;
        let found: Option<String> = session.get("userId")?;
        self.manager.close(&session).await?;
        let took = begin.elapsed();
        if found.is_none_or(|found| found != user(n)) {
            return Err(missing(n));
        }
        Ok(took)
    }

    /// Prolongs the session `n`; how long it took.
    pub(crate) async fn touch(&self, n: u32) -> Result<Duration, Failure> {
        let version = self.version(n).load(Ordering::Relaxed);
        let later = self.later(n);
        let (id, entry) = (id(n), self.entry(n, version, later));
        let begin = Instant::now();
        let touched = self.store.touch(&id, &entry.text, &entry).await;
        let took = begin.elapsed();
        touched?.then_some(took).ok_or_else(|| missing(n))
    }

    /// Changes the session `n`, which no other task changes meanwhile, and returns the time it took.
    pub(crate) async fn update(&self, n: u32) -> Result<Duration, Failure> {
        let version = self.version(n).load(Ordering::Relaxed);
        let read: RecordText = text(n, version).into();
        let next = version.wrapping_add(1);
        let later = self.later(n);
        let (id, entry) = (id(n), self.entry(n, next, later));
        let begin = Instant::now();
        let written = self.store.update(&id, &read, &entry).await;
        let took = begin.elapsed();
        match written? {
            CasOutcome::Stored => {
                self.version(n).store(next, Ordering::Relaxed);
                Ok(took)
            }
            CasOutcome::NotFound => Err(missing(n)),
            CasOutcome::Conflict(_) => {
                Err(Failure::new(format!("somebody else changed session {n}")))
            }
        }
    }
}

fn missing(n: u32) -> Failure {
    Failure::new(format!("session {n} is not in the store"))
}

/// Creates sessions until there are `size`, `tasks` at a time; sessions per second.
pub(crate) async fn fill(fleet: Fleet, size: u32, tasks: u32) -> Result<(Fleet, f64), Failure> {
    let fleet = Arc::new(fleet);
    let next = Arc::new(AtomicU32::new(fleet.size));
    let begin = Instant::now();
    let filling: Vec<_> = (0..tasks)
        .map(|_| {
            let (fleet, next) = (Arc::clone(&fleet), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= size {
                        return Ok::<(), Failure>(());
                    }
                    stop::check()?;
                    fleet.create(n).await?;
                    tokio::task::consume_budget().await;
                }
            })
        })
        .collect();
    for task in filling {
        task.await??;
    }
    let created = f64::from(size - fleet.size);
    let rate = created / begin.elapsed().as_secs_f64();
    let mut fleet = Arc::into_inner(fleet).expect("every task has ended");
    fleet.size = size;
    Ok((fleet, rate))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use cloakroom::record::UserKeys;
    use cloakroom::{Clock, MemoryStore};

    use super::{Fleet, RECORD, Random, fill, id_text, text, user};

    #[test]
    fn ids_differ_and_are_as_long_as_real_ones() {
        let ids: HashSet<String> = (0..10_000).map(id_text).collect();
        assert_eq!(ids.len(), 10_000);
        let real = cloakroom::SessionId::random().expose().len();
        assert!(ids.iter().all(|id| id.len() == real));
    }

    #[test]
    fn records_have_one_length_and_name_their_user() {
        for (n, version) in [(0, 0), (9_999_999, 255), (77, 7)] {
            assert_eq!(text(n, version).len(), RECORD);
            let named = UserKeys::default().user_of(&text(n, version));
            assert_eq!(named, Some(user(n)));
        }
        assert_ne!(text(1, 1), text(1, 2));
    }

    #[test]
    fn random_numbers_stay_below_their_end() {
        let mut random = Random::new(1);
        let drawn: HashSet<u32> = (0..1000).map(|_| random.below(10)).collect();
        assert_eq!(drawn, (0..10).collect());
    }

    #[test]
    fn every_second_session_expires_where_that_is_wanted() {
        let early = Clock::System.now();
        let fleet = Fleet::new(Arc::new(MemoryStore::new()), 4).with_odd_until(early);
        let ends: Vec<bool> = (0..4).map(|n| fleet.expires(n) <= early).collect();
        assert_eq!(ends, [false, true, false, true]);
    }

    #[tokio::test]
    async fn a_fleet_is_filled_read_prolonged_and_changed() {
        let store = Arc::new(MemoryStore::new());
        let fleet = Fleet::new(store, 100).with_users();
        let (fleet, _) = fill(fleet, 50, 4).await.unwrap();
        let (fleet, _) = fill(fleet, 100, 4).await.unwrap();
        assert_eq!(fleet.store.count().await.unwrap(), 100);
        for n in 0..100 {
            fleet.get(n).await.unwrap();
            // It writes nothing: else the next would not find what it expects.
            fleet.visit(n).await.unwrap();
            fleet.update(n).await.unwrap();
            fleet.touch(n).await.unwrap();
            fleet.update(n).await.unwrap();
        }
        assert!(fleet.get(100).await.is_err());
        assert!(fleet.create(0).await.is_err());
    }
}
