//! A node of a cluster that restarts.

use std::sync::Arc;

use cloakroom::store::Store;
use testbed::RedisCluster;

use super::rig::{restart, snapshot};
use super::{Back, LIMIT, LOOK, Sessions, ask, connect, rounds, saw};
use tokio::time::{Instant, sleep};

async fn round(
    cluster: &mut RedisCluster,
    at: usize,
    store: &Arc<dyn Store>,
    repeats: bool,
) -> Back {
    // So many that each node has some.
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(Sessions::create(&**store).await);
    }
    for node in &*cluster.nodes() {
        snapshot(node).await;
    }
    for sessions in &all {
        sessions.end(&**store).await;
    }
    let nodes = cluster.nodes();
    let at = at % nodes.len();
    restart(&mut nodes[at]);
    let begin = Instant::now();
    while !nodes[at]
        .command(&["CLUSTER", "INFO"])
        .contains("cluster_state:ok")
    {
        assert!(begin.elapsed() < LIMIT, "the cluster is whole again");
        sleep(LOOK).await;
    }
    let mut back = Back::default();
    for sessions in &all {
        let one = Back::of(sessions, store, nodes, repeats).await;
        back.here.extend(one.here);
        back.there.extend(one.there);
        assert!(ask(&**store, &sessions.live).await.is_some());
    }
    back
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_ended_sessions_stay_ended_when_a_cluster_node_restarts() {
    let mut cluster = RedisCluster::start(0);
    let store: Arc<dyn Store> = Arc::new(connect(&cluster.url(), true).await);
    let turns = rounds(6).min(100);
    for turn in 0..turns {
        let back = round(&mut cluster, turn, &store, true).await;
        assert!(back.is_none(), "turn {turn}: {back:?}");
    }
    saw(
        "R1",
        &format!("Redis Cluster, one node of three killed: {turns} times"),
        "0 undone",
    );
}

/// The control.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_without_replay_sessions_come_back_with_a_node() {
    let mut cluster = RedisCluster::start(0);
    let store: Arc<dyn Store> = Arc::new(connect(&cluster.url(), false).await);
    let back = round(&mut cluster, 0, &store, false).await;
    assert!(!back.here.is_empty(), "{back:?}");
}
