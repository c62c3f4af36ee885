//! The fields beside the session, and the indexes.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use mongodb::IndexModel;
use mongodb::bson::{DateTime, Document};

use super::{NOW, clock, collection, connect, database, entry, found, node_sets, text};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::mongodb::{AutoRemove, MongoOptions, MongoStore};
use crate::store::{CasOutcome, NewRecord, Store as _};

fn at(millis: i64) -> DateTime {
    DateTime::from_millis(NOW + millis)
}

fn until(millis: i64) -> NewRecord {
    NewRecord {
        expires: Timestamp::from_millis(NOW + millis),
        ..entry("")
    }
}

async fn dates(database: &str) -> (DateTime, Option<DateTime>) {
    let found = found(database, "a").await.unwrap();
    let modified = found.get_datetime("lastModified").ok().copied();
    (*found.get_datetime("expires").unwrap(), modified)
}

#[tokio::test]
async fn touches_are_throttled_as_connect_mongo_throttles_them() {
    let (database, clock) = (database(), clock());
    let options = MongoOptions::new()
        .touch_after(Duration::from_secs(10))
        .clock(clock.clone());
    let store = connect(&database, options).await;
    let (id, read) = (SessionId::from_store("a"), text(""));
    store.create(&id, &until(60_000)).await.unwrap();
    clock.advance(Duration::from_millis(9_999));
    assert!(store.touch(&id, &read, &until(69_999)).await.unwrap());
    assert_eq!(dates(&database).await, (at(60_000), Some(at(0))));
    clock.advance(Duration::from_millis(1));
    assert!(store.touch(&id, &read, &until(70_000)).await.unwrap());
    assert_eq!(dates(&database).await, (at(70_000), Some(at(10_000))));
    clock.advance(Duration::from_secs(3));
    let saved = store.update(&id, &read, &until(73_000)).await.unwrap();
    assert_eq!(saved, CasOutcome::Stored);
    assert_eq!(dates(&database).await, (at(73_000), Some(at(13_000))));
    // As Express with touchAfter 0: always touched, and no field is added.
    store.destroy(&id).await.unwrap();
    node_sets(&database, "a", &*read).await;
    for expires in [74_000, 75_000] {
        assert!(store.touch(&id, &read, &until(expires)).await.unwrap());
        assert_eq!(dates(&database).await, (at(expires), None));
    }
    clock.advance(Duration::from_secs(100));
    assert!(!store.touch(&id, &read, &until(200_000)).await.unwrap());
}

#[tokio::test]
async fn timestamps_hold_creation_and_last_change() {
    let database = database();
    let options = MongoOptions::new().timestamps(true).clock(clock());
    let store = connect(&database, options).await;
    let (id, read) = (SessionId::from_store("a"), text(""));
    store.create(&id, &entry("")).await.unwrap();
    let created = found(&database, "a").await.unwrap();
    assert_eq!(*created.get_datetime("createdAt").unwrap(), at(0));
    assert_eq!(*created.get_datetime("updatedAt").unwrap(), at(0));
    store.update(&id, &read, &entry(r#","a":1"#)).await.unwrap();
    let updated = found(&database, "a").await.unwrap();
    assert_eq!(*updated.get_datetime("createdAt").unwrap(), at(0));
    // The server's own time, as with connect-mongo.
    assert!(*updated.get_datetime("updatedAt").unwrap() < at(0));
    assert_eq!(updated.len(), 5);
}

#[tokio::test]
async fn a_document_without_expires_lives_for_the_ttl() {
    let database = database();
    let store = connect(&database, MongoOptions::new().clock(clock())).await;
    let sessions = collection::<Document>(&database, "sessions").await;
    let session = mongodb::bson::doc! { "_id": "a", "session": &*text("") };
    sessions.insert_one(session).await.unwrap();
    let id = SessionId::from_store("a");
    let read = store.get(&id).await.unwrap().unwrap();
    assert_eq!(read.expires, Timestamp::from_millis(NOW + 14 * 86_400_000));
    assert!(store.create(&id, &entry("")).await.is_err());
    assert_eq!(store.prune().await.unwrap(), 0);
}

async fn indexes(database: &str, name: &str) -> Vec<IndexModel> {
    let collection = collection::<Document>(database, name).await;
    let indexes = collection.list_indexes().await.unwrap();
    indexes.try_collect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_stores_that_start_at_once_make_one_index() {
    let database = database();
    let starting = (0..10).map(|_| {
        let database = database.clone();
        tokio::spawn(async move { connect(&database, MongoOptions::new().mixed_fleet(true)).await })
    });
    for started in futures_util::future::join_all(starting).await {
        started.unwrap();
    }
    for name in ["sessions", "sessions_tombs"] {
        let indexes = indexes(&database, name).await;
        assert_eq!(indexes.len(), 2, "{name}");
        let options = indexes[1].options.as_ref().unwrap();
        assert_eq!(options.name.as_deref(), Some("expires_1"));
        assert_eq!(options.expire_after, Some(Duration::ZERO));
        assert_eq!(indexes[1].keys, mongodb::bson::doc! { "expires": 1 });
    }
}

#[tokio::test]
async fn index_with_other_options_is_no_error() {
    let database = database();
    let sessions = collection::<Document>(&database, "sessions").await;
    let keys = mongodb::bson::doc! { "expires": 1 };
    let other = IndexModel::builder().keys(keys).build();
    sessions.create_index(other).await.unwrap();
    let store = connect(&database, MongoOptions::new().clock(clock())).await;
    store
        .create(&SessionId::random(), &entry(""))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_can_delete_what_expired_by_itself() {
    let (database, clock) = (database(), clock());
    let options = MongoOptions::new()
        .auto_remove(AutoRemove::Interval(Duration::from_millis(20)))
        .clock(clock.clone());
    let store: MongoStore = connect(&database, options).await;
    store
        .create(&SessionId::from_store("a"), &entry(""))
        .await
        .unwrap();
    assert_eq!(indexes(&database, "sessions").await.len(), 1);
    clock.advance(Duration::from_mins(2));
    let gone = async {
        while found(&database, "a").await.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_user_in_a_document_is_found_by_an_index() {
    let database = database();
    let options = MongoOptions::new().stringify(false).clock(clock());
    let store = connect(&database, options).await;
    store.set_user_keys(&crate::record::UserKeys::new(["userId"]));
    let made = async {
        while indexes(&database, "sessions").await.len() < 7 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), made)
        .await
        .unwrap();
    for index in indexes(&database, "sessions").await {
        let name = index.keys.keys().next().unwrap();
        let user = name.starts_with("session.userId") || name == "session._ck.by";
        assert!(user || ["_id", "expires"].contains(&&**name), "{name}");
        assert_eq!(
            index.options.unwrap().sparse.unwrap_or(false),
            user,
            "{name}"
        );
    }
}
