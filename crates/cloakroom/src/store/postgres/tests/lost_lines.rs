//! Shared connections that hang, are closed, lose their statements, or whose readers disconnect.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use testbed::Postgres;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use super::super::PostgresStore;
use super::pool::own;
use super::read_pool::{SOON, assert_reads, lines, many, on_a_wire};
use super::{entry, eventually, open, options, raw, raw_to, reason, stored, unique};
use crate::store::{Store as _, StoreErrorKind};

#[tokio::test(flavor = "multi_thread")]
async fn dead_connection_delays_no_second_read_and_is_replaced() {
    let (store, wire) = on_a_wire(4).await;
    let session = (stored(&store, "").await, String::new());
    assert_reads(&store, &session).await;
    let line = Arc::as_ptr(&store.0.lines.each()[0]) as usize;
    // The shared connection is the one on which the store was opened.
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
async fn slow_connection_is_used_again() {
    let table = unique("slow");
    let store = open(options(&table).pool_size(2)).await;
    let session = (stored(&store, "").await, String::new());
    let line = Arc::clone(&store.0.lines.each()[0]);
    for _ in 0..3 {
        let locking = raw().await;
        let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        locking.batch_execute(&lock).await.unwrap();
        let cut = timeout(Duration::from_millis(50), store.get(&session.0)).await;
        assert!(cut.is_err() && line.load().is_stalled);
        locking.batch_execute("COMMIT").await.unwrap();
        eventually("the line is used again", async || !line.load().is_stalled).await;
        assert_reads(&store, &session).await;
        assert!(Arc::ptr_eq(&line, &store.0.lines.each()[0]));
    }
}

#[tokio::test]
async fn immediate_disconnect_of_a_reader_does_not_stall_the_connection() {
    let store = open(options(&unique("hangup"))).await;
    let id = stored(&store, "").await;
    let line = Arc::clone(&store.0.lines.each()[0]);
    for _ in 0..10 {
        let start = Instant::now();
        assert!(store.get(&id).now_or_never().is_none());
        // The machine may have been suspended meanwhile.
        assert!(!line.load().is_stalled || start.elapsed() > Duration::from_millis(9));
    }
    assert!(store.get(&id).await.unwrap().is_some());
}

#[tokio::test]
async fn dropped_reads_do_not_fail_the_rest_of_their_batch() {
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
    eventually("the line is used again", async || !line.load().is_stalled).await;
    assert_eq!(line.load().waiting, 0);
    assert!(wire.connections.load(Ordering::SeqCst) <= connections + 1);
}

#[tokio::test]
async fn unreadable_row_fails_only_its_own_read() {
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
async fn connection_that_lost_its_statements_causes_no_error() {
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
async fn connection_that_lost_its_statements_is_shared_again() {
    let store = open(options(&unique("lost")).pool_size(2)).await;
    let id = stored(&store, "").await;
    // All connections of the pool but the shared one.
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
async fn connection_closed_while_idle_is_replaced() {
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
async fn shared_connections_leave_a_server_that_became_read_only() {
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

/// Without worker threads, a runtime drives nothing once its `block_on` has returned.
#[test]
fn store_outlives_a_blocked_runtime() {
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
        assert!(cut.is_err() && line.load().is_stalled);
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
        for _ in 0..10 {
            timeout(SOON, assert_reads(&store, &session)).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
        eventually("there is a line again", async || {
            assert_reads(&store, &session).await;
            lines(&store) > 0
        })
        .await;
    });
}
