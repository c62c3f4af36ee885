//! The server in all its forms: behind a path, a password, TLS, Sentinel; gone and back; holding keys that
//! are no sessions.

use std::process::Command;
use std::time::{Duration, Instant};

use testbed::{Proxy, Redis, RedisOptions as Server, Sentinels, directory};

use super::super::{RedisOptions, RedisStore};
use super::options;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::{
    AnyStore, CasOutcome, NewRecord, RetiredId, Store, StoreErrorKind, StoreOptions,
};

fn entry(data: &str) -> NewRecord {
    NewRecord {
        text: format!(r#"{{"cookie":{{"originalMaxAge":null,"expires":null,"path":"/"}}{data}}}"#)
            .into(),
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_mins(1)),
        users: Vec::new(),
    }
}

/// Stores and finds a session.
async fn works(store: &RedisStore) -> SessionId {
    let (id, entry) = (SessionId::random(), entry(""));
    store.create(&id, &entry).await.unwrap();
    assert_eq!(store.get(&id).await.unwrap().unwrap().text, entry.text);
    id
}

#[tokio::test]
async fn the_key_is_connect_redis_s_in_the_database_of_the_url() {
    let redis = Redis::start();
    let store = RedisStore::connect(&format!("{}/5", redis.url()))
        .await
        .unwrap();
    let id = works(&store).await;
    let key = format!("sess:{}", id.expose());
    assert_eq!(redis.command(&["EXISTS", &key]), ":0\r\n");
    assert!(redis.command(&["INFO", "keyspace"]).contains("db5:keys=1"));
    let options = StoreOptions {
        prefix: Some("other:".into()),
        ..StoreOptions::default()
    };
    let any = AnyStore::connect_with(&redis.url(), &options)
        .await
        .unwrap();
    any.create(&id, &entry("")).await.unwrap();
    let key = format!("other:{}", id.expose());
    assert_eq!(redis.command(&["TTL", &key]), ":60\r\n");
}

#[tokio::test]
async fn a_socket_and_a_user_of_few_rights_are_enough() {
    let socket = directory().leave().join("redis.sock");
    let path = socket.to_str().unwrap();
    let redis = Redis::with(Server {
        arguments: vec!["--unixsocket".into(), path.into()],
        ..Server::default()
    });
    works(
        &RedisStore::connect(&format!("redis+unix://{path}"))
            .await
            .unwrap(),
    )
    .await;
    let said = redis.command(&[
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">pw",
        "~sess:*",
        "~user:*",
        "+@read",
        "+@write",
        "+@scripting",
        "+@connection",
    ]);
    assert_eq!(said, "+OK\r\n");
    let url = redis.url().replace("redis://", "redis://app:pw@");
    let store = RedisStore::connect(&url).await.unwrap();
    let id = works(&store).await;
    assert!(store.destroy(&id).await.unwrap());
    // If it may not use the sessions' keys, connecting fails.
    let elsewhere = RedisOptions::default().prefix("other:");
    let error = RedisStore::connect_options(&url, elsewhere)
        .await
        .unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("grant ~sess:*"), "{source}");
    redis.command(&["ACL", "SETUSER", "app", "resetkeys", "~user:*"]);
    let error = store.create(&id, &entry("")).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("NOPERM"), "{source}");
    redis.command(&["ACL", "SETUSER", "app", "~sess:*"]);
    let wrong = url.replace(":pw@", ":hunter2@");
    let error = RedisStore::connect(&wrong).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(!source.contains("hunter2"), "{source}");
    assert!(source.starts_with("cannot connect"), "{source}");
}

#[tokio::test]
async fn tls_is_checked() {
    let directory = directory();
    let openssl = |words: &str| {
        let made = Command::new("openssl")
            .args(words.split_whitespace())
            .current_dir(&*directory)
            .output()
            .expect("openssl is part of Debian");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
    };
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
         -keyout key.pem -out cert.pem -subj /CN=localhost \
         -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE",
    );
    let port = testbed::free_port().to_string();
    let path = |name: &str| directory.join(name).display().to_string();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let _redis = Redis::with(Server {
        arguments: [
            "--tls-port",
            &port,
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &certificate,
            "--tls-auth-clients",
            "no",
        ]
        .map(str::to_owned)
        .into(),
        ..Server::default()
    });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("rediss://localhost:{port}");
    let trusted = RedisOptions::default().root_certificate(std::fs::read(&certificate).unwrap());
    works(&RedisStore::connect_options(&url, trusted).await.unwrap()).await;
    // An unknown authority.
    assert!(RedisStore::connect(&url).await.is_err());
}

#[tokio::test]
async fn a_server_that_was_away_is_found_again() {
    let mut redis = Redis::with(Server {
        durable: true,
        ..Server::default()
    });
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    let id = works(&store).await;
    redis.process().kill();
    let error = store.get(&id).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    redis.restart();
    // The first write after it, as well: a request that was not sent is not in doubt.
    let read = entry("").text;
    let written = store.update(&id, &read, &entry(r#","a":1"#)).await.unwrap();
    assert_eq!(written, CasOutcome::Stored);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_never_a_success_and_never_repeated() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let options = RedisOptions::default().response_timeout(Duration::from_millis(300));
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let store = RedisStore::connect_options(&url, options).await.unwrap();
    let id = works(&store).await;
    // Scripts are loaded at their first use.
    store
        .update(&id, &entry("").text, &entry(""))
        .await
        .unwrap();
    proxy.lose_answers(true);
    let (read, next) = (entry("").text, entry(r#","a":1"#));
    let pace = testbed::pace();
    let error = store.update(&id, &read, &next).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown);
    assert!(pace.is_within(Duration::from_secs(1)), "{pace}");
    proxy.lose_answers(false);
    // It was executed, once.
    assert_eq!(store.get(&id).await.unwrap().unwrap().text, next.text);
}

#[tokio::test]
async fn one_round_trip_each() {
    for mixed in [false, true] {
        for server in [Redis::shared(), Redis::shared_valkey()] {
            let proxy = Proxy::to(server.port());
            let url = format!("redis://127.0.0.1:{}", proxy.port());
            let store = RedisStore::connect_options(&url, options().mixed_fleet(mixed))
                .await
                .unwrap();
            let user = NewRecord {
                users: vec!["ada".into()],
                ..entry(r#","userId":"ada""#)
            };
            // Scripts are loaded at their first use.
            let warm = works(&store).await;
            store.touch(&warm, &user.text, &user).await.unwrap();
            store.update(&warm, &entry("").text, &user).await.unwrap();
            store
                .replace(&warm, None, &SessionId::random(), &user, &RetiredId::Closed)
                .await
                .unwrap();
            store.destroy(&warm).await.unwrap();
            let (id, new) = (SessionId::random(), SessionId::random());
            let mut trips = Vec::new();
            proxy.take_trips();
            store.create(&id, &user).await.unwrap();
            trips.push(proxy.take_trips());
            store.get(&id).await.unwrap();
            trips.push(proxy.take_trips());
            store.update(&id, &user.text, &user).await.unwrap();
            trips.push(proxy.take_trips());
            store.touch(&id, &user.text, &user).await.unwrap();
            trips.push(proxy.take_trips());
            store
                .replace(&id, Some(&user.text), &new, &user, &RetiredId::Closed)
                .await
                .unwrap();
            trips.push(proxy.take_trips());
            store.destroy(&new).await.unwrap();
            trips.push(proxy.take_trips());
            assert_eq!(
                trips, [1; 6],
                "create, get, update, touch, replace, destroy"
            );
        }
    }
}

#[tokio::test]
async fn a_failover_is_followed() {
    let mut sentinels = Sentinels::start();
    let store = RedisStore::connect(&sentinels.url()).await.unwrap();
    let id = works(&store).await;
    // The replica has it before the primary goes.
    tokio::time::sleep(Duration::from_millis(300)).await;
    sentinels.servers()[0].process().kill();
    let begin = Instant::now();
    while store.get(&id).await.is_err() {
        assert!(begin.elapsed() < Duration::from_mins(2), "no failover");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(store.get(&id).await.unwrap().is_some());
    works(&store).await;
}

/// For up to two seconds after a failover one sentinel alone knows of it: whoever is asked, and answers, first.
#[tokio::test]
async fn of_two_primaries_the_one_elected_later_is_connected_to() {
    let mut sentinels = Sentinels::of_two_elections();
    let url = sentinels.url();
    let (hosts, name) = url["redis+sentinel://".len()..].split_once('/').unwrap();
    let (one, other) = hosts.split_once(',').unwrap();
    for hosts in [[one, other], [other, one]] {
        let url = format!("redis+sentinel://{}/{name}", hosts.join(","));
        for _ in 0..10 {
            let store = RedisStore::connect_options(&url, options()).await.unwrap();
            works(&store).await;
        }
    }
    let counts: Vec<String> = sentinels
        .servers()
        .iter()
        .map(|server| server.command(&["DBSIZE"]))
        .collect();
    assert_eq!(counts, [":0\r\n", ":20\r\n"]);
}

mod behind_sentinels {
    use super::*;
    use crate::store::conformance::{self, Subject};
    use std::sync::OnceLock;

    async fn subject() -> Subject {
        static SENTINELS: OnceLock<Sentinels> = OnceLock::new();
        let sentinels = SENTINELS.get_or_init(Sentinels::start);
        Subject::new(
            RedisStore::connect_options(&sentinels.url(), options())
                .await
                .unwrap(),
        )
    }

    conformance::suite!(subject().await);
}

#[tokio::test]
async fn foreign_values_are_corrupt_and_affect_no_other_session() {
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    let (odd, bytes, own) = (
        SessionId::random(),
        SessionId::random(),
        works(&store).await,
    );
    redis.command(&["LPUSH", &format!("sess:{}", odd.expose()), "a"]);
    redis.command(&[
        "EVAL",
        "redis.call('SET', KEYS[1], '\\255\\254')",
        "1",
        &format!("sess:{}", bytes.expose()),
    ]);
    redis.command(&["LPUSH", "user:eve:sessions", "a"]);
    for id in [&odd, &bytes] {
        assert_eq!(
            store.get(id).await.unwrap_err().kind(),
            StoreErrorKind::Corrupt
        );
    }
    let update = store.update(&odd, &entry("").text, &entry("")).await;
    assert_eq!(update.unwrap_err().kind(), StoreErrorKind::Corrupt);
    assert_eq!(
        store.list_by_user("eve").await.unwrap_err().kind(),
        StoreErrorKind::Corrupt
    );
    assert_eq!(store.count().await.unwrap(), 2, "the list is none");
    assert!(store.get(&own).await.unwrap().is_some());
    assert!(store.destroy(&odd).await.unwrap());
}
