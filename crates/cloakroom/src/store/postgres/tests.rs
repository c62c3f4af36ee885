mod completion;
mod lost_lines;
mod mixed;
mod node;
mod pool;
mod pooler;
mod pruning;
mod races;
mod read_pool;
mod retired;
mod schema;
mod tls;
mod transfer;
mod users;

use std::error::Error as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use testbed::Postgres;
use tokio_postgres::{Client, NoTls};

use super::{PostgresOptions, PostgresStore, UserKeys};
use crate::clock::{ManualClock, Timestamp};
use crate::id::SessionId;
use crate::store::conformance::{self, Subject};
use crate::store::{NewRecord, Store as _, StoreError};

/// Returns a table's name that no other test uses.
fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{what}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns options for a loaded machine.
fn options(table: &str) -> PostgresOptions {
    PostgresOptions::new()
        .table(table)
        .connect_timeout(Duration::from_secs(20))
}

async fn open(options: PostgresOptions) -> PostgresStore {
    PostgresStore::connect_options(&Postgres::shared().url(), options)
        .await
        .map_err(|error| reason(&error))
        .unwrap()
}

/// Opens a plain connection, without the store.
async fn raw_to(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn raw() -> Client {
    raw_to(&Postgres::shared().url()).await
}

/// Creates a table whose records are `jsonb`.
async fn jsonb_table() -> String {
    let table = unique("jsonb");
    let create = format!(
        "CREATE TABLE {table} (sid varchar PRIMARY KEY, sess jsonb NOT NULL, expire timestamp(6) NOT NULL)"
    );
    raw().await.batch_execute(&create).await.unwrap();
    table
}

/// Returns an instant as connect-pg-simple writes it.
fn whole_seconds(instant: Timestamp) -> f64 {
    let seconds = (instant.as_millis() + 999) / 1000;
    f64::from(i32::try_from(seconds).unwrap())
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

fn entry(data: &str) -> NewRecord {
    NewRecord {
        text: format!(r#"{{"cookie":{{}}{data}}}"#).into(),
        expires: now().after(Duration::from_mins(10)),
        users: Vec::new(),
    }
}

async fn stored(store: &PostgresStore, data: &str) -> SessionId {
    let id = SessionId::random();
    store.create(&id, &entry(data)).await.unwrap();
    id
}

/// Returns the text of an error with its cause.
fn reason(error: &StoreError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

/// Waits until a condition holds.
async fn eventually(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !so().await {
        assert!(start.elapsed() < Duration::from_mins(2), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until a statement on `table` waits for a lock.
async fn until_blocked(raw: &Client, table: &str) {
    let blocked = format!(
        "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%{table}%'"
    );
    eventually("a statement waits", async || {
        !raw.query(&blocked, &[]).await.unwrap().is_empty()
    })
    .await;
}

async fn subject(options: PostgresOptions) -> Subject {
    let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
    let store = open(options.clock(clock.clone())).await;
    Subject::with_clock(store, clock).counting_in_seconds()
}

mod json {
    use super::*;
    conformance::suite!(subject(options(&unique("json"))).await);
}

mod release_18 {
    use super::*;

    async fn newer() -> Subject {
        let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
        let url = Postgres::shared_18().url();
        let options = options(&unique("newer")).mixed_fleet(true);
        let store = PostgresStore::connect_options(&url, options.clock(clock.clone())).await;
        Subject::with_clock(store.unwrap(), clock).counting_in_seconds()
    }
    conformance::suite!(newer().await);
}

mod json_in_a_mixed_fleet {
    use super::*;
    conformance::suite!(subject(options(&unique("mixed")).mixed_fleet(true)).await);
}

mod json_without_the_index {
    use super::*;

    async fn plain() -> Subject {
        // In a schema of its own, because the function is shared by all tables of a schema.
        let schema = unique("plain");
        let options = options("session").schema(&schema);
        let all = PostgresStore::ddl(&options, &UserKeys::default());
        let create = format!("CREATE SCHEMA {schema}; {}", all[0].sql);
        raw().await.batch_execute(&create).await.unwrap();
        subject(options).await
    }
    conformance::suite!(plain().await);
}

mod jsonb {
    use super::*;
    conformance::suite!(subject(options(&jsonb_table().await)).await.rewriting());
}

mod jsonb_with_the_index_in_a_mixed_fleet {
    use super::*;

    async fn indexed() -> Subject {
        let table = jsonb_table().await;
        let options = options(&table).mixed_fleet(true);
        for ddl in PostgresStore::ddl(&options, &UserKeys::default()) {
            raw().await.batch_execute(&ddl.sql).await.unwrap();
        }
        subject(options).await.rewriting()
    }
    conformance::suite!(indexed().await);
}
