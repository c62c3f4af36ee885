//! Rows and documents that another client has locked: only writers of the same ones wait.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use cloakroom::{Manager, Policy, Session, SessionError, SessionLayer};
use futures_util::future::{join, join_all};
use testbed::{PgBouncer, PoolMode, Postgres};

use crate::faults::saw;
use crate::support::servers::connect;
use crate::support::{Client, keys};

const LOCKED: usize = 12;
const OTHERS: usize = 20;
/// The policy's own time-out of the store.
const DEFAULT: Duration = Duration::from_secs(2);
/// Requests of all others.
const REQUESTS: usize = 2000;

/// The requests of a signed-in visitor each change the session.
async fn app(url: &str, store_timeout: Duration) -> Router {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    async fn write(session: Session) -> Result<String, SessionError> {
        session.insert("number", NUMBER.fetch_add(1, Ordering::SeqCst))?;
        Ok(session.get("userId")?.unwrap_or_else(|| "nobody".into()))
    }
    async fn held(session: Session) -> Result<(), SessionError> {
        session.insert("userId", "held")
    }
    async fn free(session: Session) -> Result<(), SessionError> {
        session.insert("userId", "free")
    }
    let policy = Policy::builder(keys())
        .secure(cloakroom::Secure::Never)
        .store_timeout(store_timeout);
    let store = connect(url).await;
    let manager = Manager::with_clock(policy.build().unwrap(), store, cloakroom::Clock::System);
    Router::new()
        .route("/held", get(held))
        .route("/free", get(free))
        .route("/write", get(write))
        .layer(SessionLayer::new(manager))
}

async fn visitors(router: &Router, path: &str, count: usize) -> Vec<Client> {
    let mut visitors = Vec::new();
    for _ in 0..count {
        let mut client = Client::new(router.clone());
        assert_eq!(client.get(path).await.status, StatusCode::OK);
        visitors.push(client);
    }
    visitors
}

/// A transaction that holds the rows of those who are held, until it is dropped.
struct Lock(Child);

impl Lock {
    fn take(url: &str) -> Self {
        let mut psql = Command::new("psql")
            .args([url, "-qAt"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lock = "BEGIN;
             SELECT 'locked ' || count(*) FROM (SELECT FROM session WHERE sess ->> 'userId' = 'held' FOR UPDATE) AS s;\n";
        psql.stdin
            .as_mut()
            .unwrap()
            .write_all(lock.as_bytes())
            .unwrap();
        let said = BufReader::new(psql.stdout.take().unwrap()).lines().next();
        assert_eq!(said.unwrap().unwrap(), format!("locked {LOCKED}"));
        Self(psql)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn other_sessions_are_served<L>(
    how: &str,
    url: &str,
    store_timeout: Duration,
    lock: impl AsyncFnOnce() -> L,
) {
    let router = app(url, store_timeout).await;
    let held = visitors(&router, "/held", LOCKED).await;
    let free = visitors(&router, "/free", OTHERS).await;
    let lock = lock().await;
    let over = Arc::new(AtomicBool::new(false));
    // Each of the held has two tabs that try again and again.
    let tabs = held.iter().chain(&held).map(async |visitor| {
        let (mut visitor, mut refused) = (visitor.clone(), 0);
        while !over.load(Ordering::SeqCst) {
            let status = visitor.get("/write").await.status;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            refused += 1;
        }
        refused
    });
    let asking = free.iter().map(async |visitor| {
        let (mut visitor, mut failed) = (visitor.clone(), 0);
        for _ in 0..REQUESTS / OTHERS {
            let answer = visitor.get("/write").await;
            failed += usize::from(answer.status != StatusCode::OK || answer.body != "free");
        }
        failed
    });
    let others = async {
        let failed: Vec<usize> = join_all(asking).await;
        over.store(true, Ordering::SeqCst);
        failed.into_iter().sum::<usize>()
    };
    let (refused, failed) = join(join_all(tabs), others).await;
    saw(
        "R8",
        &format!("{how}: {LOCKED} sessions locked, {OTHERS} others, {REQUESTS} requests of theirs"),
        &format!("{failed} failed"),
    );
    assert_eq!(failed, 0, "of {REQUESTS} requests of others failed");
    assert!(refused.iter().all(|refused| *refused > 0), "{refused:?}");
    drop(lock);
    for mut visitor in held {
        let answer = visitor.get("/write").await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "held"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r8_twelve_locked_rows_delay_no_other_session() {
    let url = Postgres::shared().create_database("locked");
    let lock = async || Lock::take(&url);
    other_sessions_are_served("PostgreSQL, direct", &url, DEFAULT, lock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r8_twelve_locked_rows_behind_a_pooler_delay_no_other_session() {
    let server = Postgres::shared();
    let direct = server.create_database("locked_behind");
    let pooler = PgBouncer::start(server, PoolMode::Transaction, 10);
    let url = pooler.url("locked_behind");
    let lock = async || Lock::take(&direct);
    let how = "PostgreSQL, behind `PgBouncer`";
    other_sessions_are_served(how, &url, DEFAULT, lock).await;
}

/// A transaction that has written to the sessions of those who are held.
async fn locked_documents(url: &str) -> mongodb::ClientSession {
    let client = mongodb::Client::with_uri_str(url).await.unwrap();
    let sessions = client
        .default_database()
        .unwrap()
        .collection::<mongodb::bson::Document>("sessions");
    let mut transaction = client.start_session().await.unwrap();
    transaction.start_transaction().await.unwrap();
    let held = mongodb::bson::doc! { "session": { "$regex": "\"held\"" } };
    let touch = mongodb::bson::doc! { "$set": { "seen": 1 } };
    let locked = sessions.update_many(held, touch).session(&mut transaction);
    assert_eq!(locked.await.unwrap().matched_count, LOCKED as u64);
    transaction
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r8_twelve_documents_in_a_transaction_delay_no_other_session() {
    // A server of its own: operations that wait for a document keep it busy.
    let server = testbed::Mongo::start();
    let url = server.unbounded_url("locked");
    let lock = async || locked_documents(&url).await;
    // It is slower than a real one, on a busy machine by seconds.
    let patience = 4 * DEFAULT;
    other_sessions_are_served("MongoDB-compatible server", &url, patience, lock).await;
}
