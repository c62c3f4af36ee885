//! The statements of connect-pg-simple against our rows, and ours against its.

use testbed::Postgres;
use tokio_postgres::Client;

use super::super::PostgresStore;
use super::{entry, now, open, options, raw, raw_to, stored, unique, whole_seconds};
use crate::clock::{ManualClock, Timestamp};
use crate::id::SessionId;
use crate::store::{CasOutcome, RetiredId, Store as _, StoreErrorKind};

/// The statements of connect-pg-simple, with casts where its driver sends text.
struct Node<'a> {
    client: &'a Client,
    table: &'a str,
}

impl Node<'_> {
    async fn get(&self, id: &SessionId, now: f64) -> Option<String> {
        let sql = format!(
            r#"SELECT sess::text FROM "{}" WHERE sid = $1 AND expire >= to_timestamp($2)"#,
            self.table
        );
        let row = self.client.query_opt(&sql, &[&id.expose(), &now]).await;
        row.unwrap().map(|row| row.get(0))
    }

    async fn set(&self, id: &SessionId, sess: &str, expire: f64) -> bool {
        let sql = format!(
            r#"INSERT INTO "{}" (sess, expire, sid) SELECT $1::text::json, to_timestamp($2), $3
               ON CONFLICT (sid) DO UPDATE SET sess=$1::text::json, expire=to_timestamp($2) RETURNING sid"#,
            self.table
        );
        let row = self
            .client
            .query_opt(&sql, &[&sess, &expire, &id.expose()])
            .await;
        row.unwrap().is_some()
    }

    async fn touch(&self, id: &SessionId, expire: f64) {
        let sql = format!(
            r#"UPDATE "{}" SET expire = to_timestamp($1) WHERE sid = $2 RETURNING sid"#,
            self.table
        );
        let rows = self.client.query(&sql, &[&expire, &id.expose()]).await;
        assert_eq!(rows.unwrap().len(), 1);
    }

    async fn destroy(&self, id: &SessionId) {
        let sql = format!(r#"DELETE FROM "{}" WHERE sid = $1"#, self.table);
        self.client.execute(&sql, &[&id.expose()]).await.unwrap();
    }

    async fn prune(&self, now: f64) -> u64 {
        let sql = format!(
            r#"DELETE FROM "{}" WHERE expire < to_timestamp($1)"#,
            self.table
        );
        self.client.execute(&sql, &[&now]).await.unwrap()
    }
}

/// Checks that each side reads the other's rows and expiries.
async fn agree(store: &PostgresStore, node: &Node<'_>) {
    let now = whole_seconds(now());
    // Written here, read by Node.
    let ours = entry(r#","a":1.50,"nul":"\u0000","lone":"\ud800""#);
    let id = SessionId::random();
    store.create(&id, &ours).await.unwrap();
    assert_eq!(node.get(&id, now).await.as_deref(), Some(&*ours.text));
    let read = store.get(&id).await.unwrap().unwrap();
    let late = read.expires.since(ours.expires).as_millis();
    assert!(read.expires >= ours.expires && late < 1000, "{late}");
    assert_eq!(node.prune(now).await, 0);
    // Changed and touched by Node.
    let theirs = r#"{"cookie":{"path":"/"},"b" : 2}"#;
    assert!(node.set(&id, theirs, now + 3600.0).await);
    let read = store.get(&id).await.unwrap().unwrap();
    assert_eq!(&*read.text, theirs);
    assert!(
        whole_seconds(read.expires)
            .total_cmp(&(now + 3600.0))
            .is_eq()
    );
    node.touch(&id, now + 7200.0).await;
    let read = store.get(&id).await.unwrap().unwrap();
    assert!(
        whole_seconds(read.expires)
            .total_cmp(&(now + 7200.0))
            .is_eq()
    );
    let changed = store.update(&id, &ours.text, &ours).await.unwrap();
    assert_eq!(changed, CasOutcome::Conflict(read.clone()));
    assert_eq!(
        store.update(&id, &read.text, &ours).await.unwrap(),
        CasOutcome::Stored
    );
    assert_eq!(node.get(&id, now).await.as_deref(), Some(&*ours.text));
    // Ended by Node.
    node.destroy(&id).await;
    assert_eq!(store.get(&id).await.unwrap(), None);
    let gone = store.update(&id, &ours.text, &ours).await.unwrap();
    assert_eq!(gone, CasOutcome::NotFound);
    // Just expired, and just not yet, on both sides.
    for (expire, live) in [(now - 2.0, false), (now + 10.0, true)] {
        let id = SessionId::random();
        node.set(&id, theirs, expire).await;
        assert_eq!(store.get(&id).await.unwrap().is_some(), live);
        assert_eq!(node.get(&id, now).await.is_some(), live);
    }
    assert_eq!(store.prune().await.unwrap(), 1);
    assert_eq!(node.prune(now).await, 0);
}

#[tokio::test]
async fn both_sides_read_what_the_other_wrote() {
    let table = unique("node");
    let store = open(options(&table)).await;
    let client = raw().await;
    let node = Node {
        client: &client,
        table: &table,
    };
    agree(&store, &node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_agree_in_every_time_zone() {
    for zone in [
        "UTC",
        "America/New_York",
        "Asia/Kolkata",
        "Pacific/Auckland",
    ] {
        let server = Postgres::start(&[&format!("TimeZone={zone}")]);
        let store = PostgresStore::connect_options(&server.url(), options("session"))
            .await
            .unwrap();
        let client = raw_to(&server.url()).await;
        let shown = client.query_one("SHOW TimeZone", &[]).await.unwrap();
        assert_eq!(shown.get::<_, &str>(0), zone);
        let node = Node {
            client: &client,
            table: "session",
        };
        agree(&store, &node).await;
    }
}

#[tokio::test]
async fn a_column_with_a_time_zone_does_as_well() {
    let table = unique("zoned");
    let client = raw().await;
    let create = format!(
        "CREATE TABLE {table} (sid text PRIMARY KEY, sess json NOT NULL, expire timestamptz NOT NULL)"
    );
    client.batch_execute(&create).await.unwrap();
    let store = open(options(&table)).await;
    let node = Node {
        client: &client,
        table: &table,
    };
    agree(&store, &node).await;
}

#[tokio::test]
async fn both_sides_end_a_session_in_the_same_second() {
    let table = unique("second");
    let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_000));
    let store = open(options(&table).clock(clock.clone())).await;
    let client = raw().await;
    let node = Node {
        client: &client,
        table: &table,
    };
    let id = SessionId::random();
    node.set(&id, "{}", 1_767_323_050.0).await;
    for millis in [49_999, 50_000, 50_001, 51_000] {
        clock.set(Timestamp::from_millis(1_767_323_000_000 + millis));
        let now = whole_seconds(clock.now());
        let (ours, theirs) = (store.get(&id).await.unwrap(), node.get(&id, now).await);
        assert_eq!(ours.is_some(), theirs.is_some(), "{millis}");
        assert_eq!(ours.is_some(), millis <= 50_000, "{millis}");
    }
}

#[tokio::test]
async fn expiry_at_the_ends_of_time_is_no_error() {
    let table = unique("ends");
    let store = open(options(&table)).await;
    let mut entry = entry("");
    let id = SessionId::random();
    entry.expires = Timestamp::from_millis(i64::MAX);
    store.create(&id, &entry).await.unwrap();
    assert_eq!(
        store.get(&id).await.unwrap().unwrap().expires,
        entry.expires
    );
    entry.expires = Timestamp::from_millis(i64::MIN);
    store.create(&SessionId::random(), &entry).await.unwrap();
    let forever = format!(r#"UPDATE "{table}" SET expire = 'infinity'"#);
    raw().await.batch_execute(&forever).await.unwrap();
    assert_eq!(
        store.get(&id).await.unwrap().unwrap().expires,
        Timestamp::from_millis(i64::MAX)
    );
}

#[tokio::test]
async fn jsonb_refuses_unsupported_text_with_a_reason() {
    let store = open(options(&super::jsonb_table().await)).await;
    let whole = entry(r#","a":1"#);
    let id = SessionId::random();
    store.create(&id, &whole).await.unwrap();
    for data in [r#","nul":"\u0000""#, r#","lone":"\ud800""#] {
        let refused = store
            .create(&SessionId::random(), &entry(data))
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Invalid);
        assert!(super::reason(&refused).contains("jsonb holds no \\u0000"));
        let refused = store.update(&id, &whole.text, &entry(data)).await;
        assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Invalid);
    }
    assert!(store.get(&id).await.unwrap().is_some());
}

#[tokio::test]
async fn an_id_that_no_column_holds_is_unknown() {
    let store = open(options(&unique("nul"))).await;
    let (odd, entry) = (SessionId::from_store("a\0b"), entry(""));
    assert_eq!(store.get(&odd).await.unwrap(), None);
    assert!(!store.destroy(&odd).await.unwrap());
    assert!(!store.touch(&odd, &entry.text, &entry).await.unwrap());
    let update = store.update(&odd, &entry.text, &entry).await.unwrap();
    assert_eq!(update, CasOutcome::NotFound);
    let refused = store.create(&odd, &entry).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Invalid);
    let new = SessionId::random();
    let gone = store
        .replace(&odd, Some(&entry.text), &new, &entry, &RetiredId::Closed)
        .await;
    assert_eq!(gone.unwrap(), CasOutcome::NotFound);
    let saved = store
        .replace(&odd, None, &new, &entry, &RetiredId::Closed)
        .await
        .unwrap();
    assert_eq!(saved, CasOutcome::Stored);
    let id = stored(&store, "").await;
    let taken = store
        .replace(&id, None, &id, &entry, &RetiredId::Closed)
        .await
        .unwrap_err();
    assert_eq!(taken.kind(), StoreErrorKind::IdTaken);
    assert!(store.get(&id).await.unwrap().is_some());
}

#[tokio::test]
async fn an_expired_row_under_the_new_id_is_no_obstacle() {
    let store = open(options(&unique("expired"))).await;
    let (old, new) = (stored(&store, "").await, SessionId::random());
    let mut over = entry("");
    over.expires = Timestamp::from_millis(1000);
    store.create(&new, &over).await.unwrap();
    let next = entry(r#","a":1"#);
    let saved = store
        .replace(&old, None, &new, &next, &RetiredId::Closed)
        .await
        .unwrap();
    assert_eq!(saved, CasOutcome::Stored);
    assert_eq!(store.get(&new).await.unwrap().unwrap().text, next.text);
}
