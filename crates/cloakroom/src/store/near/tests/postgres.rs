//! In front of PostgreSQL with notifications: changes by other clients are seen, however they are made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use testbed::{Postgres, Proxy};
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use super::super::{NearOptions, NearStats, NearStore};
use super::fake::entry;
use crate::id::SessionId;
use crate::store::Store;
use crate::store::postgres::{PostgresOptions, PostgresStore};

/// A bound that no test reaches by chance: a change that is seen sooner was reported.
const LONG: Duration = Duration::from_mins(5);
/// Bound on the delay of a notification on a busy machine: a change that is seen within it was reported.
const SOON: Duration = Duration::from_mins(1);

struct Site {
    near: NearStore,
    raw: Client,
    table: String,
}

fn options(table: &str) -> PostgresOptions {
    PostgresOptions::new()
        .table(table)
        .connect_timeout(Duration::from_secs(20))
}

fn table() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("told_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn open(url: &str, options: PostgresOptions) -> PostgresStore {
    PostgresStore::connect_options(url, options).await.unwrap()
}

fn before(store: PostgresStore, staleness: Duration) -> NearStore {
    let options = NearOptions::default().staleness(staleness);
    NearStore::with(Arc::new(store), &options)
}

impl Site {
    async fn new(staleness: Duration) -> Self {
        Self::at(&Postgres::shared().url(), staleness).await
    }

    /// Connects the cache to `url`, which may be a proxy's.
    async fn at(url: &str, staleness: Duration) -> Self {
        let table = table();
        let direct = Postgres::shared().url();
        open(&direct, options(&table).notify_changes(true)).await;
        let (raw, connection) = tokio_postgres::connect(&direct, NoTls).await.unwrap();
        tokio::spawn(connection);
        Self {
            near: before(open(url, options(&table)).await, staleness),
            raw,
            table,
        }
    }

    /// Returns a session in the cache, whose subscription is alive.
    async fn held(&self) -> SessionId {
        let id = SessionId::random();
        self.near.create(&id, &entry(1)).await.unwrap();
        self.is_held(&id).await;
        id
    }

    async fn is_held(&self, id: &SessionId) {
        let begin = Instant::now();
        loop {
            let linked = self.near.stats().staleness.is_some();
            let hits = self.near.stats().hits;
            let _ = self.near.get(id).await;
            if linked && self.near.stats().hits > hits {
                return;
            }
            assert!(begin.elapsed() < LONG, "no subscription");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns the number of reads of the store that one read of a session costs.
    async fn misses(&self, id: &SessionId) -> u64 {
        let NearStats { misses, .. } = self.near.stats();
        self.near.get(id).await.unwrap();
        self.near.stats().misses - misses
    }

    async fn run(&self, sql: &str) {
        let sql = sql.replace("TABLE_", &format!("\"{}\"", self.table));
        self.raw.batch_execute(&sql).await.unwrap();
    }

    /// Waits until the cache returns something else than it holds, for a minute at most.
    async fn changes(&self, id: &SessionId, what: &str) {
        let (begin, held) = (Instant::now(), entry(1).text);
        loop {
            let read = self.near.get(id).await.unwrap();
            if read.is_none_or(|read| *read.text != *held) {
                return;
            }
            assert!(begin.elapsed() < SOON, "{what}: not reported");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_a_row_invalidates_its_copy() {
    let site = Site::new(LONG).await;
    let table = [
        "DELETE FROM TABLE_ WHERE sid = 'SID'",
        "UPDATE TABLE_ SET sess = '{\"cookie\":{},\"n\":2}' WHERE sid = 'SID'",
        "UPDATE TABLE_ SET sid = 'other' || sid WHERE sid = 'SID'",
        "UPDATE TABLE_ SET expire = now() - interval '1 day' WHERE sid = 'SID'",
        "TRUNCATE TABLE_",
        "BEGIN; DELETE FROM TABLE_; COMMIT",
    ];
    for sql in table {
        let id = site.held().await;
        site.run(&sql.replace("SID", id.expose())).await;
        site.changes(&id, sql).await;
    }
}

/// A touch is by far the most frequent write, and changes no record. The control is another session of the
/// same cache: if that is read again as well, the subscription was given up, and the machine is too busy to
/// tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn touch_by_another_process_invalidates_nothing() {
    let site = Site::new(LONG).await;
    for _ in 0..20 {
        let (touched, control) = (site.held().await, site.held().await);
        site.is_held(&touched).await;
        let sql = "UPDATE TABLE_ SET expire = expire + interval '1 hour' WHERE sid = 'SID'";
        site.run(&sql.replace("SID", touched.expose())).await;
        sleep(Duration::from_millis(500)).await;
        if site.misses(&control).await == 0 {
            assert_eq!(site.misses(&touched).await, 0);
            return;
        }
    }
    panic!("the subscription is given up again and again");
}

/// A listener that is gone, triggers that do not fire any more: no copy is trusted without them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscription_without_notifications_is_given_up() {
    let table = [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%cloakroom_notify%' AND pid <> pg_backend_pid()",
        "ALTER TABLE TABLE_ DISABLE TRIGGER cloakroom_notify",
        "DROP TRIGGER cloakroom_notify_truncate ON TABLE_",
    ];
    for sql in table {
        let bound = Duration::from_secs(1);
        let site = Site::new(bound).await;
        let id = site.held().await;
        site.run(sql).await;
        site.run("ALTER TABLE TABLE_ DISABLE TRIGGER USER; DELETE FROM TABLE_")
            .await;
        let ended = Instant::now();
        loop {
            let asked = Instant::now();
            if site.near.get(&id).await.unwrap().is_none() {
                break;
            }
            let late = asked.saturating_duration_since(ended);
            assert!(late <= bound, "{sql}: {late:?}");
            sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_subscription_is_not_trusted_past_the_bound() {
    let server = Postgres::shared();
    let proxy = Proxy::to(server.port());
    let (from, to) = (format!(":{}", server.port()), format!(":{}", proxy.port()));
    let url = server.url().replace(&from, &to);
    let bound = Duration::from_secs(1);
    let site = Site::at(&url, bound).await;
    let id = site.held().await;
    proxy.lose_answers(true);
    site.run(&format!("DELETE FROM TABLE_ WHERE sid = '{}'", id.expose()))
        .await;
    let ended = Instant::now();
    let mut last = Duration::ZERO;
    while ended.elapsed() < Duration::from_secs(2) {
        let asked = ended.elapsed();
        let read = tokio::time::timeout(Duration::from_millis(50), site.near.get(&id)).await;
        if matches!(read, Ok(Ok(Some(_)))) {
            last = asked;
        }
        sleep(Duration::from_millis(2)).await;
    }
    eprintln!("PostgreSQL, frozen: accepted for {last:?}");
    assert!(last <= bound, "{last:?}");
}

/// Without the triggers no change is reported, and a copy is good for the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_triggers_a_copy_is_good_for_the_bound() {
    let table = table();
    let url = Postgres::shared().url();
    let bound = Duration::from_millis(500);
    let near = before(open(&url, options(&table)).await, bound);
    let writer = open(&url, options(&table)).await;
    let id = SessionId::random();
    writer.create(&id, &entry(1)).await.unwrap();
    for _ in 0..2 {
        near.get(&id).await.unwrap();
    }
    assert_eq!(near.stats().hits, 1);
    assert_eq!(near.stats().staleness, None);
    writer.destroy(&id).await.unwrap();
    let ended = Instant::now();
    loop {
        let asked = Instant::now();
        if near.get(&id).await.unwrap().is_none() {
            break;
        }
        let late = asked.saturating_duration_since(ended);
        assert!(late <= bound, "{late:?}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// Checks that a store whose triggers are missing, and may not be created, is refused where they were
/// requested.
#[tokio::test]
async fn missing_triggers_are_named_in_the_error() {
    let (table, url) = (table(), Postgres::shared().url());
    open(&url, options(&table)).await;
    let asked = options(&table).notify_changes(true).create_table(false);
    let error = PostgresStore::connect_options(&url, asked)
        .await
        .unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.contains("cloakroom_notify"), "{reason}");
}
