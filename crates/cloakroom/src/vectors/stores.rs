//! The output of connect-redis and connect-pg-simple, byte for byte and second for second, compared with that
//! of the library's stores for the same session; and read by these.

use serde_json::Value;
use testbed::{Postgres, Redis};
use tokio_postgres::NoTls;

use super::{NOW, is_committed, list, text};
use crate::clock::{ManualClock, Timestamp};
use crate::id::SessionId;
use crate::record::{Record, RecordLimit};
use crate::store::postgres::{PostgresOptions, PostgresStore};
use crate::store::redis::{RedisOptions, RedisStore};
use crate::store::{NewRecord, Store as _};

/// A day: the time to live that Express's stores give a session whose cookie has no expiry.
const DAY: i64 = 86_400_000;

fn now() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(NOW))
}

fn id(case: &Value) -> SessionId {
    SessionId::from_store(text(case, "sid"))
}

/// Returns the record of a case, to be stored at the instant of the vectors.
fn entry(text: &str) -> NewRecord {
    let record = Record::parse(text.into(), RecordLimit::default()).unwrap();
    let expires = record.cookie().expires();
    NewRecord {
        text: text.into(),
        expires: expires.unwrap_or(Timestamp::from_millis(NOW + DAY)),
        users: Vec::new(),
    }
}

#[tokio::test]
async fn redis_holds_the_bytes_and_the_seconds_of_connect_redis() {
    let redis = Redis::start();
    let options = RedisOptions::default().clock(now());
    let store = RedisStore::connect_options(&redis.url(), options)
        .await
        .unwrap();
    let mut compared = 0;
    for case in list("/stored_records/records") {
        let Some(value) = case["redis"]["value"].as_str() else {
            continue;
        };
        let key = text(&case["redis"], "key");
        // Express's record, read here.
        redis.command(&["SET", key, value, "EX", "100"]);
        let stored = store.get(&id(case)).await.unwrap().unwrap();
        assert_eq!(&*stored.text, value, "{}", case["name"]);
        redis.command(&["DEL", key]);
        // The library's record, under Express's key.
        store.create(&id(case), &entry(value)).await.unwrap();
        let written = redis.command(&["GET", key]);
        assert_eq!(written, format!("${}\r\n{value}\r\n", value.len()));
        let left = redis.command(&["TTL", key]);
        let seconds: i64 = left[1..].trim_end().parse().unwrap();
        let Some(wanted) = case["redis"]["ttl_seconds"].as_i64() else {
            continue;
        };
        assert!(
            (wanted - 1..=wanted).contains(&seconds),
            "{}: {seconds}",
            case["name"]
        );
        let exact = redis.command(&["PTTL", key]);
        let millis: i64 = exact[1..].trim_end().parse().unwrap();
        assert!(wanted * 1000 - millis < 900, "{}: {millis}", case["name"]);
        compared += 1;
    }
    assert!(compared >= 30 || !is_committed(), "{compared}");
}

#[tokio::test]
async fn postgres_holds_the_row_of_connect_pg_simple() {
    let url = Postgres::shared().create_database("vectors");
    let (raw, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let options = PostgresOptions::default().clock(now()).without_pruning();
    let store = PostgresStore::connect_options(&url, options).await.unwrap();
    let mut compared = 0;
    for case in list("/stored_records/records") {
        let Some(value) = case["pg"]["sess_text"].as_str() else {
            continue;
        };
        let sid = text(case, "sid");
        let epoch = case["pg"]["expire_epoch"].as_i64().unwrap();
        // Express's row, by its own statement, read here.
        let insert = "INSERT INTO session (sess, expire, sid)
                      SELECT $1::text::json, to_timestamp($2::bigint::float8), $3";
        raw.execute(insert, &[&value, &epoch, &sid]).await.unwrap();
        let is_over = epoch * 1000 <= NOW;
        let stored = store.get(&id(case)).await.unwrap();
        assert_eq!(stored.is_none(), is_over, "{}", case["name"]);
        if let Some(stored) = stored {
            assert_eq!(&*stored.text, value, "{}", case["name"]);
            assert_eq!(stored.expires.as_millis(), epoch * 1000, "{}", case["name"]);
        }
        raw.execute("DELETE FROM session", &[]).await.unwrap();
        if is_over {
            continue;
        }
        // The library's row, under Express's key.
        store.create(&id(case), &entry(value)).await.unwrap();
        let select = "SELECT sess::text, extract(epoch FROM expire::timestamptz)::bigint
                      FROM session WHERE sid = $1";
        let row = raw.query_one(select, &[&sid]).await.unwrap();
        assert_eq!(
            (row.get::<_, &str>(0), row.get::<_, i64>(1)),
            (value, epoch)
        );
        compared += 1;
    }
    assert!(compared >= 30 || !is_committed(), "{compared}");
}
