//! Sessions that are BSON documents.

use std::error::Error as _;

use mongodb::bson::{Bson, doc};

use super::{clock, connect, database, entry, found, node_sets, text};
use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::mongodb::{MongoOptions, MongoStore, WebCrypto};
use crate::store::{CasOutcome, NewRecord, RetiredId, Store as _, StoreErrorKind};

async fn store(database: &str) -> MongoStore {
    connect(
        database,
        MongoOptions::new().stringify(false).clock(clock()),
    )
    .await
}

#[tokio::test]
async fn visitors_keys_never_change_a_bson_type() {
    let database = database();
    let store = store(&database).await;
    let data = r#","a":{"$oid":"507f1f77bcf86cd799439011"},"b":{"$date":"2026-01-02T03:04:05Z"},"c":{"$numberLong":"7"}"#;
    let id = SessionId::from_store("a");
    store.create(&id, &entry(data)).await.unwrap();
    let session = found(&database, "a").await.unwrap();
    let session = session.get_document("session").unwrap();
    assert!(session.get_document("a").unwrap().get_str("$oid").is_ok());
    assert!(session.get_document("b").unwrap().get_str("$date").is_ok());
    assert!(
        session
            .get_document("c")
            .unwrap()
            .get_str("$numberLong")
            .is_ok()
    );
    let read = store.get(&id).await.unwrap().unwrap();
    assert_eq!(read.text, text(data));
}

/// The store that saves is not the one that read: it has no cached BSON for the text.
#[tokio::test]
async fn save_succeeds_without_cached_bson() {
    for sealed in [false, true] {
        let database = database();
        let options = || {
            let options = MongoOptions::new().stringify(false).clock(clock());
            if sealed {
                return options.encryption(WebCrypto::new("squirrel").iterations(10));
            }
            options
        };
        let (one, other) = (
            connect(&database, options()).await,
            connect(&database, options()).await,
        );
        let id = SessionId::from_store("a");
        let first = entry(r#","b":1,"a":[1,2.50,null]"#);
        one.create(&id, &first).await.unwrap();
        let second = entry(r#","b":2"#);
        assert_eq!(
            other.update(&id, &first.text, &second).await.unwrap(),
            CasOutcome::Stored
        );
        // `one` has cached what is no longer stored.
        let stale = one.update(&id, &first.text, &entry("")).await.unwrap();
        assert!(matches!(stale, CasOutcome::Conflict(stored) if stored.text == second.text));
        assert_eq!(
            one.update(&id, &second.text, &entry("")).await.unwrap(),
            CasOutcome::Stored
        );
        let new = SessionId::from_store("b");
        let replaced = other
            .replace(&id, Some(&second.text), &new, &first, &RetiredId::Closed)
            .await
            .unwrap();
        assert!(matches!(replaced, CasOutcome::Conflict(stored) if stored.text == text("")));
        let replaced = other
            .replace(&id, Some(&text("")), &new, &first, &RetiredId::Closed)
            .await
            .unwrap();
        assert_eq!(replaced, CasOutcome::Stored);
    }
}

/// Express saved what it had read: the same values, in an order and in types of its own.
#[tokio::test]
async fn a_save_that_changed_no_value_is_no_conflict() {
    let database = database();
    let store = store(&database).await;
    let id = SessionId::from_store("a");
    let first = entry(r#","n":7,"s":"507f1f77bcf86cd799439011""#);
    store.create(&id, &first).await.unwrap();
    let oid = mongodb::bson::oid::ObjectId::parse_str("507f1f77bcf86cd799439011").unwrap();
    let mut session = found(&database, "a").await.unwrap();
    let session = session.get_document_mut("session").unwrap();
    session.insert("n", 7_i64);
    session.insert("s", oid);
    node_sets(&database, "a", session.clone()).await;
    let second = entry(r#","n":7,"s":"507f1f77bcf86cd799439011","z":1"#);
    assert_eq!(
        store.update(&id, &first.text, &second).await.unwrap(),
        CasOutcome::Stored
    );
    let session = found(&database, "a").await.unwrap();
    let session = session.get_document("session").unwrap();
    assert_eq!(session.get("s"), Some(&Bson::ObjectId(oid)));
    assert_eq!(session.get("n"), Some(&Bson::Int64(7)));
    let third = entry(r#","n":8"#);
    assert_eq!(
        store.update(&id, &second.text, &third).await.unwrap(),
        CasOutcome::Stored
    );
    let session = found(&database, "a").await.unwrap();
    let session = session.get_document("session").unwrap();
    assert_eq!(
        (session.get("n"), session.get("s")),
        (Some(&Bson::Int32(8)), None)
    );
}

#[tokio::test]
async fn the_cookie_has_connect_mongos_shape_after_every_save() {
    let database = database();
    let store = store(&database).await;
    let id = SessionId::from_store("a");
    let first = entry("");
    store.create(&id, &first).await.unwrap();
    let cookie =
        r#"{"cookie":{"originalMaxAge":null,"expires":null,"secure":true,"path":"/","more":1}}"#;
    let second = NewRecord {
        text: cookie.into(),
        ..first.clone()
    };
    assert_eq!(
        store.update(&id, &first.text, &second).await.unwrap(),
        CasOutcome::Stored
    );
    let document = found(&database, "a").await.unwrap();
    let cookie = document
        .get_document("session")
        .unwrap()
        .get_document("cookie")
        .unwrap();
    let shape = doc! {
        "originalMaxAge": null, "partitioned": null, "priority": null, "expires": null, "secure": true,
        "httpOnly": null, "domain": null, "path": "/", "sameSite": null, "more": 1,
    };
    assert_eq!(cookie, &shape);
    assert!(cookie.keys().eq(shape.keys()));
    assert_eq!(store.get(&id).await.unwrap().unwrap().text, second.text);
}

/// Creates a session under an id of its own. This server does not know a write that the driver sends again when a
/// reply comes late, as MongoDB does, and calls the id taken.
async fn created(store: &MongoStore, entry: &NewRecord) -> SessionId {
    for _ in 0..5 {
        let id = SessionId::random();
        match store.create(&id, entry).await {
            Err(error) if error.kind() == StoreErrorKind::IdTaken => {}
            stored => {
                stored.unwrap();
                return id;
            }
        }
    }
    panic!("five ids were taken");
}

#[tokio::test]
async fn text_that_bson_cannot_hold_is_refused_with_a_reason() {
    let database = database();
    let store = store(&database).await;
    let id = SessionId::from_store("a");
    let huge = "9,".repeat(3 << 20);
    let huge = format!(r#","a":[{huge}9]"#);
    let deep = format!(r#","a":{}{}"#, "[".repeat(200), "]".repeat(200));
    let table = [
        (r#","a\u0000b":1"#, "NUL"),
        (r#","a":{"\u0000":1}"#, "NUL"),
        (&huge, "16 MB"),
        (&deep, "JSON"),
    ];
    for (data, why) in table {
        let error = store.create(&id, &entry(data)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid, "{why}");
        assert!(error.source().unwrap().to_string().contains(why), "{why}");
    }
    for text in ["null", "[]", "7", "{", ""] {
        let entry = NewRecord {
            text: text.into(),
            ..entry("")
        };
        let error = store.create(&id, &entry).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid, "{text}");
    }
    let lone = entry(r#","a":"\ud83d!""#);
    let id = created(&store, &lone).await;
    let read: RecordText = store.get(&id).await.unwrap().unwrap().text;
    assert_eq!(read, text(",\"a\":\"\u{fffd}!\""));
    // The writer may go on with the text that it has.
    let saved = store.update(&id, &lone.text, &entry("")).await.unwrap();
    assert_eq!(saved, CasOutcome::Stored);
}

#[tokio::test]
async fn a_text_beyond_mongodbs_bound_is_refused() {
    let database = database();
    let store = connect(&database, MongoOptions::new().clock(clock())).await;
    let huge = entry(&format!(r#","a":"{}""#, "x".repeat(17 << 20)));
    let id = SessionId::from_store("a");
    let error = store.create(&id, &huge).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    assert!(error.source().unwrap().to_string().contains("16 MB"));
}
