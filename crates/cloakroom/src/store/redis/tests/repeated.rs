//! Ends that are repeated under difficult conditions; and ends that replicas must have.

use std::time::{Duration, Instant};

use testbed::{Redis, RedisOptions as Server, RedisProgram};

use super::super::{RedisOptions, RedisStore};
use super::{entry_of, options};
use crate::id::SessionId;
use crate::store::{CasOutcome, NewRecord, RetiredId, Store, StoreErrorKind};

/// Shorter than sessions live here.
const LIMIT: Duration = Duration::from_secs(40);

fn server(arguments: &[&str]) -> Redis {
    Redis::with(Server {
        arguments: arguments.iter().map(ToString::to_string).collect(),
        ..Server::default()
    })
}

async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < LIMIT, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn key(id: &SessionId) -> String {
    format!("sess:{}", id.expose())
}

/// Saves a snapshot, from which the next start restores.
fn save(redis: &Redis) {
    assert_eq!(redis.command(&["SAVE"]), "+OK\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_end_that_a_server_refuses_to_repeat_stays_in_force_here() {
    let mut redis = Redis::start();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    let (id, other) = (SessionId::random(), SessionId::random());
    store.create(&id, &entry_of(None)).await.unwrap();
    store.create(&other, &entry_of(None)).await.unwrap();
    save(&redis);
    store.destroy(&id).await.unwrap();
    redis.restart_with(&["--min-replicas-to-write", "1"]);
    assert_eq!(store.get(&id).await.unwrap(), None, "given out again");
    assert_eq!(
        store.expiries(&[id.clone(), other.clone()]).await.unwrap()[0],
        None
    );
    assert!(store.get(&other).await.unwrap().is_some());
    assert_eq!(redis.command(&["EXISTS", &key(&id)]), ":1\r\n");
    redis.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    until("it is ended once the server lets us", || {
        redis.command(&["EXISTS", &key(&id)]) == ":0\r\n"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_all_ends_are_repeated_without_the_right_to_identify_the_server() {
    let mut redis = Redis::start();
    let acl =
        "--user app on >pw ~sess:* ~user:* ~retired:* +@read +@write +@scripting +@connection";
    let acl: Vec<&str> = acl.split(' ').collect();
    redis.restart_with(&acl);
    let url = redis.url().replace("redis://", "redis://app:pw@");
    let store = RedisStore::connect(&url).await.unwrap();
    for _ in 0..2 {
        let id = SessionId::random();
        store.create(&id, &entry_of(None)).await.unwrap();
        save(&redis);
        store.destroy(&id).await.unwrap();
        redis.restart_with(&acl);
        until("it is ended again", || {
            redis.command(&["EXISTS", &key(&id)]) == ":0\r\n"
        })
        .await;
        assert_eq!(store.get(&id).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_retired_ids_and_tombstones_are_restored() {
    let mut redis = Redis::start();
    let options = RedisOptions::default().mixed_fleet(true);
    let store = RedisStore::connect_options(&redis.url(), options)
        .await
        .unwrap();
    let (old, new, closed) = (
        SessionId::random(),
        SessionId::random(),
        SessionId::random(),
    );
    let entry = entry_of(None);
    store.create(&old, &entry).await.unwrap();
    store.create(&closed, &entry).await.unwrap();
    save(&redis);
    let renewed = RetiredId::Renewed("successor".to_owned());
    store
        .replace(&old, Some(&entry.text), &new, &entry, &renewed)
        .await
        .unwrap();
    store.retire(&closed).await.unwrap();
    redis.restart();
    assert_eq!(store.get(&old).await.unwrap(), None);
    assert_eq!(store.retired(&old).await.unwrap(), Some(renewed));
    assert_eq!(
        store.retired(&closed).await.unwrap(),
        Some(RetiredId::Closed)
    );
    for id in [&old, &closed] {
        let left = redis.command(&["PTTL", &format!("retired:{{{}}}", key(id))]);
        let left: i64 = left[1..].trim_end().parse().unwrap();
        assert!(
            left <= 60_000,
            "known for longer than a minute after its end: {left}"
        );
        // Express resurrects it after that.
        redis.command(&["SET", &key(id), &entry.text, "EX", "60"]);
        assert_eq!(store.get(id).await.unwrap(), None, "its mark is gone");
    }
}

/// A server that restarts has an older index as well: what was cached of it does not hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_session_is_entered_again_into_an_index_that_was_lost() {
    let mut redis = Redis::start();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    let (id, entry) = (SessionId::random(), entry_of(Some("ada")));
    store.create(&id, &entry).await.unwrap();
    redis.command(&["DEL", "user:ada:sessions"]);
    save(&redis);
    redis.restart();
    // The connection is renewed.
    assert_eq!(store.get(&SessionId::random()).await.unwrap(), None);
    let written = store.update(&id, &entry.text, &entry).await.unwrap();
    assert_eq!(written, CasOutcome::Stored);
    assert_eq!(store.list_by_user("ada").await.unwrap(), [id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_ends_out_of_the_bound_are_not_repeated() {
    let mut redis = Redis::start();
    let bounded = RedisOptions::default().replay_ends(Duration::from_mins(1), 3);
    let store = RedisStore::connect_options(&redis.url(), bounded)
        .await
        .unwrap();
    let ids: Vec<SessionId> = (0..5).map(|_| SessionId::random()).collect();
    for id in &ids {
        store.create(id, &entry_of(None)).await.unwrap();
    }
    save(&redis);
    for id in &ids {
        store.destroy(id).await.unwrap();
    }
    redis.restart();
    let mut back = Vec::new();
    for id in &ids {
        back.push(store.get(id).await.unwrap().is_some());
    }
    assert_eq!(back, [true, true, false, false, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_all_sessions_of_a_user_end_on_a_full_server_and_express_resurrects_none() {
    for program in [
        RedisProgram::Redis,
        RedisProgram::Valkey8,
        RedisProgram::Valkey9,
    ] {
        let redis = Redis::with(Server {
            program,
            ..Server::default()
        });
        let mixed = RedisOptions::default().mixed_fleet(true);
        let store = RedisStore::connect_options(&redis.url(), mixed)
            .await
            .unwrap();
        let (entry, mut ids) = (entry_of(Some("ada")), Vec::new());
        for _ in 0..3 {
            let id = SessionId::random();
            store.create(&id, &entry).await.unwrap();
            ids.push(id);
        }
        let alone = SessionId::random();
        store.create(&alone, &entry_of(None)).await.unwrap();
        redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
        let error = store
            .create(&SessionId::random(), &entry)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "it is not full");
        assert_eq!(store.destroy_by_user("ada", None).await.unwrap(), 3);
        assert!(store.retire(&alone).await.unwrap());
        store.0.raise_fence("ada").await.unwrap();
        redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
        for id in ids.iter().chain([&alone]) {
            redis.command(&["SET", &key(id), &entry.text, "EX", "60"]);
            assert_eq!(store.get(id).await.unwrap(), None, "{program:?}");
        }
    }
}

/// Starts a primary and its replica, in sync.
async fn pair() -> (Redis, Redis) {
    let primary = server(&["--repl-diskless-sync-delay", "0"]);
    let replica = server(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
    until("the replica is in step", || {
        primary
            .command(&["INFO", "replication"])
            .contains("state=online")
    })
    .await;
    (primary, replica)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r3_an_end_that_too_few_replicas_have_is_not_reported_as_done() {
    let (primary, replica) = pair().await;
    let waits = options().wait_replicas(1);
    // However busy the machine is, a reachable replica answers within this.
    let patient = waits
        .clone()
        .response_timeout(LIMIT * 2)
        .wait_timeout(LIMIT);
    let store = RedisStore::connect_options(&primary.url(), patient)
        .await
        .unwrap();
    let entry = NewRecord {
        users: Vec::new(),
        ..entry_of(None)
    };
    let ids: Vec<SessionId> = (0..5).map(|_| SessionId::random()).collect();
    for id in &ids {
        store.create(id, &entry).await.unwrap();
    }
    // While it is reachable, all is well.
    assert!(store.destroy(&ids[0]).await.unwrap());
    assert!(store.retire(&ids[1]).await.unwrap());
    let key = store.0.keys.session(&ids[1]);
    assert_eq!(replica.command(&["EXISTS", &key]), ":0\r\n");
    // A replica that receives nothing more.
    replica.signal("STOP");
    let waits = waits.wait_timeout(Duration::from_millis(500));
    let store = RedisStore::connect_options(&primary.url(), waits.clone())
        .await
        .unwrap();
    for id in &ids[2..4] {
        let error = store.destroy(id).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unknown);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("wait_replicas"), "{source}");
        assert_eq!(
            store.get(id).await.unwrap(),
            None,
            "the primary has ended it"
        );
    }
    // Other writes go on, and do not wait.
    let written = store.update(&ids[4], &entry.text, &entry).await.unwrap();
    assert_eq!(written, CasOutcome::Stored);
    let all = RedisStore::connect_options(&primary.url(), waits.wait_for_writes(true))
        .await
        .unwrap();
    let error = all.update(&ids[4], &entry.text, &entry).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown);
    replica.signal("CONT");
    let begin = Instant::now();
    while let Err(error) = store.destroy(&ids[4]).await {
        assert!(begin.elapsed() < LIMIT, "{error:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn r3_a_url_that_names_replicas_waits_for_them() {
    let redis = Redis::start();
    let store = RedisStore::connect(&format!("{}?wait_replicas=1", redis.url()))
        .await
        .unwrap();
    let id = SessionId::random();
    store.create(&id, &entry_of(None)).await.unwrap();
    let error = store.destroy(&id).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown, "there is no replica");
}
