//! Commands to Redis's servers from outside, and waits until they took effect.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::time::sleep;

pub(super) fn redis_cli(port: u16, words: &[&str]) -> String {
    let said = Command::new("redis-cli")
        .args(["-p", &port.to_string()])
        .args(words)
        .output()
        .expect("it comes with the server");
    String::from_utf8_lossy(&said.stdout).into_owned()
}

pub(super) fn cluster_cli(words: &[&str]) -> String {
    let said = Command::new("redis-cli")
        .arg("--cluster")
        .args(words)
        .output()
        .expect("it comes with the server");
    String::from_utf8_lossy(&said.stdout).into_owned()
}

pub(super) fn node_id(port: u16) -> String {
    redis_cli(port, &["CLUSTER", "MYID"]).trim().to_owned()
}

/// The primaries that have the slots, by their ports, as the node at `port` sees them.
pub(super) fn primaries(port: u16) -> Vec<u16> {
    let said = redis_cli(port, &["CLUSTER", "NODES"]);
    let lines = said.lines().filter(|line| {
        line.contains("master") && !line.contains("fail") && line.split(' ').count() > 8
    });
    let port = |line: &str| {
        line.split(' ')
            .nth(1)?
            .split(['@', ':'])
            .nth(1)?
            .parse()
            .ok()
    };
    let mut ports: Vec<u16> = lines.filter_map(port).collect();
    ports.sort_unstable();
    ports
}

pub(super) fn is_primary(port: u16) -> bool {
    redis_cli(port, &["ROLE"]).starts_with("master")
}

pub(super) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_mins(1), "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until each replica has what its primary has.
pub(super) async fn are_in_step(ports: &[u16]) {
    until("the replicas are in step", || {
        ports.iter().all(|port| {
            let said = redis_cli(*port, &["INFO", "replication"]);
            said.contains("master_link_status:up") || said.contains("state=online")
        })
    })
    .await;
}
