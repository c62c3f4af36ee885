//! Keys that other programs change, and servers that refuse.

use std::time::Duration;

use testbed::{Redis, RedisOptions as Server, RedisProgram};

use super::super::{RedisOptions, RedisStore};
use super::entry_of;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::{NewRecord, RetiredId, Store, StoreErrorKind};

#[tokio::test]
async fn the_index_outlives_a_session_that_express_prolongs() {
    let redis = Redis::start();
    let store = RedisStore::connect_options(
        &redis.url(),
        RedisOptions::default()
            .mixed_fleet(true)
            .express_indexes(true),
    )
    .await
    .unwrap();
    let id = SessionId::random();
    let key = format!("sess:{}", id.expose());
    redis.command(&["SADD", "user:ada:sessions", id.expose()]);
    redis.command(&["EXPIRE", "user:ada:sessions", "2"]);
    redis.command(&["SET", &key, &entry_of(Some("ada")).text, "EX", "2"]);
    store.get(&id).await.unwrap().unwrap();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        // Express touches, and we read.
        redis.command(&["EXPIRE", &key, "2"]);
        store.get(&id).await.unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        store.destroy_by_user("ada", None).await.unwrap(),
        1,
        "it lives on after a logout everywhere"
    );
}

#[tokio::test]
async fn what_express_brings_back_does_not_outlive_its_tombstone() {
    let redis = Redis::start();
    let store =
        RedisStore::connect_options(&redis.url(), RedisOptions::default().mixed_fleet(true))
            .await
            .unwrap();
    let (id, entry) = (SessionId::random(), entry_of(Some("ada")));
    let key = format!("sess:{}", id.expose());
    store.create(&id, &entry).await.unwrap();
    store.destroy(&id).await.unwrap();
    redis.command(&["SET", &key, &entry.text, "EX", "86400"]);
    assert_eq!(store.get(&id).await.unwrap(), None);
    tokio::time::sleep(Duration::from_millis(100)).await;
    // A quarter of an hour passes.
    redis.command(&["DEL", &format!("tomb:{{{key}}}")]);
    assert_eq!(redis.command(&["EXISTS", &key]), ":0\r\n");
    assert_eq!(
        store.get(&id).await.unwrap(),
        None,
        "signed in again a quarter of an hour after the logout"
    );
}

#[tokio::test]
async fn a_refused_write_has_changed_nothing() {
    let server = Redis::with(Server {
        program: RedisProgram::Valkey9,
        ..Server::default()
    });
    server.command(&["ACL", "SETUSER", "app", "on", ">pw", "~sess:*", "+@all"]);
    let url = server.url().replace("redis://", "redis://app:pw@");
    let store = RedisStore::connect(&url).await.unwrap();
    assert!(
        store
            .0
            .scripts
            .compares
            .load(std::sync::atomic::Ordering::Relaxed)
    );
    let (id, entry) = (SessionId::random(), entry_of(None));
    store.create(&id, &entry).await.unwrap();
    let next = entry_of(Some("ada"));
    let error = store.update(&id, &entry.text, &next).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert_eq!(
        store.get(&id).await.unwrap().unwrap().text,
        entry.text,
        "refused, and written all the same, outside the index"
    );
}

#[tokio::test]
async fn an_index_of_another_type_is_no_corrupt_session() {
    for program in [
        RedisProgram::Redis,
        RedisProgram::Valkey8,
        RedisProgram::Valkey9,
    ] {
        let server = Redis::with(Server {
            program,
            ..Server::default()
        });
        let store = RedisStore::connect(&server.url()).await.unwrap();
        server.command(&["HSET", "user:ada:sessions", "a", "b"]);
        let (id, entry) = (SessionId::random(), entry_of(None));
        store.create(&id, &entry).await.unwrap();
        let error = store
            .update(&id, &entry.text, &entry_of(Some("ada")))
            .await
            .unwrap_err();
        let now = store.get(&id).await.unwrap().unwrap().text;
        assert_eq!(
            (error.kind(), now),
            (StoreErrorKind::Unavailable, entry.text),
            "{program:?}"
        );
    }
}

#[tokio::test]
async fn a_session_without_an_end_is_stored() {
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    for millis in [i64::MAX, i64::MAX / 2, 253_402_300_799_000] {
        let id = SessionId::random();
        let entry = NewRecord {
            expires: Timestamp::from_millis(millis),
            ..entry_of(Some("ada"))
        };
        store.create(&id, &entry).await.unwrap_or_else(|e| {
            panic!(
                "{millis}: {:?}",
                std::error::Error::source(&e).unwrap().to_string()
            )
        });
    }
}

#[tokio::test]
async fn scan_skips_resurrected_sessions() {
    let redis = Redis::start();
    let store =
        RedisStore::connect_options(&redis.url(), RedisOptions::default().mixed_fleet(true))
            .await
            .unwrap();
    let (id, entry) = (SessionId::random(), entry_of(Some("ada")));
    store.create(&id, &entry).await.unwrap();
    store.destroy(&id).await.unwrap();
    redis.command(&[
        "SET",
        &format!("sess:{}", id.expose()),
        &entry.text,
        "EX",
        "86400",
    ]);
    assert_eq!(store.count().await.unwrap(), 0);
    assert_eq!(store.scan(None, 10).await.unwrap().ids, []);
}

/// A late save by Express gives a session its whole lifetime again: the tombstone stands longer, whatever was
/// left of the session when it ended.
#[tokio::test]
async fn tombstone_outlives_sessions_that_express_resurrects() {
    let redis = Redis::start();
    let options = RedisOptions::default().mixed_fleet(true);
    let store = RedisStore::connect_options(&redis.url(), options)
        .await
        .unwrap();
    for (age, at_least) in [("null", 86_400), ("2592000000", 2_592_000)] {
        let (id, new) = (SessionId::random(), SessionId::random());
        let entry = NewRecord {
            text: format!(r#"{{"cookie":{{"originalMaxAge":{age},"path":"/"}}}}"#).into(),
            ..entry_of(None)
        };
        store.create(&id, &entry).await.unwrap();
        store
            .replace(&id, None, &new, &entry, &RetiredId::Closed)
            .await
            .unwrap();
        store.destroy(&new).await.unwrap();
        for id in [&id, &new] {
            let left = redis.command(&["TTL", &store.0.keys.tomb(id)]);
            let left: i64 = left[1..].trim_end().parse().unwrap();
            assert!(left > at_least + 880, "{age}: {left}");
        }
    }
}

/// W9: a visitor's data contain what looks like a cookie's age, in every place that is not the cookie.
#[tokio::test]
async fn w9_only_the_cookies_own_age_prolongs_a_tombstone() {
    let redis = Redis::start();
    let options = RedisOptions::default().mixed_fleet(true);
    let store = RedisStore::connect_options(&redis.url(), options)
        .await
        .unwrap();
    let (day, year) = (86_400, 34_560_000);
    #[rustfmt::skip]
    let table = [
        (r#"{"cookie":{"originalMaxAge":60000},"x":{"originalMaxAge":34560000000}}"#, day),
        (r#"{"cookie":{"originalMaxAge":60000},"originalMaxAge":34560000000}"#, day),
        (r#"{"originalMaxAge":34560000000,"cookie":{"originalMaxAge":60000}}"#, day),
        (r#"{"x":{"cookie":{"originalMaxAge":34560000000}},"cookie":{"originalMaxAge":60000}}"#, day),
        (r#"{"x":[{"cookie":{"originalMaxAge":34560000000}}],"cookie":{"path":"/"}}"#, day),
        (r#"{"cookie":{"x":{"originalMaxAge":34560000000},"originalMaxAge":60000}}"#, day),
        (r#"{"x":"\",\"cookie\":{\"originalMaxAge\":34560000000}","cookie":{"originalMaxAge":null}}"#, day),
        (r#"{"x":"cookie","y":["cookie",{"originalMaxAge":34560000000}],"cookie":{"originalMaxAge":60000}}"#, day),
        (r#"{"x":"}}{[\\","cookie":{"originalMaxAge":34560000000}}"#, year),
        (r#"{"x":"\ud800","cookie":{"path":"/","originalMaxAge":34560000000}}"#, year),
        (r#" { "cookie" : { "originalMaxAge" : 34560000000 } } "#, year),
        (r#"{"cookie":{"originalMaxAge":1e99}}"#, year),
        (r#"{"cookie":{"originalMaxAge":-60000}}"#, day),
        (r#"{"cookie":{"originalMaxAge":"34560000000"}}"#, day),
        (r#"{"cookie":"originalMaxAge","x":{"originalMaxAge":34560000000}}"#, day),
        (r#"["cookie",{"originalMaxAge":34560000000}]"#, day),
        (r#""cookie":{"originalMaxAge":34560000000}"#, day),
        (r#"{"x":{"cookie":{"originalMaxAge":34560000000"#, day),
        ("{", day),
        ("", day),
    ];
    for (text, lasts) in table {
        let id = SessionId::random();
        redis.command(&["SET", &format!("sess:{}", id.expose()), text, "EX", "60"]);
        store.destroy(&id).await.unwrap();
        let left = redis.command(&["TTL", &store.0.keys.tomb(&id)]);
        let left: i64 = left[1..].trim_end().parse().unwrap();
        let allowed = lasts + 880..=lasts + 900;
        assert!(allowed.contains(&left), "{text}: {left}");
    }
}
