//! Reads that share a connection: they are batched into one statement, and a failure of one affects no other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use testbed::Postgres;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::super::PostgresStore;
use super::pool::{Wire, through};
use super::{entry, eventually, open, options, raw, reason, stored, unique, until_blocked};
use crate::id::SessionId;
use crate::store::{CasOutcome, Store as _};

/// A bound well below any time-out, and well above the time of a read.
pub(super) const SOON: Duration = Duration::from_millis(1500);

pub(super) fn lines(store: &PostgresStore) -> usize {
    store.0.lines.each().len()
}

/// Stores sessions, each with its own name in its text.
pub(super) async fn many(store: &PostgresStore, count: usize) -> Vec<(SessionId, String)> {
    let each = (0..count).map(async |number| {
        let name = format!(r#","n":{number}"#);
        (stored(store, &name).await, name)
    });
    join_all(each).await
}

pub(super) async fn assert_reads(store: &PostgresStore, (id, name): &(SessionId, String)) {
    let found = store.get(id).await.map_err(|error| reason(&error));
    let text = found.unwrap().unwrap().text;
    assert_eq!(*text, *entry(name).text);
}

pub(super) async fn on_a_wire(connections: usize) -> (PostgresStore, Arc<Wire>) {
    let wire = Arc::new(Wire::default());
    let port = through(Postgres::shared().port(), Arc::clone(&wire)).await;
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let options = options(&unique("lines")).pool_size(connections);
    let store = PostgresStore::connect_options(&url, options).await.unwrap();
    (store, wire)
}

#[tokio::test]
async fn coalesced_reads_share_statements_and_each_gets_its_own_session() {
    let (store, wire) = on_a_wire(10).await;
    let sessions = many(&store, 200).await;
    let (connections, nobody) = (wire.connections.load(Ordering::SeqCst), SessionId::random());
    wire.syncs.store(0, Ordering::SeqCst);
    let reads = sessions.iter().chain(&sessions).map(async |session| {
        assert_reads(&store, session).await;
        assert_eq!(store.get(&nobody).await.unwrap(), None);
    });
    join_all(reads).await;
    let syncs = wire.syncs.load(Ordering::SeqCst);
    assert!(syncs <= 100, "{syncs} statements for 800 reads");
    let opened = wire.connections.load(Ordering::SeqCst) - connections;
    assert!(opened <= 2, "{opened} connections were opened for reads");
}

#[tokio::test]
async fn a_statement_for_several_sessions_is_not_planned_each_time() {
    let store = open(options(&unique("planned"))).await;
    let sessions = many(&store, 10).await;
    for pair in sessions.chunks(2).cycle().take(30) {
        join_all(pair.iter().map(|session| assert_reads(&store, session))).await;
    }
    let line = Arc::clone(&store.0.lines.each()[0]);
    let plans =
        "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE $1";
    let plans = line
        .object()
        .query_one(plans, &[&"%ORDINALITY%"])
        .await
        .unwrap();
    // The server makes custom plans for the first five executions, to compare their cost.
    let (custom, generic): (i64, i64) = (plans.get(0), plans.get(1));
    assert!(custom <= 5 && generic > 10, "{custom} and {generic}");
}

#[tokio::test]
async fn a_modest_load_needs_one_connection() {
    let (store, wire) = on_a_wire(10).await;
    let session = (stored(&store, "").await, String::new());
    let connections = wire.connections.load(Ordering::SeqCst);
    for _ in 0..20 {
        join_all((0..20).map(|_| assert_reads(&store, &session))).await;
    }
    assert_eq!(wire.connections.load(Ordering::SeqCst), connections);
    assert_eq!(lines(&store), 1);
}

#[tokio::test]
async fn shared_connections_take_at_most_half_of_the_pool() {
    for (connections, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (10, 3)] {
        let store = open(options(&unique("half")).pool_size(connections)).await;
        let sessions = many(&store, 300).await;
        eventually("lines are opened as they are needed", async || {
            join_all(sessions.iter().map(|session| assert_reads(&store, session))).await;
            lines(&store) == most
        })
        .await;
        join_all(sessions.iter().map(|session| assert_reads(&store, session))).await;
        assert_eq!(lines(&store), most);
        assert!(store.0.pool.status().size <= connections);
    }
}

async fn locked(id: &SessionId, table: &str) -> Client {
    let client = raw().await;
    let lock = format!(
        "BEGIN; SELECT FROM {table} WHERE sid = '{}' FOR UPDATE",
        id.expose()
    );
    client.batch_execute(&lock).await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn save_waiting_for_a_lock_delays_no_other_call() {
    let table = unique("locked");
    let store = open(options(&table).pool_size(4)).await;
    let others = many(&store, 40).await;
    let id = stored(&store, "").await;
    let (holding, watching) = (locked(&id, &table).await, raw().await);
    let record = entry(r#","a":1"#);
    let (by, waiting, written) = (store.clone(), id.clone(), record.clone());
    let save = tokio::spawn(async move { by.update(&waiting, &entry("").text, &written).await });
    until_blocked(&watching, &table).await;
    let elsewhere = async {
        for _ in 0..10 {
            join_all(others.iter().map(|session| assert_reads(&store, session))).await;
        }
        assert!(store.get(&id).await.unwrap().is_some());
        let saves = others.iter().map(async |(other, name)| {
            let saved = store.update(other, &entry(name).text, &record).await;
            assert_eq!(saved.unwrap(), CasOutcome::Stored);
        });
        join_all(saves).await;
    };
    timeout(SOON, elsewhere).await.unwrap();
    assert!(!save.is_finished());
    holding.batch_execute("COMMIT").await.unwrap();
    assert_eq!(save.await.unwrap().unwrap(), CasOutcome::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn saves_waiting_on_all_other_connections_delay_no_read() {
    let table = unique("locked");
    let store = open(options(&table).pool_size(4)).await;
    let others = many(&store, 40).await;
    let id = stored(&store, "").await;
    let (holding, watching) = (locked(&id, &table).await, raw().await);
    let saves = (0..6).map(|_| {
        let (store, id) = (store.clone(), id.clone());
        tokio::spawn(async move { store.destroy(&id).await })
    });
    let saves: Vec<_> = saves.collect();
    until_blocked(&watching, &table).await;
    let reads = async {
        for _ in 0..10 {
            join_all(others.iter().map(|session| assert_reads(&store, session))).await;
        }
    };
    timeout(SOON, reads).await.unwrap();
    holding.batch_execute("COMMIT").await.unwrap();
    try_join_all(saves).await.unwrap();
}
