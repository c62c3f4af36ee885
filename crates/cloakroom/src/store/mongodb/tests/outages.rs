//! Servers that are absent, or stop in the middle.

use std::error::Error as _;
use std::time::Duration;

use testbed::{Mongo, Proxy, free_port};

use super::{clock, connect, database, entry, node_sets, text};
use crate::id::SessionId;
use crate::store::mongodb::{Algorithm, Encoding, Kruptein, MongoOptions, MongoStore, WebCrypto};
use crate::store::{AnyStore, ConnectError, RetiredId, Store as _, StoreError, StoreErrorKind};

fn says_nothing_of(error: &StoreError, secrets: &[&str]) {
    let source = error.source().map(|source| format!("{source} {source:?}"));
    let printed = format!("{error} {error:?} {source:?}");
    for secret in secrets {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn absent_server_is_unavailable_within_two_seconds() {
    let url = format!("mongodb://user:hunter22@127.0.0.1:{}/app", free_port());
    let pace = testbed::pace();
    let error = MongoStore::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(pace.is_within(Duration::from_secs(4)), "{pace}");
    says_nothing_of(&error, &["hunter22", "127.0.0.1"]);
    let error = AnyStore::connect(&url).await.unwrap_err();
    assert!(matches!(error, ConnectError::Store("mongodb", _)));
}

/// X12: an option of the Node driver alone is named, and nothing else of the URL.
#[tokio::test]
async fn x12_an_option_that_the_driver_does_not_know_is_named() {
    for (url, name) in [
        (
            "mongodb://u:hunter22@h/d?w=1&useNewUrlParser=true",
            Some("usenewurlparser"),
        ),
        ("mongodb://u:p@h/d?hunter22%20=1", None),
    ] {
        let error = MongoStore::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
        let text = error.source().unwrap().to_string().to_ascii_lowercase();
        assert_eq!(text.contains("an option"), name.is_some(), "{text}");
        assert!(name.is_none_or(|name| text.contains(name)), "{text}");
        says_nothing_of(&error, &["hunter22"]);
    }
}

#[tokio::test]
async fn invalid_url_is_refused() {
    for url in [
        "mongodb://",
        "mongodb://user:hunter22@",
        "mongodb://h/?w=hunter22&w=",
        "mongodb://h:hunter22/",
    ] {
        let Err(error) = MongoStore::connect(url).await else {
            panic!("{url}")
        };
        says_nothing_of(&error, &["hunter22"]);
        assert!(error.source().is_some(), "{url}");
    }
    let options = MongoOptions::new().encryption(
        WebCrypto::new("squirrel")
            .algorithm(Algorithm::AesCbc)
            .iv_length(12),
    );
    let error = MongoStore::connect_options("mongodb://h", options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_unknown() {
    let proxy = Proxy::to(Mongo::shared().port());
    let url = format!(
        "mongodb://127.0.0.1:{}/{}?directConnection=true&retryWrites=false",
        proxy.port(),
        database()
    );
    let store = MongoStore::connect_options(&url, MongoOptions::new().clock(clock())).await;
    let store = store.unwrap();
    let id = SessionId::from_store("sid-that-nobody-sees");
    store
        .create(&id, &entry(r#","word":"hunter22""#))
        .await
        .unwrap();
    proxy.lose_answers(true);
    let read = text(r#","word":"hunter22""#);
    let next = entry("");
    let saving = store.update(&id, &read, &next);
    let cutting = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        proxy.cut(true);
    };
    let (saved, ()) = tokio::join!(saving, cutting);
    let error = saved.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown);
    says_nothing_of(&error, &["sid-that", "hunter22"]);
    let error = store.get(&id).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    says_nothing_of(&error, &["sid-that", "127.0.0.1"]);
    proxy.lose_answers(false);
    proxy.cut(false);
    let back = async {
        while store.get(&id).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_taken_id_is_not_repeated() {
    let store = connect(&database(), MongoOptions::new().clock(clock())).await;
    let id = SessionId::from_store("sid-that-nobody-sees");
    store.create(&id, &entry("")).await.unwrap();
    let error = store.create(&id, &entry("")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::IdTaken);
    says_nothing_of(&error, &["sid-that"]);
}

#[tokio::test]
async fn text_encrypted_with_another_secret_is_corrupt() {
    let database = database();
    let url = Mongo::shared().url(&database);
    let id = SessionId::from_store("a");
    let all = || {
        let kruptein = |secret| MongoOptions::new().encryption(Kruptein::new(secret));
        let webcrypto = |secret| {
            let webcrypto = WebCrypto::new(secret)
                .iterations(10)
                .encoding(Encoding::Base64Url);
            MongoOptions::new().encryption(webcrypto)
        };
        [
            (kruptein("squirrel"), kruptein("acorn")),
            (webcrypto("squirrel"), webcrypto("acorn")),
        ]
    };
    for (right, wrong) in all() {
        let right = MongoStore::connect_options(&url, right.clock(clock()))
            .await
            .unwrap();
        let wrong = MongoStore::connect_options(&url, wrong.clock(clock()))
            .await
            .unwrap();
        right.create(&id, &entry("")).await.unwrap();
        assert_eq!(right.get(&id).await.unwrap().unwrap().text, text(""));
        let error = wrong.get(&id).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
        right.destroy(&id).await.unwrap();
        for session in [
            "",
            "MAA=",
            "MIIBAA==",
            "not base64!",
            "AAAA",
            &"A".repeat(64),
        ] {
            node_sets(&database, "a", session).await;
            let error = right.get(&id).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{session}");
        }
        assert!(right.destroy(&id).await.unwrap());
    }
}

#[test]
fn no_secret_is_printed() {
    let options = MongoOptions::new().encryption(Kruptein::new("squirrel"));
    let other = MongoOptions::new().encryption(WebCrypto::new("squirrel"));
    let printed = format!("{options:?} {other:?}");
    assert!(!printed.contains("squirrel") && printed.contains("Kruptein"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usual_way_is_one_round_trip() {
    for (form, options) in [
        ("text", MongoOptions::new()),
        ("document", MongoOptions::new().stringify(false)),
        (
            "kruptein",
            MongoOptions::new().encryption(Kruptein::new("squirrel")),
        ),
    ] {
        let proxy = Proxy::to(Mongo::shared().port());
        let url = format!(
            // The driver checks its server by itself, which is not to be counted.
            "mongodb://127.0.0.1:{}/{}?directConnection=true&heartbeatFrequencyMS=600000",
            proxy.port(),
            database()
        );
        let store = MongoStore::connect_options(&url, options.clock(clock())).await;
        let (store, id) = (store.unwrap(), SessionId::from_store("a"));
        let (first, second) = (entry(""), entry(r#","a":1"#));
        proxy.take_trips();
        store.create(&id, &first).await.unwrap();
        assert_eq!(proxy.take_trips(), 1, "{form}");
        store.update(&id, &first.text, &second).await.unwrap();
        assert_eq!(proxy.take_trips(), 1, "{form}");
        let read = store.get(&id).await.unwrap().unwrap().text;
        assert_eq!(proxy.take_trips(), 1, "{form}");
        store.update(&id, &read, &first).await.unwrap();
        assert_eq!(proxy.take_trips(), 1, "{form}");
        store.touch(&id, &read, &first).await.unwrap();
        assert_eq!(proxy.take_trips(), 1, "{form}");
        store.destroy(&id).await.unwrap();
        assert_eq!(proxy.take_trips(), 1, "{form}");
    }
}

/// V8: the client disconnects while a login is between its two commands, and while a logout is.
#[tokio::test(flavor = "multi_thread")]
async fn v8_a_login_and_a_logout_are_finished_when_their_caller_goes_away() {
    let proxy = Proxy::to(Mongo::shared().port());
    let (port, name) = (proxy.port(), database());
    let url = format!("mongodb://127.0.0.1:{port}/{name}?directConnection=true");
    let options = MongoOptions::new().clock(clock()).mixed_fleet(true);
    let store = MongoStore::connect_options(&url, options).await.unwrap();
    let (old, new, entry) = (SessionId::random(), SessionId::random(), entry(""));
    store.create(&old, &entry).await.unwrap();
    let is_there = async |id: &SessionId, expected: bool| {
        for _ in 0..100 {
            if store.get(id).await.unwrap().is_some() == expected {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    };
    let patience = Duration::from_millis(150);
    proxy.freeze(true);
    let replacing = store.replace(&old, Some(&entry.text), &new, &entry, &RetiredId::Closed);
    assert!(tokio::time::timeout(patience, replacing).await.is_err());
    proxy.freeze(false);
    assert!(is_there(&new, true).await, "the login was lost");
    assert!(is_there(&old, false).await, "the old id is left");
    proxy.freeze(true);
    let leaving = tokio::time::timeout(patience, store.destroy(&new)).await;
    assert!(leaving.is_err());
    proxy.freeze(false);
    let sessions = super::collection::<mongodb::bson::Document>(&name, "sessions").await;
    for _ in 0..100 {
        if sessions
            .count_documents(mongodb::bson::doc! {})
            .await
            .unwrap()
            == 0
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the logout was lost: a mark, and the session under it");
}
