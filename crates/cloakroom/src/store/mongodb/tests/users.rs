//! The index of users, also over sessions that Express wrote.

use mongodb::bson::{Bson, Document, doc};

use super::{clock, collection, connect, database, entry, found, node_sets, text};
use crate::id::SessionId;
use crate::record::UserKeys;
use crate::store::mongodb::{Kruptein, MongoOptions, MongoStore, WebCrypto};
use crate::store::{CasOutcome, Store as _};

const FORMS: [&str; 4] = ["text", "document", "kruptein", "webcrypto"];

async fn store(form: &str, database: &str) -> MongoStore {
    let options = MongoOptions::new().clock(clock());
    let options = match form {
        "text" => options,
        "document" => options.stringify(false),
        "kruptein" => options.encryption(Kruptein::new("squirrel")),
        _ => options.encryption(WebCrypto::new("squirrel").iterations(1000)),
    };
    connect(database, options).await
}

/// Returns the value that connect-mongo would put into `session`, as another process writes it, with another
/// salt.
async fn session(form: &str, data: &str) -> Bson {
    let database = database();
    let other = store(form, &database).await;
    let id = SessionId::from_store("other");
    other.create(&id, &entry(data)).await.unwrap();
    let document = found(&database, "other").await.unwrap();
    document.get("session").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_everywhere_ends_what_express_logged_in() {
    for form in FORMS {
        let database = database();
        let store = store(form, &database).await;
        store.set_user_keys(&UserKeys::new(["userId", "passport.user"]));
        let data = [
            r#","userId":"ada""#,
            r#","passport":{"user":"ada"}"#,
            r#","passport":{"user":{"id":"ada","name":"Ada"}}"#,
        ];
        for (id, data) in data.iter().enumerate() {
            node_sets(&database, &id.to_string(), session(form, data).await).await;
        }
        // Written by ours before, and Express signed another user in without a new id.
        let id = SessionId::from_store("stale");
        store
            .create(&id, &entry(r#","userId":"grace""#))
            .await
            .unwrap();
        let changed = session(form, r#","userId":"ada""#).await;
        node_sets(&database, "stale", changed).await;
        let id = SessionId::from_store("left");
        store
            .create(&id, &entry(r#","userId":"ada""#))
            .await
            .unwrap();
        let changed = session(form, r#","userId":"grace""#).await;
        node_sets(&database, "left", changed).await;
        node_sets(&database, "nobody", session(form, r#","ada":1"#).await).await;

        let mut ids: Vec<_> = store.list_by_user("ada").await.unwrap();
        ids.sort();
        let expected = ["0", "1", "2", "stale"].map(SessionId::from_store);
        assert_eq!(ids, expected, "{form}");
        assert_eq!(
            store.destroy_by_user("ada", None).await.unwrap(),
            4,
            "{form}"
        );
        assert_eq!(store.count().await.unwrap(), 2, "{form}");
        assert_eq!(store.list_by_user("grace").await.unwrap(), [id], "{form}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_found_in_whatever_way_they_are_spelled() {
    for form in FORMS {
        let database = database();
        let store = store(form, &database).await;
        #[rustfmt::skip]
        let table = [
            (r#","userId":42"#,                    "42"),
            (r#", "userId" : "4\u0032" "#,         "42"),
            (r#","userId":"a\"b\\c/d.*""#,         r#"a"b\c/d.*"#),
            (r#","userId":"a\/b""#,                "a/b"),
            (r#","userId":"zo\u00eb""#,            "zoë"),
            (r#","userId":"日本\n😀""#,             "日本\n😀"),
            (r#","userId":"$gt""#,                 "$gt"),
            (r#","userId":{"$gt":"", "id": "op"}"#, "op"),
        ];
        for (index, (data, _)) in table.iter().enumerate() {
            let id = SessionId::from_store(&index.to_string());
            store.create(&id, &entry(data)).await.unwrap();
        }
        for (index, (data, user)) in table.iter().enumerate() {
            let ids = store.list_by_user(user).await.unwrap();
            let id = SessionId::from_store(&index.to_string());
            assert!(ids.contains(&id), "{form} {data}");
            let others = table.iter().filter(|(_, other)| other == user).count();
            assert_eq!(ids.len(), others, "{form} {data}");
        }
        assert_eq!(
            store.list_by_user(&"x".repeat(40_000)).await.unwrap(),
            [],
            "{form}"
        );
        assert_eq!(store.list_by_user("a\0b").await.unwrap(), [], "{form}");
    }
}

#[tokio::test]
async fn users_in_bson_types_are_found_as_json_spells_them() {
    let database = database();
    let store = store("document", &database).await;
    let oid = mongodb::bson::oid::ObjectId::new();
    let uuid = mongodb::bson::Uuid::new();
    let at = mongodb::bson::DateTime::from_millis(1_767_323_045_678);
    let bytes = mongodb::bson::Binary {
        subtype: mongodb::bson::spec::BinarySubtype::Generic,
        bytes: vec![0, 1, 2],
    };
    let table: [(Bson, String); 6] = [
        (oid.into(), oid.to_hex()),
        (uuid.into(), uuid.to_string()),
        (at.into(), "2026-01-02T03:04:05.678Z".to_owned()),
        (bytes.into(), "AAEC".to_owned()),
        (7_i64.into(), "7".to_owned()),
        (Bson::Symbol("ada".to_owned()), "ada".to_owned()),
    ];
    for (user, name) in table {
        let document = doc! { "cookie": {}, "userId": user };
        node_sets(&database, &name, document).await;
        let found = store.list_by_user(&name).await.unwrap();
        assert_eq!(found, [SessionId::from_store(&name)], "{name}");
    }
}

#[tokio::test]
async fn paths_that_no_query_can_express_are_still_searched() {
    let database = database();
    let store = store("document", &database).await;
    store.set_user_keys(&UserKeys::new(["$who", "userId"]));
    let id = SessionId::from_store("a");
    store.create(&id, &entry(r#","$who":"ada""#)).await.unwrap();
    assert_eq!(store.list_by_user("ada").await.unwrap(), [id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_documents_affect_no_other_session() {
    for form in FORMS {
        let database = database();
        let store = store(form, &database).await;
        let id = SessionId::from_store("good");
        store
            .create(&id, &entry(r#","userId":"ada""#))
            .await
            .unwrap();
        let poison: [Bson; 7] = [
            Bson::Null,
            7.into(),
            "".into(),
            "ada \u{e9}\u{1f600}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}".into(),
            r#"{"userId":"ada""#.into(),
            vec![Bson::from("ada")].into(),
            doc! { "userId": ["ada"], "cookie": 7 }.into(),
        ];
        for (index, session) in poison.into_iter().enumerate() {
            node_sets(&database, &format!("poison{index}"), session).await;
            // Refused, or returned for the life cycle to refuse.
            let id = SessionId::from_store(&format!("poison{index}"));
            if let Err(error) = store.get(&id).await {
                assert_eq!(
                    error.kind(),
                    crate::store::StoreErrorKind::Corrupt,
                    "{form}"
                );
            }
        }
        let sessions = collection::<Document>(&database, "sessions").await;
        sessions
            .insert_one(doc! { "_id": 7, "expires": mongodb::bson::DateTime::from_millis(super::NOW + 60_000) })
            .await
            .unwrap();
        sessions
            .insert_one(doc! { "_id": "no session" })
            .await
            .unwrap();
        assert_eq!(
            store.list_by_user("ada").await.unwrap(),
            std::slice::from_ref(&id),
            "{form}"
        );
        assert_eq!(store.scan(None, 100).await.unwrap().ids.len(), 9, "{form}");
        assert_eq!(store.count().await.unwrap(), 10, "{form}");
        assert_eq!(
            store.destroy_by_user("ada", None).await.unwrap(),
            1,
            "{form}"
        );
        assert_eq!(store.get(&id).await.unwrap(), None, "{form}");
        let poisoned = SessionId::from_store("poison0");
        assert!(store.destroy(&poisoned).await.unwrap(), "{form}");
    }
}

#[tokio::test]
async fn a_record_without_a_cookie_is_ended_with_its_users_others() {
    let database = database();
    let store = store("text", &database).await;
    node_sets(&database, "odd", r#"{"userId":"ada"}"#).await;
    assert_eq!(store.destroy_by_user("ada", None).await.unwrap(), 1);
}

#[tokio::test]
async fn noted_users_spare_a_second_decryption() {
    let database = database();
    let store = store("webcrypto", &database).await;
    let session = session("webcrypto", r#","userId":"ada""#).await;
    node_sets(&database, "node", session).await;
    assert_eq!(store.list_by_user("nobody").await.unwrap(), []);
    let noted = found(&database, "node").await.unwrap();
    assert!(noted.get_str("userOf").is_ok());
    // Neither field says who it is.
    let user = noted.get_str("userId").unwrap();
    assert!(!user.contains("ada") && user.len() == 64);
    let id = SessionId::from_store("node");
    assert_eq!(
        store.list_by_user("ada").await.unwrap(),
        std::slice::from_ref(&id)
    );
    let read = store.get(&id).await.unwrap().unwrap().text;
    let saved = store.update(&id, &read, &entry("")).await.unwrap();
    assert_eq!(saved, CasOutcome::Stored);
    assert_eq!(store.get(&id).await.unwrap().unwrap().text, text(""));
    assert_eq!(store.list_by_user("ada").await.unwrap(), []);
}
