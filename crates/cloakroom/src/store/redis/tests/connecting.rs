//! Checks when the store connects: servers that cannot be used, and those that may undo what they
//! acknowledged.

use std::io::Write;
use std::sync::{Arc, Mutex};

use testbed::{Redis, RedisOptions as Server, Sentinels};

use super::super::{RedisOptions, RedisStore};
use super::options;
use crate::store::{StoreError, StoreErrorKind};

fn server(arguments: &[&str]) -> Redis {
    Redis::with(Server {
        arguments: arguments.iter().map(ToString::to_string).collect(),
        ..Server::default()
    })
}

async fn refused(url: &str) -> (StoreErrorKind, String) {
    let error: StoreError = RedisStore::connect(url).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    (error.kind(), source)
}

#[tokio::test]
async fn r9_a_server_without_scripts_is_refused_at_connect() {
    for command in ["EVAL", "EVALSHA"] {
        let redis = server(&["--rename-command", command, ""]);
        let (kind, said) = refused(&redis.url()).await;
        assert_eq!(kind, StoreErrorKind::Invalid, "{command}");
        assert!(said.starts_with("this server runs no scripts"), "{said}");
    }
}

#[tokio::test]
async fn r9_a_user_who_may_run_no_scripts_is_refused_at_connect() {
    let redis = Redis::start();
    redis.command(&[
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">pw",
        "~sess:*",
        "~user:*",
        "~retired:*",
        "+@read",
        "+@write",
        "+@connection",
    ]);
    let (kind, said) = refused(&redis.url().replace("redis://", "redis://app:pw@")).await;
    assert_eq!(kind, StoreErrorKind::Invalid);
    assert!(
        said.contains("grant ~sess:*") && said.contains("+@scripting"),
        "{said}"
    );
}

#[tokio::test]
async fn r9_a_server_without_resp3_is_refused_at_connect() {
    let redis = server(&["--rename-command", "HELLO", ""]);
    let (kind, said) = refused(&redis.url()).await;
    assert_eq!(kind, StoreErrorKind::Invalid, "{said}");
    assert!(said.contains("RESP3"), "{said}");
}

#[tokio::test]
async fn r9_a_read_only_replica_is_refused_at_connect() {
    let primary = Redis::start();
    let replica = server(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
    let (kind, said) = refused(&replica.url()).await;
    assert_eq!(kind, StoreErrorKind::Invalid);
    assert!(
        said.starts_with("this server is a read-only replica"),
        "{said}"
    );
    assert!(said.contains("redis+sentinel://"), "{said}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns the warnings about resurrected sessions that connecting logs.
async fn warnings(url: &str, options: RedisOptions) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    RedisStore::connect_options(url, options).await.unwrap();
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let warnings = text
        .lines()
        .filter(|line| line.contains("WARN") && line.contains("bring back"));
    warnings.map(str::to_owned).collect()
}

#[tokio::test]
async fn r1_server_that_may_undo_ends_is_warned_of_once_with_the_cure() {
    let by_default = server(&["--save", "3600 1 300 100 60 10000"]);
    let said = warnings(&by_default.url(), options()).await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("set appendonly yes"), "{said:?}");
    // A user who may not read the configuration.
    by_default.command(&[
        "ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "-config",
    ]);
    let url = by_default.url().replace("redis://", "redis://app:pw@");
    assert_eq!(warnings(&url, options()).await.len(), 1);

    let careless = server(&["--appendonly", "yes", "--appendfsync", "no"]);
    let said = warnings(&careless.url(), options()).await;
    assert!(
        said.len() == 1 && said[0].contains("appendfsync everysec"),
        "{said:?}"
    );

    let careful = server(&["--appendonly", "yes", "--appendfsync", "everysec"]);
    assert_eq!(
        warnings(&careful.url(), options()).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn r3_replicas_without_wait_are_warned_of() {
    let mut sentinels = Sentinels::start();
    let said = warnings(&sentinels.url(), options()).await;
    assert!(
        said.len() == 1 && said[0].contains("min-replicas-to-write 1"),
        "{said:?}"
    );
    let waits = warnings(&format!("{}?wait_replicas=1", sentinels.url()), options()).await;
    assert!(
        !waits.iter().any(|said| said.contains("min-replicas")),
        "{waits:?}"
    );
    let primary = &sentinels.servers()[0];
    primary.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let said = warnings(&sentinels.url(), options()).await;
    assert!(
        !said.iter().any(|said| said.contains("min-replicas")),
        "{said:?}"
    );
}
