//! R5: one of three processes has a clock that is wrong, or jumps. It signs no user out, prolongs no session
//! by more than its skew, and deletes nothing that is live for the others.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::policy::RequestInfo;
use cloakroom::store::memory::{MemoryLimit, MemoryStore};
use cloakroom::store::mongodb::{MongoOptions, MongoStore};
use cloakroom::store::postgres::{PostgresOptions, PostgresStore};
use cloakroom::store::redis::{RedisOptions, RedisStore};
use cloakroom::store::sqlite::SqliteStore;
use cloakroom::store::{NewRecord, Store};
use cloakroom::{Manager, ManualClock, Policy, Session, SessionId, SkewedClock, Timestamp};
use testbed::{Mongo, Postgres, Redis};

use crate::faults::saw;
use crate::support::{Cookies, NOW, keys};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A place where sessions lie.
enum Place {
    Sqlite(std::path::PathBuf),
    Redis(String),
    Postgres(String),
    Mongo(String),
}

impl Place {
    fn new(store: &str) -> Self {
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let name = format!("clocks_{number}");
        match store {
            "sqlite" => Self::Sqlite(testbed::directory().leave().join("sessions.db")),
            "redis" => Self::Redis(Redis::shared().url()),
            "postgres" => Self::Postgres(Postgres::shared().create_database(&name)),
            _ => Self::Mongo(Mongo::shared().url(&name)),
        }
    }

    /// The store as a process with this clock has it.
    async fn store(&self, clock: &SkewedClock) -> Arc<dyn Store> {
        let clock = clock.clone();
        match self {
            Self::Sqlite(path) => Arc::new(SqliteStore::with_clock(path, clock).unwrap()),
            Self::Redis(url) => {
                let options = RedisOptions::default().clock(clock);
                Arc::new(RedisStore::connect_options(url, options).await.unwrap())
            }
            Self::Postgres(url) => {
                let options = PostgresOptions::new()
                    .clock(clock)
                    .connect_timeout(Duration::from_secs(20));
                Arc::new(PostgresStore::connect_options(url, options).await.unwrap())
            }
            Self::Mongo(url) => {
                let options = MongoOptions::new().clock(clock);
                Arc::new(MongoStore::connect_options(url, options).await.unwrap())
            }
        }
    }
}

/// One process, and its clock.
struct Process {
    manager: Manager,
    store: Arc<dyn Store>,
    clock: SkewedClock,
}

impl Process {
    async fn at(place: &Place, fast_by: i64) -> Self {
        let clock = SkewedClock::new();
        clock.set(fast_by);
        Self::of(place.store(&clock).await, clock)
    }

    fn of(store: Arc<dyn Store>, clock: SkewedClock) -> Self {
        let policy = Policy::builder(keys())
            .idle_timeout(Duration::from_mins(30))
            .absolute_timeout(Duration::from_hours(24 * 7))
            .touch_after(Duration::ZERO)
            .build()
            .unwrap();
        Self {
            manager: Manager::with_clock(policy, Arc::clone(&store), clock.clone()),
            store,
            clock,
        }
    }

    async fn open(&self, visitor: &Cookies) -> Session {
        let mut request = RequestInfo::default();
        request.is_secure = true;
        let field = visitor.field();
        let cookies = field.iter().map(String::as_bytes);
        self.manager.open(cookies, request).await.unwrap()
    }

    async fn close(&self, session: &Session, visitor: &mut Cookies) {
        let closing = self.manager.close(session).await.unwrap();
        if let Some(field) = &closing.set_cookie {
            visitor.keep(field);
        }
    }

    /// A visitor who signs in here.
    async fn sign_in(&self) -> Cookies {
        let mut visitor = Cookies::by(&ManualClock::at(Timestamp::from_millis(NOW)));
        let session = self.open(&visitor).await;
        session.login("ada").await.unwrap();
        self.close(&session, &mut visitor).await;
        visitor
    }

    /// Returns `true` if the visitor is signed in here; the request touches the session.
    async fn knows(&self, visitor: &mut Cookies) -> bool {
        let session = self.open(visitor).await;
        let is_known = session.user().as_deref() == Some("ada");
        self.close(&session, visitor).await;
        is_known
    }
}

/// Whoever signed in where the clock is right stays signed in there, whatever a process does whose clock is not.
async fn a_wrong_clock_ends_no_session(store: &str) {
    for skew in [HOUR, -HOUR, DAY, -DAY, 25 * HOUR] {
        let place = Place::new(store);
        let (right, other) = (Process::at(&place, 0).await, Process::at(&place, 0).await);
        let wrong = Process::at(&place, skew).await;
        let mut visitor = right.sign_in().await;
        for _ in 0..2 {
            assert!(wrong.knows(&mut visitor).await, "{skew}");
            wrong.store.prune().await.unwrap();
            assert!(right.knows(&mut visitor).await, "{skew}: signed out");
            assert!(other.knows(&mut visitor).await, "{skew}: signed out");
        }
        let mut theirs = wrong.sign_in().await;
        assert!(right.knows(&mut theirs).await, "{skew}: signed in there");
    }
    let load = format!(
        "{store}: one process of three by 1 h, 24 h, 25 h ahead, by 1 h, 24 h behind, and jumping"
    );
    saw(
        "R5",
        &load,
        "nobody signed out, absolute time-out late by the skew at most",
    );
}

/// Runs the check against a server whose clock jumps to and fro while it serves.
async fn a_clock_that_jumps_ends_no_session(store: &str) {
    let place = Place::new(store);
    let (right, jumping) = (Process::at(&place, 0).await, Process::at(&place, 0).await);
    let mut visitor = right.sign_in().await;
    let mut theirs = jumping.sign_in().await;
    for skew in [DAY, -DAY, HOUR, -HOUR, 0] {
        jumping.clock.set(skew);
        for visitor in [&mut visitor, &mut theirs] {
            assert!(jumping.knows(visitor).await, "{skew}");
        }
        jumping.store.prune().await.unwrap();
        assert!(right.knows(&mut visitor).await, "{skew}: signed out");
        assert!(right.knows(&mut theirs).await, "{skew}: signed out");
    }
}

/// A session ends by the absolute time-out of the serving process's clock: off by its skew, and no more.
async fn a_deadline_is_exceeded_by_the_skew_at_most(store: &str) {
    let place = Place::new(store);
    let process = Process::at(&place, 0).await;
    let mut visitor = process.sign_in().await;
    let week = 7 * DAY;
    for (shown, known) in [(week - MINUTE, true), (week + MINUTE, false)] {
        process.clock.set(shown);
        assert_eq!(process.knows(&mut visitor).await, known, "{shown}");
    }
}

macro_rules! on_shared_stores {
    ($($store:ident)*) => {
        $(mod $store {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn r5_a_wrong_clock_ends_no_session() {
                super::a_wrong_clock_ends_no_session(stringify!($store)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn r5_a_clock_that_jumps_ends_no_session() {
                super::a_clock_that_jumps_ends_no_session(stringify!($store)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn r5_a_deadline_is_exceeded_by_the_skew_at_most() {
                super::a_deadline_is_exceeded_by_the_skew_at_most(stringify!($store)).await;
            }
        })*
    };
}

on_shared_stores!(sqlite redis postgres mongodb);

#[tokio::test]
async fn r5_in_memory_a_clock_that_jumps_ends_no_session() {
    let clock = SkewedClock::new();
    let store = MemoryStore::with(MemoryLimit::default(), clock.clone());
    let process = Process::of(Arc::new(store), clock);
    let mut visitor = process.sign_in().await;
    for skew in [DAY, -DAY, HOUR, -HOUR, 0] {
        process.clock.set(skew);
        process.store.prune().await.unwrap();
        assert!(process.knows(&mut visitor).await, "{skew}");
    }
}

/// A file that is opened again keeps the time of the process that opened it first, whatever the clocks show.
#[tokio::test]
async fn r5_sqlite_deletes_by_the_time_of_the_file() {
    let place = Place::new("sqlite");
    let right = Process::at(&place, 0).await;
    let entry = |millis| NewRecord {
        text: r#"{"cookie":{}}"#.into(),
        expires: Timestamp::from_millis(right.clock.now().as_millis() + millis),
        users: Vec::new(),
    };
    let (live, over) = (SessionId::random(), SessionId::random());
    let (soon, past) = (entry(30 * MINUTE), entry(-HOUR));
    right.store.create(&live, &soon).await.unwrap();
    right.store.create(&over, &past).await.unwrap();
    drop(right);
    for (skew, pruned) in [(-25 * HOUR, 1), (25 * HOUR, 0)] {
        let wrong = Process::at(&place, skew).await;
        assert_eq!(wrong.store.prune().await.unwrap(), pruned);
        let expires = wrong.store.get(&live).await.unwrap().unwrap().expires;
        let left = expires.since(wrong.clock.now()).as_millis();
        assert!((28 * 60_000..=30 * 60_000 + 2000).contains(&left), "{left}");
    }
}
