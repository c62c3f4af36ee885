//! Stores that notify of ended sessions: fewer polls, earlier notification, and no guarantee that
//! depends on it.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::store::postgres::{PostgresOptions, PostgresStore};
use cloakroom::store::{AnyStore, NewRecord, Store, StoreOptions};
use cloakroom::watch::{EndReason, Ended};
use cloakroom::{SessionId, Timestamp};
use testbed::{Postgres, Proxy, Redis, RedisOptions, Sentinels};
use tokio::time::sleep;

use super::{BEGUN, Node, lives, told, user};
use crate::support::servers::connect;

/// A store that hands on what it is asked.
async fn any(url: &str) -> Arc<dyn Store> {
    Arc::new(AnyStore::connect(url).await.expect("the server is up"))
}

/// Watches a session of a store with a subscription, and fails where it is polled all the same.
async fn watched(store: Arc<dyn Store>) -> (Node, FaultInjectingStore, Ended, SessionId) {
    let counted = FaultInjectingStore::new(store);
    let here = Node::on(Arc::new(counted.clone()), |policy| policy);
    let cookie = here.sign_in(&user()).await;
    let session = here.open(&cookie).await;
    let mut ended = session.ended();
    lives("before", &mut ended, 2 * BEGUN).await;
    (here, counted, ended, session.id())
}

async fn is_told_without_questions(
    store: Arc<dyn Store>,
    end: impl FnOnce(SessionId) + Send + 'static,
) {
    let (_here, counted, mut ended, id) = watched(store).await;
    // A machine that is busy for half a second leaves the subscription unproven, and then the store is polled:
    // in some interval it is not. Without a subscription it is polled four times in each.
    let mut polls = Vec::new();
    while polls.last().is_none_or(|polls| *polls > 1) {
        assert!(
            polls.len() < 20,
            "asked {polls:?} times although hints come"
        );
        counted.take_calls();
        lives("quiet", &mut ended, 3 * BEGUN).await;
        polls.push(counted.take_calls().len());
    }
    tokio::task::spawn_blocking(move || end(id)).await.unwrap();
    assert_eq!(
        told("by a hint", ended, Instant::now()).await,
        EndReason::Ended
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_notifies_of_deletes_by_any_client() {
    let redis = Redis::start();
    let (store, port) = (any(&redis.url()).await, redis.port());
    let delete = move |id: SessionId| {
        redis_command(port, &["DEL", &format!("sess:{}", id.expose())]);
    };
    is_told_without_questions(store, delete).await;
}

/// Sends a command on a connection that stays open: one closed at once may be closed before it was read.
fn redis_command(port: u16, words: &[&str]) -> String {
    let said = Command::new("redis-cli")
        .args(["-p", &port.to_string()])
        .args(words)
        .output()
        .expect("it comes with the server");
    String::from_utf8_lossy(&said.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn valkey_notifies_of_a_flush() {
    let valkey = Redis::with(RedisOptions {
        program: testbed::RedisProgram::Valkey9,
        ..RedisOptions::default()
    });
    let (store, port) = (connect(&valkey.url()).await, valkey.port());
    is_told_without_questions(store, move |_| {
        drop(redis_command(port, &["FLUSHALL"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_notifies_of_a_flush() {
    let redis = Redis::start();
    let (store, port) = (connect(&redis.url()).await, redis.port());
    is_told_without_questions(store, move |_| {
        drop(redis_command(port, &["FLUSHDB", "ASYNC"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_behind_sentinels_notifies_too() {
    let mut sentinels = tokio::task::spawn_blocking(Sentinels::start).await.unwrap();
    let (store, port) = (
        connect(&sentinels.url()).await,
        sentinels.servers()[0].port(),
    );
    is_told_without_questions(store, move |_| {
        drop(redis_command(port, &["FLUSHALL"]));
    })
    .await;
}

/// A save causes a notification as an end does, and ends no watch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_ends_no_watch() {
    let redis = Redis::start();
    let (here, there) = Node::pair(&redis.url()).await;
    let cookie = here.sign_in(&user()).await;
    let mut ended = here.open(&cookie).await.ended();
    for n in 0..50 {
        let session = there.open(&cookie).await;
        session.insert("n", n).unwrap();
        there.close(&session).await;
        lives("written", &mut ended, Duration::from_millis(20)).await;
    }
    there.open(&cookie).await.logout().await.unwrap();
    assert_eq!(
        told("after 50 saves", ended, Instant::now()).await,
        EndReason::Ended
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_subscription_reconnects_and_misses_no_end() {
    let redis = Redis::start();
    let port = redis.port();
    for kill in [
        &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"][..],
        &[],
    ] {
        let (_here, _, ended, id) = watched(connect(&redis.url()).await).await;
        if kill.is_empty() {
            // Only the one that tracks.
            let clients = redis_command(port, &["CLIENT", "LIST"]);
            let tracks = clients.lines().find(|line| line.contains(" flags=t "));
            let tracks = tracks.expect("one tracks").split(' ').next().unwrap();
            let number = tracks.trim_start_matches("id=");
            assert_eq!(
                redis_command(port, &["CLIENT", "KILL", "ID", number]).trim(),
                "1"
            );
        } else {
            redis_command(port, kill);
        }
        redis_command(port, &["DEL", &format!("sess:{}", id.expose())]);
        assert_eq!(
            told("a killed link", ended, Instant::now()).await,
            EndReason::Ended
        );
        // The next one finds it made again.
        let (_here, _, next, id) = watched(connect(&redis.url()).await).await;
        redis_command(port, &["DEL", &format!("sess:{}", id.expose())]);
        assert_eq!(
            told("the next", next, Instant::now()).await,
            EndReason::Ended
        );
    }
}

fn postgres_command(url: &str, sql: &str) {
    let done = Command::new("psql").args([url, "-qc", sql]).output();
    let done = done.expect("it comes with the server");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_with_triggers_notifies_of_ends_by_any_client() {
    let url = Postgres::shared().create_database("hints");
    let ends = [
        "DELETE FROM session WHERE sid = '{}'",
        "UPDATE session SET expire = now() - interval '1 hour' WHERE sid = '{}'",
        "UPDATE session SET sid = 'moved ' || sid WHERE sid = '{}'",
    ];
    for sql in ends {
        let options = PostgresOptions::new().notify_ends(true);
        let store = PostgresStore::connect_options(&url, options).await.unwrap();
        let url = url.clone();
        let end = move |id: SessionId| {
            postgres_command(&url, &sql.replace("{}", id.expose()));
        };
        is_told_without_questions(Arc::new(store), end).await;
    }
    // Its connection is ended by the server; the sessions of another process are not affected.
    let options = PostgresOptions::new().notify_ends(true);
    let store = PostgresStore::connect_options(&url, options).await.unwrap();
    let (_here, _, mut ended, id) = watched(Arc::new(store)).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    postgres_command(&url, kill);
    postgres_command(
        &url,
        "INSERT INTO session VALUES ('other', '{}', now()); DELETE FROM session WHERE sid = 'other'",
    );
    lives("another's", &mut ended, Duration::from_millis(50)).await;
    postgres_command(
        &url,
        &format!("DELETE FROM session WHERE sid = '{}'", id.expose()),
    );
    assert_eq!(
        told("a killed listener", ended, Instant::now()).await,
        EndReason::Ended
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_are_polled_in_one_query_twice_a_second() {
    let url = Postgres::shared().create_database("questions");
    let (_, rest) = url.split_once("127.0.0.1:").unwrap();
    let (port, database) = rest.split_once('/').unwrap();
    let proxy = Proxy::to(port.parse().unwrap());
    let proxied = format!("postgres://postgres@127.0.0.1:{}/{database}", proxy.port());
    let here = Node::on(any(&proxied).await, |policy| policy);
    let mut waiting = Vec::new();
    for _ in 0..1000 {
        let cookie = here.sign_in(&user()).await;
        waiting.push(tokio::spawn(here.open(&cookie).await.ended()));
    }
    sleep(BEGUN).await;
    proxy.take_trips();
    let begin = Instant::now();
    sleep(Duration::from_secs(5)).await;
    let (trips, took) = (proxy.take_trips(), begin.elapsed());
    eprintln!("1,000 watched sessions in PostgreSQL: {trips} round trips in {took:?}");
    let most = 2 * took.as_secs() + 1;
    assert!((1..=most).contains(&trips), "{trips} in {took:?}");
    assert!(!waiting.iter().any(tokio::task::JoinHandle::is_finished));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_express_brings_back_does_not_live() {
    let redis = Redis::start();
    let mut options = StoreOptions::default();
    options.mixed_fleet = true;
    let store: Arc<dyn Store> = AnyStore::connect_with(&redis.url(), &options)
        .await
        .unwrap()
        .into();
    let entry = NewRecord {
        text: r#"{"cookie":{"path":"/"}}"#.into(),
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_mins(1)),
        users: Vec::new(),
    };
    let ids = [SessionId::random(), SessionId::random()];
    for id in &ids {
        store.create(id, &entry).await.unwrap();
    }
    store.destroy(&ids[0]).await.unwrap();
    let key = format!("sess:{}", ids[0].expose());
    redis_command(redis.port(), &["SET", &key, &entry.text, "EX", "60"]);
    let living = store.expiries(&ids).await.unwrap();
    assert_eq!((living[0], living[1].is_some()), (None, true));
}
