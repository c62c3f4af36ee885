//! Automatic pruning.

use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::Client;

use super::{entry, eventually, open, options, raw, stored, unique};
use crate::store::Store as _;

async fn expired(raw: &Client, table: &str, rows: i32) {
    let sql = format!(
        r#"INSERT INTO "{table}" SELECT 'old-' || n || random(), '{{}}', now() - interval '1 h'
           FROM generate_series(1, $1) AS n"#
    );
    raw.execute(&sql, &[&rows]).await.unwrap();
}

async fn rows(raw: &Client, table: &str) -> i64 {
    let sql = format!(r#"SELECT count(*) FROM "{table}""#);
    raw.query_one(&sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn many_expired_rows_are_pruned_in_one_call() {
    let table = unique("many");
    let (store, raw) = (open(options(&table).without_pruning()).await, raw().await);
    stored(&store, "").await;
    expired(&raw, &table, 2500).await;
    assert_eq!(store.prune().await.unwrap(), 2500);
    assert_eq!(rows(&raw, &table).await, 1);
}

#[tokio::test]
async fn locked_rows_are_left_for_the_next_pruning() {
    let table = unique("held");
    let (store, mut other) = (open(options(&table)).await, raw().await);
    let watching = raw().await;
    expired(&watching, &table, 3).await;
    let holding = other.transaction().await.unwrap();
    let lock = format!(r#"SELECT FROM "{table}" LIMIT 1 FOR UPDATE"#);
    holding.query(&lock, &[]).await.unwrap();
    assert_eq!(store.prune().await.unwrap(), 2);
    holding.commit().await.unwrap();
    assert_eq!(store.prune().await.unwrap(), 1);
}

#[tokio::test]
async fn expired_rows_are_pruned_until_the_store_is_dropped() {
    let table = unique("alone");
    let raw = raw().await;
    let store = open(options(&table).prune_every(Duration::from_millis(20))).await;
    expired(&raw, &table, 5).await;
    eventually("they go", async || rows(&raw, &table).await == 0).await;
    // An error does not end it.
    let away = format!(r#"ALTER TABLE "{table}" RENAME TO "{table}_away""#);
    raw.batch_execute(&away).await.unwrap();
    sleep(Duration::from_millis(200)).await;
    let back = format!(r#"ALTER TABLE "{table}_away" RENAME TO "{table}""#);
    raw.batch_execute(&back).await.unwrap();
    expired(&raw, &table, 5).await;
    eventually("they go again", async || rows(&raw, &table).await == 0).await;
    // One process at a time.
    let lock = format!(r#"hashtextextended('cloakroom prune "{table}"', 0)"#);
    raw.batch_execute(&format!("SELECT pg_advisory_lock({lock})"))
        .await
        .unwrap();
    expired(&raw, &table, 5).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(rows(&raw, &table).await, 5);
    raw.batch_execute(&format!("SELECT pg_advisory_unlock({lock})"))
        .await
        .unwrap();
    eventually("it is its turn", async || rows(&raw, &table).await == 0).await;
    drop(store);
    sleep(Duration::from_millis(100)).await;
    expired(&raw, &table, 5).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(rows(&raw, &table).await, 5);
}

#[tokio::test]
async fn only_a_touch_may_be_lost_in_a_crash() {
    let table = unique("lazily");
    let (store, mut raw) = (open(options(&table)).await, raw().await);
    let id = stored(&store, "").await;
    let record = entry("");
    assert!(store.touch(&id, &record.text, &record).await.unwrap());
    let transaction = raw.transaction().await.unwrap();
    let show = "SHOW synchronous_commit";
    let (sid, now) = (id.expose(), store.0.now());
    let rows = transaction
        .query(&store.0.sql.destroy, &[&"absent", &now])
        .await;
    assert!(rows.unwrap().is_empty());
    let before = transaction.query_one(show, &[]).await.unwrap();
    assert_eq!(before.get::<_, &str>(0), "on");
    let touched = transaction
        .query(&store.0.sql.touch, &[&sid, &now, &(now + 60_000)])
        .await;
    assert_eq!(touched.unwrap().len(), 1);
    let during = transaction.query_one(show, &[]).await.unwrap();
    assert_eq!(during.get::<_, &str>(0), "off");
    transaction.commit().await.unwrap();
    let after = raw.query_one(show, &[]).await.unwrap();
    assert_eq!(after.get::<_, &str>(0), "on");
}
