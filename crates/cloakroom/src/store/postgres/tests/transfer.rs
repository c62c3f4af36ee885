//! Pages of records that other programs have written, and puts beside them.

use super::{entry, open, options, raw, stored, unique};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::{ENDLESS, NewRecord, PutIf, PutOutcome, Store as _, StoreErrorKind};

#[tokio::test]
async fn an_unreadable_record_has_its_reason_in_a_page() {
    let (table, raw) = (unique("unreadable"), raw().await);
    let create = format!(
        "CREATE TABLE {table} (sid varchar PRIMARY KEY, sess json, expire timestamp(6) NOT NULL);
         INSERT INTO {table} VALUES ('bad', NULL, now() + interval '1 hour')"
    );
    raw.batch_execute(&create).await.unwrap();
    let store = open(options(&table)).await;
    let good = stored(&store, "").await;
    let page = store.scan_records(None, 10).await.unwrap();
    assert_eq!(page.records.len(), 2);
    for (id, read) in page.records {
        match read {
            Ok(stored) => assert!(id == good && stored.text == entry("").text),
            Err(error) => {
                assert_eq!(
                    (id.expose(), error.kind()),
                    ("bad", StoreErrorKind::Corrupt)
                );
            }
        }
    }
}

#[tokio::test]
async fn a_row_without_end_is_endless_in_a_page_and_can_be_put_over() {
    let table = unique("endless");
    let (store, raw) = (open(options(&table)).await, raw().await);
    let id = stored(&store, "").await;
    let endless = format!("UPDATE {table} SET expire = 'infinity'");
    raw.batch_execute(&endless).await.unwrap();
    let page = store.scan_records(None, 10).await.unwrap();
    let read = page.records[0].1.as_ref().unwrap().clone();
    assert!(read.expires >= ENDLESS);
    let kept = NewRecord {
        expires: Timestamp::from_millis(i64::MAX),
        ..entry(r#","a":1"#)
    };
    let put = store.put(&id, &kept, &PutIf::Unchanged(read)).await;
    assert_eq!(put.unwrap(), PutOutcome::Stored);
    let stored = store.get(&id).await.unwrap().unwrap();
    assert!(stored.expires.as_millis() > ENDLESS.as_millis() - 1000);
}

/// A listing is read-only: a session that Express resurrected is left out, and left alone.
#[tokio::test]
async fn what_express_brings_back_is_in_no_page_and_not_put() {
    let table = unique("pages");
    let store = open(options(&table).mixed_fleet(true)).await;
    let id = stored(&store, "").await;
    assert!(store.destroy(&id).await.unwrap());
    let sid = id.expose();
    let back = format!(
        "INSERT INTO {table} VALUES ('{sid}', '{{\"cookie\":{{}}}}', now() + interval '1 hour')"
    );
    let raw = raw().await;
    raw.batch_execute(&back).await.unwrap();
    assert_eq!(store.scan_records(None, 10).await.unwrap().records.len(), 0);
    let rows = format!("SELECT FROM {table}");
    assert_eq!(raw.query(&rows, &[]).await.unwrap().len(), 1);
    let put = store.put(&id, &entry(""), &PutIf::Absent).await.unwrap();
    assert_eq!(put, PutOutcome::Retired);
}

#[tokio::test]
async fn an_id_that_the_column_cannot_hold_is_refused() {
    let store = open(options(&unique("unstorable"))).await;
    let id = SessionId::from_store("a\0b");
    let put = store.put(&id, &entry(""), &PutIf::Absent).await;
    assert_eq!(put.unwrap_err().kind(), StoreErrorKind::Invalid);
    let over = PutIf::Text(entry("").text);
    let put = store.put(&id, &entry(""), &over).await.unwrap();
    assert_eq!(put, PutOutcome::NotFound);
}
