//! R2: a logout that the store refuses, or whose outcome is unknown. The response reports it, keeps the cookie
//! where the session certainly lives, and the user is signed out as soon as the store accepts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use cloakroom::policy::{OnStoreError, Unset};
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::store::{Store, StoreErrorKind};
use cloakroom::{Clock, Manager, Policy, Secure, Session, SessionError, SessionLayer};
use testbed::browser::{Answer, Ask, Browser, Jar, Wire};
use testbed::{Mongo, Postgres, Redis};

use crate::faults::saw;
use crate::support::keys;
use crate::support::servers::connect;

/// Number of checks for the end of a session, and the time between them.
const LOOKS: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(20);

/// A store that can be made to refuse every write, seen by two processes.
struct Fleet {
    here: Manager,
    there: Manager,
    refusal: Refusal,
}

/// The ways in which a store refuses writes.
enum Refusal {
    /// The store fails for the first process alone.
    Fails(FaultInjectingStore, StoreErrorKind),
    /// The store executes the operation and loses its reply.
    LosesAnswers(FaultInjectingStore),
    Redis(Redis),
    Postgres(Postgres),
}

impl Refusal {
    async fn set(&self, refuses: bool) {
        match self {
            Self::Fails(store, kind) if refuses => store.fail(*kind),
            Self::LosesAnswers(store) if refuses => store.lose_answers(),
            Self::Fails(store, _) | Self::LosesAnswers(store) => store.work(),
            Self::Redis(server) => {
                let replicas = if refuses { "1" } else { "0" };
                server.command(&["CONFIG", "SET", "min-replicas-to-write", replicas]);
            }
            Self::Postgres(server) => set_read_only(server, refuses).await,
        }
    }
}

/// Refuses writes and answers reads, as a standby or a read-only server does.
async fn set_read_only(server: &Postgres, is_read_only: bool) {
    let client = client_of(server).await;
    let setting = format!("ALTER SYSTEM SET default_transaction_read_only = {is_read_only}");
    for statement in [
        "SET default_transaction_read_only = off",
        &setting,
        "SELECT pg_reload_conf()",
    ] {
        client.batch_execute(statement).await.unwrap();
    }
    // The other connections have read it once a new one has.
    let shown = if is_read_only { "on" } else { "off" };
    for _ in 0..LOOKS {
        let show = "SHOW default_transaction_read_only";
        let row = client_of(server).await.query_one(show, &[]).await.unwrap();
        if row.get::<_, &str>(0) == shown {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("the server does not take the setting");
}

async fn client_of(server: &Postgres) -> tokio_postgres::Client {
    let url = server.url();
    let connecting = tokio_postgres::connect(&url, tokio_postgres::NoTls);
    let (client, connection) = connecting.await.unwrap();
    tokio::spawn(connection);
    client
}

fn policy(on_store_error: OnStoreError) -> Policy {
    let builder = Policy::builder(keys())
        .secure(Secure::Never)
        .store_timeout(Duration::from_millis(500))
        .unset(Unset::Destroy)
        .on_store_error(on_store_error);
    builder.build().unwrap()
}

impl Fleet {
    fn of(here: Arc<dyn Store>, there: Arc<dyn Store>, refusal: Refusal) -> Self {
        let manager =
            |store| Manager::with_clock(policy(OnStoreError::Unavailable), store, Clock::System);
        Self {
            here: manager(here),
            there: manager(there),
            refusal,
        }
    }

    async fn on_redis() -> Self {
        let server = Redis::start();
        let (here, there) = (connect(&server.url()).await, connect(&server.url()).await);
        Self::of(here, there, Refusal::Redis(server))
    }

    async fn on_postgres() -> Self {
        let server = Postgres::start(&[]);
        let (here, there) = (connect(&server.url()).await, connect(&server.url()).await);
        Self::of(here, there, Refusal::Postgres(server))
    }

    fn failing(store: Arc<dyn Store>, kind: StoreErrorKind) -> Self {
        let faulty = FaultInjectingStore::new(Arc::clone(&store));
        faulty.spare_reads();
        Self::of(
            Arc::new(faulty.clone()),
            store,
            Refusal::Fails(faulty, kind),
        )
    }

    async fn all() -> Vec<(&'static str, Self)> {
        let file = testbed::directory().leave().join("sessions.db");
        let refused = StoreErrorKind::Unavailable;
        let sqlite = connect(&format!("sqlite:{}", file.display())).await;
        let mongodb = connect(&Mongo::shared().url(&database())).await;
        vec![
            ("redis", Self::on_redis().await),
            ("postgres", Self::on_postgres().await),
            ("memory", Self::failing(connect("memory:").await, refused)),
            ("sqlite", Self::failing(sqlite, refused)),
            ("mongodb", Self::failing(mongodb, refused)),
        ]
    }

    fn browser(&self) -> Browser {
        browser(&self.here)
    }

    /// Returns the user that the other process sees for a browser.
    async fn seen_there(&self, visitor: &Browser) -> String {
        let there = visitor.copy().over(Wire::service(router(&self.there)));
        there.tab().page("/").await.body
    }

    /// Waits until a browser is anonymous to the other process, without a visit to this one.
    async fn ends_there(&self, visitor: &Browser, what: &str) {
        for _ in 0..LOOKS {
            if self.seen_there(visitor).await == "nobody" {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("{what}: the session goes on");
    }
}

/// A database that no other fleet has.
fn database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("refused_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn browser(manager: &Manager) -> Browser {
    Browser::new(
        "http://shop.example",
        Wire::service(router(manager)),
        Jar::new(),
    )
}

fn router(manager: &Manager) -> Router {
    async fn who(session: Session) -> String {
        session.user().unwrap_or_else(|| "nobody".to_owned())
    }
    async fn login(session: Session) -> Result<(), SessionError> {
        session.login("ada").await
    }
    async fn logout(session: Session) -> Result<(), SessionError> {
        session.logout().await
    }
    async fn unset(session: Session) {
        session.unset();
    }
    async fn end_all(session: Session) -> Result<(), SessionError> {
        session.end_all().await.map(drop)
    }
    async fn end_others(session: Session) -> Result<(), SessionError> {
        session.end_others().await.map(drop)
    }
    Router::new()
        .route("/", get(who))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/unset", post(unset))
        .route("/end-all", post(end_all))
        .route("/end-others", post(end_others))
        .layer(SessionLayer::new(manager.clone()))
}

async fn post_to(browser: &Browser, path: &str) -> Answer {
    browser.tab().ask(Ask::form(path, &[])).await
}

fn ticket(browser: &Browser) -> Option<String> {
    browser.jar().value("connect.sid").map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r2_a_refused_logout_is_an_error_keeps_the_cookie_and_is_retried_on_every_store() {
    for (name, fleet) in Fleet::all().await {
        for path in ["/logout", "/unset"] {
            let what = format!("{name}, {path}");
            let visitor = fleet.browser();
            post_to(&visitor, "/login").await;
            let before = ticket(&visitor);
            assert_eq!(fleet.seen_there(&visitor).await, "ada", "{what}");
            fleet.refusal.set(true).await;
            let answer = post_to(&visitor, path).await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{what}");
            assert_eq!(answer.set_cookies(), [""; 0], "{what}");
            assert_eq!(ticket(&visitor), before, "{what}: the session is there");
            assert_eq!(fleet.seen_there(&visitor).await, "ada", "{what}");
            // A user who asked to be signed out is anonymous here, whatever the store holds.
            let page = visitor.tab().page("/").await;
            assert_ne!(page.body, "ada", "{what}");
            fleet.refusal.set(false).await;
            fleet.ends_there(&visitor, &what).await;
            assert_eq!(visitor.tab().page("/").await.body, "nobody", "{what}");
        }
        let load = format!("{name}: `logout` and `unset`, refused by the store");
        saw("R2", &load, "503, cookie kept, ended without a visit");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r2_the_next_request_with_the_cookie_ends_it_too() {
    for (name, fleet) in Fleet::all().await {
        let visitor = fleet.browser();
        post_to(&visitor, "/login").await;
        fleet.refusal.set(true).await;
        post_to(&visitor, "/logout").await;
        let refused = post_to(&visitor, "/logout").await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{name}");
        fleet.refusal.set(false).await;
        let answer = post_to(&visitor, "/logout").await;
        assert!(answer.status.is_success(), "{name}: {}", answer.status);
        assert_eq!(fleet.seen_there(&visitor).await, "nobody", "{name}");
    }
}

/// The record may be gone: the browser is signed out, and later so is any copy of its cookie.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r2_a_logout_with_unknown_outcome_clears_the_cookie_and_is_retried() {
    let store = connect("memory:").await;
    let fleet = Fleet::failing(store, StoreErrorKind::Unknown);
    let visitor = fleet.browser();
    post_to(&visitor, "/login").await;
    let thief = visitor.copy();
    fleet.refusal.set(true).await;
    let answer = post_to(&visitor, "/logout").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ticket(&visitor), None);
    assert_eq!(fleet.seen_there(&thief).await, "ada");
    fleet.refusal.set(false).await;
    fleet.ends_there(&thief, "unknown").await;

    let inner = connect("memory:").await;
    let faulty = FaultInjectingStore::new(Arc::clone(&inner));
    faulty.spare_reads();
    let fleet = Fleet::of(
        Arc::new(faulty.clone()),
        inner,
        Refusal::LosesAnswers(faulty),
    );
    let visitor = fleet.browser();
    post_to(&visitor, "/login").await;
    let thief = visitor.copy();
    fleet.refusal.set(true).await;
    post_to(&visitor, "/logout").await;
    assert_eq!(ticket(&visitor), None);
    fleet.refusal.set(false).await;
    fleet.ends_there(&thief, "lost").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r2_a_refused_logout_everywhere_is_retried_for_the_sessions_of_that_time() {
    for (name, fleet) in [
        ("redis", Fleet::on_redis().await),
        ("postgres", Fleet::on_postgres().await),
    ] {
        for (path, ends_own) in [("/end-all", true), ("/end-others", false)] {
            let what = format!("{name}, {path}");
            let (visitor, other) = (fleet.browser(), fleet.browser());
            post_to(&visitor, "/login").await;
            post_to(&other, "/login").await;
            fleet.refusal.set(true).await;
            let answer = post_to(&visitor, path).await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{what}");
            fleet.refusal.set(false).await;
            let later = browser(&fleet.there);
            post_to(&later, "/login").await;
            fleet.ends_there(&other, &what).await;
            if ends_own {
                fleet.ends_there(&visitor, &what).await;
            } else {
                assert_eq!(fleet.seen_there(&visitor).await, "ada", "{what}");
            }
            assert_eq!(
                fleet.seen_there(&later).await,
                "ada",
                "{what}: it began later"
            );
        }
    }
}

/// A policy that lets requests through without the store must not report a logout as done.
#[tokio::test]
async fn r2_a_refused_logout_is_an_error_where_requests_pass_without_the_store() {
    let store = connect("memory:").await;
    let faulty = FaultInjectingStore::new(Arc::clone(&store));
    let policy = policy(OnStoreError::Anonymous);
    let here = Manager::with_clock(policy, Arc::new(faulty.clone()), Clock::System);
    for (path, spares_reads) in [
        ("/logout", false),
        ("/unset", false),
        ("/logout", true),
        ("/unset", true),
    ] {
        let visitor = browser(&here);
        post_to(&visitor, "/login").await;
        if spares_reads {
            faulty.spare_reads();
        }
        faulty.fail(StoreErrorKind::Unavailable);
        let answer = post_to(&visitor, path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        faulty.work();
        assert_eq!(visitor.tab().page("/").await.body, "nobody", "{path}");
    }
}

/// A logout completes even if the client disconnects before the store has replied.
#[tokio::test]
async fn r2_a_logout_is_retried_after_its_client_disconnects() {
    let store = connect("memory:").await;
    let fleet = Fleet::failing(store, StoreErrorKind::Unavailable);
    let Refusal::Fails(faulty, _) = &fleet.refusal else {
        panic!("it was made so");
    };
    let visitor = fleet.browser();
    post_to(&visitor, "/login").await;
    faulty.hang();
    let logout = visitor.tab().send(Ask::form("/logout", &[]));
    while !faulty.take_calls().contains(&"retire") {
        tokio::task::yield_now().await;
    }
    drop(logout);
    faulty.work();
    fleet.ends_there(&visitor, "disconnected").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r9_a_health_check_reports_that_the_store_refuses_writes() {
    for (name, fleet) in Fleet::all().await {
        let before = fleet.there.store().count().await.unwrap();
        for refuses in [false, true, false] {
            fleet.refusal.set(refuses).await;
            let checked = fleet.here.check().await;
            assert_eq!(checked.is_err(), refuses, "{name}: {checked:?}");
            let count = fleet.there.store().count().await.unwrap();
            assert_eq!(count, before, "{name}: it changes nothing");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r9_a_health_check_reports_that_redis_is_full_or_gone() {
    let mut server = Redis::start();
    let store = connect(&server.url()).await;
    let manager = Manager::with_clock(policy(OnStoreError::Unavailable), store, Clock::System);
    manager.check().await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    manager.check().await.unwrap_err();
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    manager.check().await.unwrap();
    server.process().kill();
    manager.check().await.unwrap_err();
}
