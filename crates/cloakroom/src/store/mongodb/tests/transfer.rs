//! Pages of records that other programs have written, and ids that the store transforms.

use mongodb::bson::{Document, doc};

use super::{clock, collection, connect, database, entry, node_sets, text};
use crate::id::SessionId;
use crate::store::mongodb::MongoOptions;
use crate::store::{PutIf, PutOutcome, Store as _, StoreErrorKind};

#[tokio::test]
async fn an_unreadable_record_has_its_reason_in_a_page() {
    let database = database();
    let store = connect(&database, MongoOptions::new().clock(clock())).await;
    node_sets(&database, "bad", 5).await;
    node_sets(&database, "good", &*text("")).await;
    // No session of anybody's: its id is no text.
    let sessions = collection::<Document>(&database, "sessions").await;
    sessions.insert_one(doc! { "_id": 5 }).await.unwrap();
    let page = store.scan_records(None, 10).await.unwrap();
    let read = page.records.into_iter();
    let read: Vec<_> = read
        .map(|(id, read)| (id.expose().to_owned(), read.map_err(|error| error.kind())))
        .collect();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].0, "bad");
    assert_eq!(read[0].1, Err(StoreErrorKind::Corrupt));
    assert_eq!(read[1].0, "good");
    assert_eq!(read[1].1.as_ref().unwrap().text, text(""));
}

/// Ids of a page that are hashed are accepted by the store that gave them.
#[tokio::test]
async fn hashed_ids_of_a_page_can_be_put_over() {
    let store = connect(&database(), MongoOptions::new().hash_ids().clock(clock())).await;
    let id = SessionId::from_store("a");
    store.create(&id, &entry("")).await.unwrap();
    let page = store.scan_records(None, 10).await.unwrap();
    let (given, read) = page.records.into_iter().next().unwrap();
    assert_ne!(given, id);
    let second = entry(r#","a":2"#);
    let over = PutIf::Unchanged(read.unwrap());
    let put = store.put(&given, &second, &over).await.unwrap();
    assert_eq!(put, PutOutcome::Stored);
    assert_eq!(store.get(&id).await.unwrap().unwrap().text, second.text);
    let taken = store.put(&given, &second, &PutIf::Absent).await.unwrap();
    assert!(matches!(taken, PutOutcome::Conflict(_)));
}

/// A document without `expires` never changes its end, however long ago it was read.
#[tokio::test]
async fn a_document_without_end_can_be_put_over() {
    let (database, clock) = (database(), clock());
    let store = connect(&database, MongoOptions::new().clock(clock.clone())).await;
    let sessions = collection::<Document>(&database, "sessions").await;
    let endless = doc! { "_id": "a", "session": &*text("") };
    sessions.insert_one(endless).await.unwrap();
    let page = store.scan_records(None, 10).await.unwrap();
    let (id, read) = page.records.into_iter().next().unwrap();
    clock.advance(std::time::Duration::from_hours(1));
    let mut second = entry(r#","a":2"#);
    second.expires = clock.now().after(std::time::Duration::from_mins(1));
    let over = PutIf::Unchanged(read.unwrap());
    let put = store.put(&id, &second, &over).await.unwrap();
    assert_eq!(put, PutOutcome::Stored);
}

/// A listing is read-only: a session that Express resurrected is left out, and left alone.
#[tokio::test]
async fn what_express_brings_back_is_in_no_page_and_not_put() {
    let database = database();
    let options = MongoOptions::new().mixed_fleet(true).clock(clock());
    let store = connect(&database, options).await;
    let id = SessionId::from_store("a");
    store.create(&id, &entry("")).await.unwrap();
    assert!(store.destroy(&id).await.unwrap());
    node_sets(&database, "a", &*text("")).await;
    assert_eq!(store.scan_records(None, 10).await.unwrap().records.len(), 0);
    assert!(super::found(&database, "a").await.is_some());
    let put = store.put(&id, &entry(""), &PutIf::Absent).await.unwrap();
    assert_eq!(put, PutOutcome::Retired);
}
