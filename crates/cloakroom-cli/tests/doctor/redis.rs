//! Redis and Valkey.

use std::process::Command;
use std::time::Duration;

use testbed::{Proxy, Redis, RedisCluster, RedisOptions, RedisProgram, Sentinels};

use crate::{doctor, record, said};

/// Names and values.
type Settings<'a> = &'a [(&'a str, &'a str)];

fn durable(program: RedisProgram) -> Redis {
    Redis::with(RedisOptions {
        program,
        durable: true,
        ..RedisOptions::default()
    })
}

fn put(redis: &Redis, key: &str, text: &str, seconds: &str) {
    assert_eq!(redis.command(&["SET", key, text, "EX", seconds]), "+OK\r\n");
}

/// A session as connect-redis writes it, in the index of its user.
fn healthy_session(redis: &Redis) {
    put(
        redis,
        "sess:one",
        &record(3_600_000, r#","userId":"7""#),
        "3600",
    );
    redis.command(&["SADD", "user:7:sessions", "one"]);
}

#[test]
fn healthy_redis_valkey_and_cluster_get_no_finding() {
    for program in [RedisProgram::Redis, RedisProgram::Valkey9] {
        let redis = durable(program);
        doctor(&redis.url(), &[]).is_healthy();
        healthy_session(&redis);
        let changes = || {
            let said = redis.command(&["INFO", "persistence"]);
            let line = said
                .lines()
                .find(|line| line.starts_with("rdb_changes_since_last_save"));
            (line.unwrap().to_owned(), redis.command(&["DBSIZE"]))
        };
        let before = changes();
        doctor(&redis.url(), &[]).is_healthy();
        assert_eq!(changes(), before, "it only reads");
    }
    let mut cluster = RedisCluster::start(0);
    for node in cluster.nodes() {
        node.command(&["CONFIG", "SET", "appendonly", "yes"]);
    }
    doctor(&cluster.url(), &[]).is_healthy();
}

#[test]
fn settings_of_the_server_are_found() {
    let redis = durable(RedisProgram::Redis);
    healthy_session(&redis);
    let set = |name: &str, value: &str| {
        assert_eq!(redis.command(&["CONFIG", "SET", name, value]), "+OK\r\n");
    };
    #[rustfmt::skip]
    let table: [(&str, Settings<'_>, Settings<'_>); 5] = [
        ("R01", &[("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru")], &[("maxmemory", "0"), ("maxmemory-policy", "noeviction")]),
        ("R04", &[("appendonly", "no")],      &[("appendonly", "yes")]),
        ("R04", &[("appendonly", "no"), ("save", "3600 1")], &[("appendonly", "yes"), ("save", "")]),
        ("R04", &[("appendfsync", "no")],     &[("appendfsync", "always")]),
        ("R08", &[("timeout", "300")],        &[("timeout", "0")]),
    ];
    for (id, plant, mend) in table {
        for (name, value) in plant {
            set(name, value);
        }
        doctor(&redis.url(), &[]).finds_only(id);
        for (name, value) in mend {
            set(name, value);
        }
    }
    doctor(&redis.url(), &[]).is_healthy();
}

#[test]
fn memory_that_is_short_is_found() {
    let redis = durable(RedisProgram::Redis);
    let used = redis.command(&["INFO", "memory"]);
    let used = used
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .unwrap();
    let used: u64 = used.trim().parse().unwrap();
    let limit = |bytes: u64| redis.command(&["CONFIG", "SET", "maxmemory", &bytes.to_string()]);
    limit(used + used / 10);
    doctor(&redis.url(), &[]).finds("R03");
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    limit(used + (1 << 20));
    for key in 0..300 {
        redis.command(&["SET", &format!("junk{key}"), &"x".repeat(10_000)]);
    }
    limit(0);
    redis.command(&["FLUSHALL"]);
    doctor(&redis.url(), &[]).finds_only("R02");
}

#[test]
fn odd_records_are_found() {
    let redis = durable(RedisProgram::Redis);
    let hour = record(3_600_000, r#","userId":"7""#);
    let redis = &redis;
    #[rustfmt::skip]
    let table: [(&str, &dyn Fn()); 6] = [
        ("R10", &|| { redis.command(&["HSET", "sess:h", "a", "b"]); }),
        ("S06", &|| put(redis, "sess:bad", "U2FsdGVkX1", "3600")),
        ("S07", &|| { redis.command(&["SET", "sess:x", &record(3_600_000, "")]); }),
        ("S08", &|| put(redis, "sess:y", &record(3_600_000, ""), "86400")),
        ("S09", &|| put(redis, "app:sess:z", &hour, "3600")),
        ("S10", &|| put(redis, "sess:z", &hour, "3600")),
    ];
    for (id, plant) in table {
        redis.command(&["FLUSHALL"]);
        plant();
        doctor(&redis.url(), &[]).finds_only(id);
    }
    doctor(&redis.url(), &["--mixed-fleet"]).is_healthy();
    redis.command(&["FLUSHALL"]);
    for session in 0..120 {
        put(
            redis,
            &format!("sess:{session}"),
            &record(3_600_000, ""),
            "3600",
        );
    }
    doctor(&redis.url(), &[]).finds_only("S11");
    redis.command(&["FLUSHALL"]);
    redis.command(&["MOVE", "nothing", "1"]);
    put(redis, "moved", "1", "3600");
    redis.command(&["MOVE", "moved", "1"]);
    doctor(&redis.url(), &[]).finds_only("S09");
}

#[test]
fn rights_that_are_missing_are_found() {
    let redis = durable(RedisProgram::Redis);
    let user = |name: &str, rights: &str| {
        let words = ["ACL", "SETUSER", name, "on", ">hunter2"];
        let words: Vec<&str> = words.into_iter().chain(rights.split(' ')).collect();
        assert_eq!(redis.command(&words), "+OK\r\n");
        format!("redis://{name}:hunter2@127.0.0.1:{}", redis.port())
    };
    let whole = "~sess:* ~user:* ~tomb:* ~retired:* +@read +@write +@scripting +@connection +info";
    let said = doctor(&user("whole", whole), &[]);
    assert!(said.found.is_empty(), "{}", said.text);
    // What it may not ask is not called healthy.
    assert!(said.unchecked.contains(&"R04".to_owned()), "{}", said.text);
    for missing in ["~retired:*", "~user:*", "+@scripting", "+info"] {
        let said = doctor(&user("part", &whole.replace(missing, "-@dangerous")), &[]);
        said.finds("R06");
        assert!(!said.text.contains("hunter2"), "{}", said.text);
        redis.command(&["ACL", "DELUSER", "part"]);
    }
}

#[test]
fn a_replica_and_a_primary_that_waits_for_none_are_found() {
    let primary = durable(RedisProgram::Redis);
    let replica = Redis::with(RedisOptions {
        durable: true,
        arguments: vec![
            "--replicaof".to_owned(),
            format!("127.0.0.1 {}", primary.port()),
        ],
        ..RedisOptions::default()
    });
    doctor(&replica.url(), &[]).finds("S05");
    primary.command(&["WAIT", "1", "60000"]);
    doctor(&primary.url(), &[]).finds_only("R05");
    primary.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    doctor(&primary.url(), &[]).is_healthy();
}

#[test]
fn sentinels_that_do_not_agree_are_found() {
    let sentinels = Sentinels::start();
    sentinels.signal_sentinel(1, "STOP");
    sentinels.signal_sentinel(2, "STOP");
    doctor(&sentinels.url(), &[]).finds("R07");
    sentinels.signal_sentinel(1, "CONT");
    sentinels.signal_sentinel(2, "CONT");
}

#[test]
fn a_server_that_is_slow_is_found() {
    let redis = durable(RedisProgram::Redis);
    let proxy = Proxy::to(redis.port());
    proxy.delay(Duration::from_millis(8));
    doctor(&format!("redis://127.0.0.1:{}", proxy.port()), &[]).finds_only("S02");
}

/// The command's own clock is set, for the server's differs from it then as well.
#[test]
fn clocks_that_differ_are_found() {
    let redis = durable(RedisProgram::Redis);
    for (offset, level) in [("-10s", "warning"), ("+90s", "error")] {
        let output = Command::new("faketime")
            .args(["-m", "-f", offset, env!("CARGO_BIN_EXE_cloakroom")])
            .args(["doctor", "--json", "--store", &redis.url()])
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env_remove("SESSION_SECRET")
            .output()
            .expect("faketime is part of Debian: `cargo xtask test` installs it");
        let said = said(&output);
        said.finds_only("S03");
        assert!(said.text.contains(level), "{}", said.text);
    }
}
