//! Each server starts, answers, and ends with its owner.

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
    assert_eq!((proxy.take_trips(), proxy.take_waits()), (3, 3));
}

#[test]
fn a_proxy_counts_what_overlaps_as_one_wait() {
    use std::io::{Read as _, Write as _};
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let connect = || std::net::TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    let mut streams = [connect(), connect()];
    // Redis answers the first only when a list is pushed to, by the second.
    streams[0].write_all(b"BLPOP list 5\r\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    streams[1].write_all(b"LPUSH list a\r\n").unwrap();
    for stream in &mut streams {
        stream.read_exact(&mut [0; 4]).unwrap();
    }
    assert_eq!((proxy.take_trips(), proxy.take_waits()), (2, 1));
}

#[test]
fn a_proxy_fails_for_the_affected_clients_only() {
    use std::io::{Read as _, Write as _};
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let connect = |hello: &str| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        let limit = std::time::Duration::from_millis(300);
        stream.set_read_timeout(Some(limit)).unwrap();
        write!(stream, "ECHO {hello}\r\n").unwrap();
        stream.read_exact(&mut vec![0; 6 + hello.len()]).unwrap();
        stream
    };
    let (mut one, mut other) = (connect("one"), connect("two"));
    let mut answers = |wanted: [bool; 2]| {
        for (stream, wanted) in [&mut one, &mut other].into_iter().zip(wanted) {
            let answers =
                write!(stream, "PING\r\n").is_ok() && stream.read_exact(&mut [0; 7]).is_ok();
            assert_eq!(answers, wanted);
        }
    };
    answers([true, true]);
    proxy.only("two");
    proxy.lose_answers(true);
    answers([true, false]);
    proxy.lose_answers(false);
    proxy.cut(true);
    answers([true, false]);
}

#[test]
fn a_cluster_names_the_proxies_before_it() {
    let cluster = RedisCluster::start(0);
    let (before, proxies) = (cluster.url(), cluster.behind_proxies());
    for proxy in proxies {
        assert!(!before.contains(&proxy.port().to_string()));
        let said = std::process::Command::new("redis-cli")
            .args(["-p", &proxy.port().to_string(), "CLUSTER", "SLOTS"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains(&proxy.port().to_string()), "{said}");
    }
}
