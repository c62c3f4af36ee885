//! Reads that share a connection: they meet in one statement, and what befalls one befalls no other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{join_all, try_join_all};
use testbed::Postgres;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

use super::super::PostgresStore;
use super::pool::{Wire, own, through};
use super::{entry, eventually, open, options, raw, raw_to, reason, stored, unique, until_blocked};
use crate::id::SessionId;
use crate::store::{Store as _, StoreErrorKind, Written};

/// Much less than any time-out, much more than a read takes.
const SOON: Duration = Duration::from_millis(1500);

fn lines(store: &PostgresStore) -> usize {
    store.0.lines.each().len()
}

/// Sessions that each say who they are.
async fn many(store: &PostgresStore, count: usize) -> Vec<(SessionId, String)> {
    let each = (0..count).map(async |number| {
        let name = format!(r#","n":{number}"#);
        (stored(store, &name).await, name)
    });
    join_all(each).await
}

async fn assert_reads(store: &PostgresStore, (id, name): &(SessionId, String)) {
    let found = store.get(id).await.map_err(|error| reason(&error));
    let text = found.unwrap().unwrap().text;
    assert_eq!(*text, *entry(name).text);
}

async fn on_a_wire(connections: usize) -> (PostgresStore, Arc<Wire>) {
    let wire = Arc::new(Wire::default());
    let port = through(Postgres::shared().port(), Arc::clone(&wire)).await;
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let options = options(&unique("lines")).pool_size(connections);
    let store = PostgresStore::connect_options(&url, options).await.unwrap();
    (store, wire)
}

#[tokio::test]
async fn reads_that_meet_share_statements_and_each_gets_its_own_session() {
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
    // The server plans the first five, to see whether that pays.
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
async fn lines_leave_half_of_the_pool_to_others() {
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
async fn a_save_that_waits_for_a_lock_holds_up_nobody_else() {
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
            assert_eq!(saved.unwrap(), Written::Saved);
        });
        join_all(saves).await;
    };
    timeout(SOON, elsewhere).await.unwrap();
    assert!(!save.is_finished());
    holding.batch_execute("COMMIT").await.unwrap();
    assert_eq!(save.await.unwrap().unwrap(), Written::Saved);
}

#[tokio::test(flavor = "multi_thread")]
async fn saves_that_wait_in_all_other_connections_hold_up_no_read() {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_leads_nowhere_holds_up_no_second_read_and_is_replaced() {
    let (store, wire) = on_a_wire(4).await;
    let session = (stored(&store, "").await, String::new());
    assert_reads(&store, &session).await;
    let line = Arc::as_ptr(&store.0.lines.each()[0]) as usize;
    // The line is the connection on which the store was opened.
    wire.cut.store(1, Ordering::SeqCst);
    let cut = timeout(Duration::from_millis(100), store.get(&session.0)).await;
    assert!(cut.is_err(), "the line leads nowhere");
    for _ in 0..20 {
        timeout(SOON, assert_reads(&store, &session)).await.unwrap();
    }
    eventually("the line is replaced", async || {
        assert_reads(&store, &session).await;
        let each = store.0.lines.each();
        !each.is_empty() && each.iter().all(|now| Arc::as_ptr(now) as usize != line)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_slow_is_used_again() {
    let table = unique("slow");
    let store = open(options(&table).pool_size(2)).await;
    let session = (stored(&store, "").await, String::new());
    let line = Arc::clone(&store.0.lines.each()[0]);
    for _ in 0..3 {
        let locking = raw().await;
        let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        locking.batch_execute(&lock).await.unwrap();
        let cut = timeout(Duration::from_millis(50), store.get(&session.0)).await;
        assert!(cut.is_err() && line.load().hangs);
        locking.batch_execute("COMMIT").await.unwrap();
        eventually("the line is used again", async || !line.load().hangs).await;
        assert_reads(&store, &session).await;
        assert!(Arc::ptr_eq(&line, &store.0.lines.each()[0]));
    }
}

#[tokio::test]
async fn a_reader_that_hangs_up_at_once_says_nothing_of_the_line() {
    let store = open(options(&unique("hangup"))).await;
    let id = stored(&store, "").await;
    let line = Arc::clone(&store.0.lines.each()[0]);
    for _ in 0..10 {
        let start = Instant::now();
        assert!(store.get(&id).now_or_never().is_none());
        // A machine may have stood still meanwhile.
        assert!(!line.load().hangs || start.elapsed() > Duration::from_millis(9));
    }
    assert!(store.get(&id).await.unwrap().is_some());
}

#[tokio::test]
async fn readers_that_go_away_take_nobody_with_them() {
    let (store, wire) = on_a_wire(2).await;
    let sessions = many(&store, 30).await;
    let connections = wire.connections.load(Ordering::SeqCst);
    let line = Arc::clone(&store.0.lines.each()[0]);
    for pause in 0..60 {
        let going = sessions
            .iter()
            .map(|(id, _)| timeout(Duration::from_micros(pause * 20), store.get(id)));
        let staying = sessions.iter().map(|session| assert_reads(&store, session));
        tokio::join!(join_all(going), join_all(staying));
    }
    assert!(Arc::ptr_eq(&line, &store.0.lines.each()[0]));
    eventually("the line is used again", async || !line.load().hangs).await;
    assert_eq!(line.load().waiting, 0);
    assert!(wire.connections.load(Ordering::SeqCst) <= connections + 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_fails_nobody_else() {
    let table = unique("odd");
    let url = format!(
        "{}?options=-c%20TimeZone=America/New_York",
        Postgres::shared().url()
    );
    let store = PostgresStore::connect_options(&url, options(&table)).await;
    let store = store.map_err(|error| reason(&error)).unwrap();
    let sessions = many(&store, 30).await;
    let odd = stored(&store, "").await;
    let latest = format!(
        "UPDATE {table} SET expire = '294276-12-31 23:59:59' WHERE sid = '{}'",
        odd.expose()
    );
    raw().await.batch_execute(&latest).await.unwrap();
    for _ in 0..5 {
        let reads = sessions.iter().map(|session| assert_reads(&store, session));
        let (error, _) = tokio::join!(store.get(&odd), join_all(reads));
        let error = error.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(reason(&error).contains("22008"), "{}", reason(&error));
    }
}

#[tokio::test]
async fn a_line_whose_statements_are_lost_is_no_error() {
    let store = open(options(&unique("lost"))).await;
    let sessions = many(&store, 30).await;
    for _ in 0..3 {
        let line = Arc::clone(&store.0.lines.each()[0]);
        line.object().batch_execute("DEALLOCATE ALL").await.unwrap();
        drop(line);
        join_all(sessions.iter().map(|session| assert_reads(&store, session))).await;
        eventually("a line serves again", async || {
            let before = store.0.lines.each();
            assert_reads(&store, &sessions[0]).await;
            let after = store.0.lines.each();
            !before.is_empty() && !after.is_empty() && Arc::ptr_eq(&before[0], &after[0])
        })
        .await;
    }
}

#[tokio::test]
async fn a_connection_that_lost_its_statements_is_a_line_again() {
    let store = open(options(&unique("lost")).pool_size(2)).await;
    let id = stored(&store, "").await;
    // All that the pool has but the line.
    let other = store.0.lease().await.unwrap();
    let line = Arc::clone(&store.0.lines.each()[0]);
    line.object().batch_execute("DEALLOCATE ALL").await.unwrap();
    drop(line);
    let now = store.0.now();
    assert!(store.0.lines.get(&id, now).await.is_none());
    eventually("it is in the pool again", async || {
        store.0.lines.add().await
    })
    .await;
    let found = store.0.lines.get(&id, now).await.unwrap();
    assert!(found.unwrap().is_some());
    other.settle();
}

#[tokio::test]
async fn a_line_that_the_server_ended_while_it_was_idle_is_replaced() {
    let server = Postgres::start(&[]);
    let store = own(&server, 10).await;
    let session = (stored(&store, "").await, String::new());
    let raw = raw_to(&server.url()).await;
    for _ in 0..5 {
        raw.batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cloakroom'",
        )
        .await
        .unwrap();
        eventually("another line is open", async || {
            assert_reads(&store, &session).await;
            let each = store.0.lines.each();
            !each.is_empty() && each.iter().all(|line| !line.object().is_closed())
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_that_takes_writes_no_more_is_left_by_the_lines() {
    let server = Postgres::start(&[]);
    let store = own(&server, 4).await;
    let id = stored(&store, "").await;
    let line = Arc::downgrade(&store.0.lines.each()[0]);
    let raw = raw_to(&server.url()).await;
    raw.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on")
        .await
        .unwrap();
    raw.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    eventually("writes are refused", async || {
        store.touch(&id, &entry("").text, &entry("")).await.is_err()
    })
    .await;
    assert_eq!(line.strong_count(), 0);
    assert!(store.get(&id).await.unwrap().is_some());
}

/// Without threads of its own, a runtime drives nothing once its `block_on` is over.
#[test]
fn a_store_outlives_a_runtime_that_stands_still() {
    let mut still = tokio::runtime::Builder::new_current_thread();
    let still = still.enable_all().build().unwrap();
    let (store, session) = still.block_on(async {
        let store = open(options(&unique("still")).pool_size(4)).await;
        let session = (stored(&store, "").await, String::new());
        assert_reads(&store, &session).await;
        (store, session)
    });
    let line = Arc::clone(&store.0.lines.each()[0]);
    Runtime::new().unwrap().block_on(async {
        let cut = timeout(Duration::from_millis(200), store.get(&session.0)).await;
        assert!(cut.is_err() && line.load().hangs);
        eventually(
            "lines that stand still are left, and another serves",
            async || {
                let read = timeout(Duration::from_millis(200), store.get(&session.0));
                let each = store.0.lines.each();
                read.await.is_ok()
                    && !each.is_empty()
                    && !each.iter().any(|now| Arc::ptr_eq(now, &line))
            },
        )
        .await;
        assert_reads(&store, &session).await;
    });
}

#[test]
fn a_store_outlives_the_runtime_that_it_was_opened_on() {
    let first = Runtime::new().unwrap();
    let (store, session) = first.block_on(async {
        let store = open(options(&unique("runtime"))).await;
        let session = (stored(&store, "").await, String::new());
        assert_reads(&store, &session).await;
        (store, session)
    });
    assert_eq!(lines(&store), 1);
    // Some are under way when it ends.
    let (by, id) = (store.clone(), session.0.clone());
    first.spawn(async move {
        loop {
            join_all((0..50).map(|_| by.get(&id))).await.clear();
        }
    });
    std::thread::sleep(Duration::from_millis(20));
    first.shutdown_background();
    Runtime::new().unwrap().block_on(async {
        let start = Instant::now();
        for _ in 0..10 {
            timeout(SOON, assert_reads(&store, &session)).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
        eventually("there is a line again", async || {
            assert_reads(&store, &session).await;
            lines(&store) > 0
        })
        .await;
        assert!(start.elapsed() < Duration::from_secs(10));
    });
}
