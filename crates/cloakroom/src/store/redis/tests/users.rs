//! The index of each user's sessions, and Express's writes beside ours.

use std::time::Duration;

use testbed::{Redis, RedisCluster};

use super::super::RedisStore;
use super::options;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::{CasOutcome, NewRecord, RetiredId, Store, StoreErrorKind};

fn entry_of(user: &str) -> NewRecord {
    NewRecord {
        text: format!(r#"{{"cookie":{{"path":"/"}},"userId":"{user}"}}"#).into(),
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_mins(1)),
        users: vec![user.into()],
    }
}

#[tokio::test]
async fn a_session_of_express_is_in_the_index_once_it_was_read() {
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    let (id, text) = (SessionId::random(), entry_of("ada").text);
    let key = format!("sess:{}", id.expose());
    redis.command(&["SET", &key, &text, "EX", "60"]);
    store.get(&id).await.unwrap().unwrap();
    for _ in 0..100 {
        if store.list_by_user("ada").await.unwrap() == [id.clone()] {
            assert_eq!(store.destroy_by_user("ada", None).await.unwrap(), 1);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is not in the index");
}

#[tokio::test]
async fn the_index_lives_as_long_as_its_sessions_and_absent_ones_stay_in_it_for_a_while() {
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    let index = "user:ada:sessions";
    let (short, long) = (SessionId::random(), SessionId::random());
    let later = NewRecord {
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_hours(1)),
        ..entry_of("ada")
    };
    store.create(&long, &later).await.unwrap();
    store.create(&short, &entry_of("ada")).await.unwrap();
    assert_eq!(redis.command(&["TTL", index]), ":4500\r\n");
    redis.command(&["DEL", &format!("sess:{}", long.expose())]);
    for _ in 0..3 {
        assert_eq!(
            store.list_by_user("ada").await.unwrap(),
            std::slice::from_ref(&short)
        );
    }
    // It cannot be told from one whose login is under way.
    assert_eq!(redis.command(&["SCARD", index]), ":2\r\n");
    assert_eq!(store.destroy_by_user("ada", None).await.unwrap(), 1);
    assert_eq!(
        redis.command(&["SMEMBERS", index]).matches("\r\n").count(),
        3
    );
    assert_eq!(
        redis.command(&["SISMEMBER", index, long.expose()]),
        ":1\r\n"
    );
}

#[tokio::test]
async fn what_express_brings_back_is_refused() {
    for (url, _alive) in [
        (Redis::shared().url(), ()),
        (RedisCluster::shared().url(), ()),
    ] {
        let store = RedisStore::connect_options(&url, options().mixed_fleet(true))
            .await
            .unwrap();
        let (id, new) = (SessionId::random(), SessionId::random());
        let entry = entry_of("ada");
        store.create(&id, &entry).await.unwrap();
        store.create(&new, &entry).await.unwrap();
        store.destroy(&id).await.unwrap();
        let resaved = async |id: &SessionId| {
            let mut set = redis::cmd("SET");
            set.arg(store.0.keys.session(id))
                .arg(&*entry.text)
                .arg("EX")
                .arg(60);
            store
                .0
                .link
                .send(
                    &set.into(),
                    super::super::connection::error::Idempotency::NotIdempotent,
                )
                .await
                .unwrap();
        };
        resaved(&id).await;
        assert_eq!(store.get(&id).await.unwrap(), None);
        // A read removes it: each of the other methods has to refuse it by itself.
        resaved(&id).await;
        assert_eq!(
            store.update(&id, &entry.text, &entry).await.unwrap(),
            CasOutcome::NotFound
        );
        assert!(!store.touch(&id, &entry.text, &entry).await.unwrap());
        assert_eq!(
            store.create(&id, &entry).await.unwrap_err().kind(),
            StoreErrorKind::IdTaken
        );
        let to = SessionId::random();
        assert_eq!(
            store
                .replace(&id, Some(&entry.text), &to, &entry, &RetiredId::Closed)
                .await
                .unwrap(),
            CasOutcome::NotFound
        );
        assert_eq!(store.get(&to).await.unwrap(), None);
        assert!(!store.destroy(&id).await.unwrap());
        resaved(&id).await;
        assert_eq!(
            store.list_by_user("ada").await.unwrap(),
            std::slice::from_ref(&new)
        );
        // Also those that a logout everywhere and a change of id have ended.
        let newer = SessionId::random();
        store
            .replace(&new, None, &newer, &entry, &RetiredId::Closed)
            .await
            .unwrap();
        assert_eq!(store.destroy_by_user("ada", None).await.unwrap(), 1);
        for id in [&new, &newer] {
            resaved(id).await;
            assert_eq!(store.get(id).await.unwrap(), None);
        }
    }
}

/// A session that keeps changing its id is caught as well, here and in a cluster; a login from outside goes
/// on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_that_keeps_changing_its_id_is_ended_with_the_others() {
    for url in [Redis::shared().url(), RedisCluster::shared().url()] {
        let store = RedisStore::connect_options(&url, options()).await.unwrap();
        for _ in 0..3 {
            let entry = entry_of("ada");
            let mut id = SessionId::random();
            store.create(&id, &entry).await.unwrap();
            let (moving, of) = (store.clone(), entry.clone());
            let moves = tokio::spawn(async move {
                loop {
                    let new = SessionId::random();
                    let moved = moving
                        .replace(&id, Some(&of.text), &new, &of, &RetiredId::Closed)
                        .await;
                    match moved.unwrap() {
                        CasOutcome::Stored => id = new,
                        _ => return,
                    }
                }
            });
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(store.destroy_by_user("ada", None).await.unwrap() > 0);
            moves.await.unwrap();
            assert_eq!(store.list_by_user("ada").await.unwrap(), []);
            // Another session may become the user's meanwhile.
            let (visitor, new) = (SessionId::random(), SessionId::random());
            let anonymous = NewRecord {
                text: r#"{"cookie":{"path":"/"}}"#.into(),
                users: Vec::new(),
                ..entry.clone()
            };
            store.create(&visitor, &anonymous).await.unwrap();
            let login = store.replace(
                &visitor,
                Some(&anonymous.text),
                &new,
                &entry,
                &RetiredId::Closed,
            );
            assert_eq!(login.await.unwrap(), CasOutcome::Stored);
            assert_eq!(store.destroy_by_user("ada", None).await.unwrap(), 1);
        }
    }
}
