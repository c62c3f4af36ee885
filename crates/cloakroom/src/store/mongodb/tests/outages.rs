//! Servers that are not there, or stop in the middle.

use std::error::Error as _;
use std::time::{Duration, Instant};

use testbed::{Mongo, Proxy, free_port};

use super::{clock, connect, database, entry, node_sets, text};
use crate::id::SessionId;
use crate::store::mongodb::{Algorithm, Encoding, Kruptein, MongoOptions, MongoStore, WebCrypto};
use crate::store::{AnyStore, ConnectError, Store as _, StoreError, StoreErrorKind};

fn says_nothing_of(error: &StoreError, secrets: &[&str]) {
    let source = error.source().map(|source| format!("{source} {source:?}"));
    let printed = format!("{error} {error:?} {source:?}");
    for secret in secrets {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_within_two_seconds() {
    let url = format!("mongodb://user:hunter22@127.0.0.1:{}/app", free_port());
    let begun = Instant::now();
    let error = MongoStore::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(4));
    says_nothing_of(&error, &["hunter22", "127.0.0.1"]);
    let error = AnyStore::connect(&url).await.unwrap_err();
    assert!(matches!(error, ConnectError::Store("mongodb", _)));
}

#[tokio::test]
async fn what_is_no_url_is_invalid() {
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
async fn what_another_secret_sealed_is_corrupt() {
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
            // The driver looks at its server by itself, and is not to be counted.
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
