//! Each server starts, answers, and is gone with its owner.

use testbed::{Mongo, Postgres, Proxy, Redis, RedisCluster, RedisOptions, Sentinels};

#[test]
fn redis_starts_stops_and_starts_again() {
    let mut redis = Redis::with(RedisOptions {
        durable: true,
        ..RedisOptions::default()
    });
    assert_eq!(redis.command(&["SET", "a", "1"]), "+OK\r\n");
    redis.process().kill();
    redis.restart();
    assert_eq!(redis.command(&["GET", "a"]), "$1\r\n1\r\n");
}

#[test]
fn valkey_sets_by_comparison() {
    let valkey = Redis::shared_valkey();
    valkey.command(&["SET", "a", "1"]);
    assert_eq!(valkey.command(&["SET", "a", "2", "IFEQ", "1"]), "+OK\r\n");
}

#[test]
fn a_cluster_has_three_primaries() {
    assert_eq!(RedisCluster::shared().url().split(',').count(), 3);
}

#[test]
fn sentinels_know_the_primary() {
    let mut sentinels = Sentinels::start();
    assert!(sentinels.url().ends_with("/sessions"));
    assert_eq!(sentinels.servers().len(), 2);
}

#[test]
fn postgres_starts_stops_and_starts_again() {
    let mut postgres = Postgres::start(&["TimeZone=Asia/Kolkata"]);
    postgres.signal("STOP");
    postgres.signal("CONT");
    postgres.process().kill();
    postgres.restart();
}

#[test]
fn mongo_starts_stops_and_starts_again() {
    let mut mongo = Mongo::start();
    mongo.process().kill();
    mongo.restart();
}

#[test]
fn a_proxy_counts_round_trips() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    for _ in 0..3 {
        use std::io::{Read as _, Write as _};
        stream.write_all(b"PING\r\nPING\r\n").unwrap();
        stream.read_exact(&mut [0; 14]).unwrap();
    }
    assert_eq!(proxy.take_trips(), 3);
}
