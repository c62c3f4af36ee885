//! V2: the note that an id is retired.

use testbed::{Redis, RedisOptions as Server, RedisProgram};

use super::super::{RedisOptions, RedisStore};
use super::entry_of;
use crate::id::SessionId;
use crate::store::{CasOutcome, RetiredId, Store as _};

fn number(said: &str) -> i64 {
    said[1..].trim_end().parse().unwrap()
}

#[tokio::test]
async fn v2_the_note_of_a_retired_id_lies_in_redis_for_a_minute() {
    for (program, mixed) in [
        (RedisProgram::Redis, false),
        (RedisProgram::Valkey8, false),
        (RedisProgram::Valkey9, false),
        (RedisProgram::Redis, true),
    ] {
        let redis = Redis::with(Server {
            program,
            ..Server::default()
        });
        let options = RedisOptions::default().mixed_fleet(mixed);
        let store = RedisStore::connect_options(&redis.url(), options)
            .await
            .unwrap();
        let (old, new, entry) = (SessionId::random(), SessionId::random(), entry_of(None));
        store.create(&old, &entry).await.unwrap();
        let renewed = RetiredId::Renewed("successor".to_owned());
        let replacing = store.replace(&old, Some(&entry.text), &new, &entry, &renewed);
        assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
        let note = |id: &SessionId| format!("retired:{{sess:{}}}", id.expose());
        assert_eq!(redis.command(&["GET", &note(&old)]), "$9\r\nsuccessor\r\n");
        let left = number(&redis.command(&["PTTL", &note(&old)]));
        assert!((55_000..=60_000).contains(&left), "{left}");
        // A reason that is stored already is not written again, and not for longer.
        redis.command(&["PEXPIRE", &note(&old), "30000"]);
        assert!(!store.retire(&old).await.unwrap());
        assert!(number(&redis.command(&["PTTL", &note(&old)])) <= 30_000);
        assert!(store.retire(&new).await.unwrap());
        let left = number(&redis.command(&["PTTL", &note(&new)]));
        assert!((55_000..=60_000).contains(&left), "{left}");
        assert_eq!(redis.command(&["KEYS", "sess:*"]), "*0\r\n");
        redis.command(&["DEL", &note(&old)]);
        assert_eq!(store.retired(&old).await.unwrap(), None);
    }
}

/// An empty prefix matches every key, and so may one that a note's name begins with.
#[tokio::test]
async fn v2_a_note_is_no_session_whatever_the_prefix() {
    let redis = Redis::start();
    for prefix in ["", "r", "retired:"] {
        redis.command(&["FLUSHALL"]);
        let options = RedisOptions::default().prefix(prefix).mixed_fleet(true);
        let store = RedisStore::connect_options(&redis.url(), options)
            .await
            .unwrap();
        let (old, new, entry) = (SessionId::random(), SessionId::random(), entry_of(None));
        store.create(&old, &entry).await.unwrap();
        let replacing = store.replace(&old, None, &new, &entry, &RetiredId::Closed);
        assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
        assert_eq!(store.scan(None, 10).await.unwrap().ids, [new], "{prefix:?}");
        assert_eq!(store.count().await.unwrap(), 1);
    }
}

#[tokio::test]
async fn v2_a_user_who_may_not_write_notes_signs_in_and_out_without_them() {
    let redis = Redis::start();
    for (name, keys, retires) in [
        ("old", "~sess:* ~user:* ~tomb:*", false),
        ("new", "~sess:* ~user:* ~tomb:* ~retired:*", true),
    ] {
        let rights = format!("{keys} +@read +@write +@scripting +@connection");
        let mut command = vec!["ACL", "SETUSER", name, "on", ">pw"];
        command.extend(rights.split(' '));
        assert_eq!(redis.command(&command), "+OK\r\n");
        let url = redis
            .url()
            .replace("redis://", &format!("redis://{name}:pw@"));
        for mixed in [false, true] {
            let options = RedisOptions::default().mixed_fleet(mixed);
            let store = RedisStore::connect_options(&url, options).await.unwrap();
            let (old, new) = (SessionId::random(), SessionId::random());
            let entry = entry_of(Some("ada"));
            store.create(&old, &entry).await.unwrap();
            let replacing =
                store.replace(&old, Some(&entry.text), &new, &entry, &RetiredId::Closed);
            assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
            assert_eq!(store.retired(&old).await.unwrap().is_some(), retires);
            assert!(store.retire(&new).await.unwrap());
            assert_eq!(store.get(&new).await.unwrap(), None);
            assert_eq!(store.retired(&new).await.unwrap().is_some(), retires);
        }
        if retires {
            // If the right is revoked later, the error names it.
            let store = RedisStore::connect(&url).await.unwrap();
            let keys = ["resetkeys", "~sess:*", "~user:*", "~tomb:*"];
            redis.command(&[&["ACL", "SETUSER", name], &keys[..]].concat());
            let error = store.retire(&SessionId::random()).await.unwrap_err();
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains("~retired:*"), "{source}");
        }
    }
}
