//! Connections: the number of round trips, and failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testbed::Postgres;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::super::PostgresStore;
use super::{entry, open, options, raw_to, reason, stored, unique, until_blocked};
use crate::id::SessionId;
use crate::store::{CasOutcome, RetiredId, Store as _, StoreErrorKind};

pub(super) async fn own(server: &Postgres, connections: usize) -> PostgresStore {
    let options = options("session").pool_size(connections);
    PostgresStore::connect_options(&server.url(), options)
        .await
        .map_err(|error| reason(&error))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_recovers_from_a_restart() {
    let mut server = Postgres::start(&[]);
    let store = own(&server, 4).await;
    let id = stored(&store, "").await;
    let gets = (0..8).map(|_| store.get(&id));
    futures_util::future::try_join_all(gets).await.unwrap();
    server.process().kill();
    sleep(Duration::from_millis(300)).await;
    let pace = testbed::pace();
    let error = store.get(&id).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(pace.is_within(Duration::from_secs(2)), "{pace}");
    server.restart();
    // The control: a client that has not seen the old server is served.
    raw_to(&server.url()).await;
    // As many reads fail as there were connections to the old server.
    let mut failed = 0;
    while store.get(&id).await.is_err() {
        failed += 1;
        assert!(failed <= 100, "it does not recover");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(store.destroy(&id).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_server_is_used_again_once_it_thaws() {
    let server = Postgres::start(&[]);
    let store = own(&server, 2).await;
    let id = stored(&store, "").await;
    server.signal("STOP");
    for _ in 0..4 {
        let cut = timeout(Duration::from_millis(50), store.get(&id)).await;
        assert!(cut.is_err());
    }
    server.signal("CONT");
    let pace = testbed::pace();
    let found = timeout(Duration::from_mins(1), store.get(&id)).await;
    assert!(found.unwrap().unwrap().is_some());
    assert!(pace.is_within(Duration::from_secs(2)), "{pace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_never_came_is_unknown() {
    let server = Postgres::start(&[]);
    let store = own(&server, 4).await;
    let id = stored(&store, "").await;
    let (mut other, watching) = (raw_to(&server.url()).await, raw_to(&server.url()).await);
    let holding = other.transaction().await.unwrap();
    holding
        .batch_execute("SELECT FROM session FOR UPDATE")
        .await
        .unwrap();
    let (by, destroyed) = (store.clone(), id.clone());
    let destroying = tokio::spawn(async move { by.destroy(&destroyed).await });
    until_blocked(&watching, "session").await;
    server.signal("KILL");
    let error = destroying.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown, "{}", reason(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_ended_are_no_error() {
    let server = Postgres::start(&[]);
    let store = own(&server, 2).await;
    let id = stored(&store, "").await;
    let raw = raw_to(&server.url()).await;
    for _ in 0..20 {
        raw.batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cloakroom'",
        )
        .await
        .unwrap();
        assert!(store.get(&id).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_writes_is_unavailable() {
    let server = Postgres::start(&[]);
    let store = own(&server, 2).await;
    let id = stored(&store, "").await;
    let raw = raw_to(&server.url()).await;
    raw.batch_execute("ALTER ROLE postgres SET default_transaction_read_only = on")
        .await
        .unwrap();
    let renewed = own_read_only(&server).await;
    let error = renewed.destroy(&id).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(reason(&error).contains("25006"));
    assert!(renewed.get(&id).await.unwrap().is_some());
}

async fn own_read_only(server: &Postgres) -> PostgresStore {
    own(server, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_pool_larger_than_the_servers_limit_uses_what_is_granted() {
    let server = Postgres::start(&["max_connections=8", "superuser_reserved_connections=3"]);
    let stores = [own(&server, 10).await, own(&server, 10).await];
    assert_eq!(stores[0].0.pool.status().max_size, 5);
    let calls = (0..400).map(async |number: usize| {
        let store = &stores[number % 2];
        let (id, record) = (SessionId::random(), entry(""));
        store.create(&id, &record).await?;
        store.touch(&id, &record.text, &record).await?;
        store.destroy(&id).await
    });
    for ended in futures_util::future::join_all(calls).await {
        assert!(ended.map_err(|error| reason(&error)).unwrap());
    }
}

#[tokio::test]
async fn dropped_calls_do_not_use_up_the_pool() {
    let table = unique("aborted");
    let store = open(options(&table).pool_size(1)).await;
    let id = stored(&store, "").await;
    for pause in 0..50 {
        let cut = timeout(Duration::from_micros(pause * 20), store.get(&id)).await;
        drop(cut);
    }
    assert!(store.get(&id).await.unwrap().is_some());
    assert_eq!(store.0.pool.status().size, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_connection_is_given_up() {
    let wire = Arc::new(Wire::default());
    let port = through(Postgres::shared().port(), Arc::clone(&wire)).await;
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let options = options(&unique("nowhere")).pool_size(1);
    let store = PostgresStore::connect_options(&url, options).await.unwrap();
    let id = stored(&store, "").await;
    let connections = wire.connections.load(Ordering::SeqCst);
    wire.cut.store(connections, Ordering::SeqCst);
    let start = Instant::now();
    while timeout(Duration::from_millis(200), store.get(&id))
        .await
        .is_err()
    {
        assert!(start.elapsed() < Duration::from_mins(2));
    }
    assert!(store.get(&id).await.unwrap().is_some());
}

/// The traffic between a client and the server.
#[derive(Default)]
pub(super) struct Wire {
    /// Number of round trips of a client: each `Sync` asks for a reply.
    pub(super) syncs: AtomicUsize,
    pub(super) connections: AtomicUsize,
    /// Number of connections, the first ones, whose data to the server is lost.
    pub(super) cut: AtomicUsize,
}

pub(super) async fn through(port: u16, wire: Arc<Wire>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let wire = Arc::clone(&wire);
            let number = wire.connections.fetch_add(1, Ordering::SeqCst);
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move {
                let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
            });
            tokio::spawn(async move {
                let mut starting = true;
                loop {
                    let mut head = [0; 5];
                    let head = if starting {
                        &mut head[1..]
                    } else {
                        &mut head[..]
                    };
                    if from_client.read_exact(head).await.is_err() {
                        return;
                    }
                    let length = u32::from_be_bytes(head[head.len() - 4..].try_into().unwrap());
                    let mut body = vec![0; length as usize - 4];
                    from_client.read_exact(&mut body).await.unwrap();
                    if !starting && head[0] == b'S' {
                        wire.syncs.fetch_add(1, Ordering::SeqCst);
                    }
                    starting = false;
                    if number < wire.cut.load(Ordering::SeqCst) {
                        continue;
                    }
                    to_server.write_all(head).await.unwrap();
                    to_server.write_all(&body).await.unwrap();
                }
            });
        }
    });
    own
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_is_one_round_trip() {
    let wire = Arc::new(Wire::default());
    let port = through(Postgres::shared().port(), Arc::clone(&wire)).await;
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let options = options(&unique("trips")).pool_size(1).mixed_fleet(true);
    let store = PostgresStore::connect_options(&url, options).await.unwrap();
    assert!(!store.0.pooler.is_there(), "a proxy was taken for a pooler");
    let record = entry(r#","userId":"ada""#);
    let mut trips = Vec::new();
    // The first round prepares the statements.
    for _ in 0..2 {
        trips.clear();
        let mut step = |name| trips.push((name, wire.syncs.swap(0, Ordering::SeqCst)));
        step("before");
        let (id, new) = (SessionId::random(), SessionId::random());
        store.create(&id, &record).await.unwrap();
        step("create");
        store.get(&id).await.unwrap().unwrap();
        step("get");
        let saved = store.update(&id, &record.text, &record).await.unwrap();
        assert_eq!(saved, CasOutcome::Stored);
        step("update");
        assert!(store.touch(&id, &record.text, &record).await.unwrap());
        step("touch");
        let saved = store
            .replace(&id, Some(&record.text), &new, &record, &RetiredId::Closed)
            .await;
        assert_eq!(saved.unwrap(), CasOutcome::Stored);
        step("replace");
        assert_eq!(store.list_by_user("ada").await.unwrap().len(), 1);
        step("of_user");
        assert_eq!(store.destroy_by_user("ada", None).await.unwrap(), 1);
        step("destroy_by_user");
        assert!(!store.destroy(&new).await.unwrap());
        step("destroy");
    }
    for (name, count) in &trips[1..] {
        assert_eq!(*count, 1, "{name}: {trips:?}");
    }
}

#[test]
fn the_driver_cannot_log_what_it_sends() {
    use super::super::session::params::Text;
    let printed = format!("{:?} {:?}", Text("hunter2"), vec![Some(Text("hunter2"))]);
    assert!(!printed.contains("hunter2"), "{printed}");
}
