//! Clusters and sentinels whose servers change: no ended session is accepted past the bound.

use std::process::Command;
use std::time::Duration;

use cloakroom::store::Store as _;
use testbed::{Redis, RedisCluster, RedisOptions, Sentinels};
use tokio::time::sleep;

use super::servers::{cluster_cli, is_primary, node_id, primaries, redis_cli, until};
use super::{BATCH, BOUND, Late, Watching, are_held, end, near, rounds, warm};
use crate::support::servers::connect;

/// A primary hangs, is replaced, and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_loses_a_primary() {
    let mut cluster = tokio::task::spawn_blocking(|| RedisCluster::start(1))
        .await
        .unwrap();
    let near = near(connect(&cluster.url()).await);
    let writer = connect(&cluster.url()).await;
    let mut late = Late::default();
    // The replicas have all of it by then.
    sleep(Duration::from_secs(9)).await;
    let ids = warm(&near, &writer, BATCH).await;
    sleep(Duration::from_secs(1)).await;
    let watching = Watching::of(&near, &ids);
    let survivor = cluster.nodes()[1].port();
    let before = primaries(survivor);
    cluster.nodes()[0].signal("STOP");
    until("another primary", || {
        let now = primaries(survivor);
        now.len() == 3 && now != before
    })
    .await;
    let ended = end(&writer, &ids).await;
    sleep(Duration::from_millis(1500)).await;
    cluster.nodes()[0].signal("CONT");
    late.0.extend(watching.until_refused(&ended).await);
    late.are_within_the_bound("Cluster, a primary hangs and is replaced");
    // It works again, with the nodes that there are now.
    warm(&near, &writer, BATCH).await;
}

/// A session's slot moves to another primary while it is in the cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_whose_slots_move() {
    let mut cluster = tokio::task::spawn_blocking(|| RedisCluster::start(0))
        .await
        .unwrap();
    let ports: Vec<u16> = cluster.nodes().iter().map(Redis::port).collect();
    let near = near(connect(&cluster.url()).await);
    let writer = connect(&cluster.url()).await;
    let mut late = Late::default();
    for _ in 0..rounds().div_ceil(BATCH).min(10) {
        let ids = warm(&near, &writer, BATCH).await;
        let watching = Watching::of(&near, &ids);
        let (from, to) = (node_id(ports[0]), node_id(ports[1]));
        let node = format!("127.0.0.1:{}", ports[0]);
        let mut words = vec!["--cluster", "reshard", &node, "--cluster-from", &from];
        words.extend([
            "--cluster-to",
            &to,
            "--cluster-slots",
            "200",
            "--cluster-yes",
        ]);
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        let moving = tokio::task::spawn_blocking(move || {
            let moved = Command::new("redis-cli").args(words).output().unwrap();
            assert!(
                moved.status.success(),
                "{}",
                String::from_utf8_lossy(&moved.stdout)
            );
        });
        let ended = end(&writer, &ids).await;
        late.0.extend(watching.until_refused(&ended).await);
        moving.await.unwrap();
    }
    late.are_within_the_bound("Cluster, slots move");
}

/// A primary joins that the subscription does not know yet, and it has writes to report.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_grows() {
    let mut cluster = tokio::task::spawn_blocking(|| RedisCluster::start(0))
        .await
        .unwrap();
    let near = near(connect(&cluster.url()).await);
    let writer = connect(&cluster.url()).await;
    warm(&near, &writer, BATCH).await;
    let bus = testbed::free_port().to_string();
    let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus];
    let added = Redis::with(RedisOptions {
        arguments: arguments.map(str::to_owned).into(),
        ..RedisOptions::default()
    });
    let (known, port) = (cluster.nodes()[0].port(), added.port());
    let [new, old] = [port, known].map(|port| format!("127.0.0.1:{port}"));
    cluster_cli(&["add-node", &new, &old]);
    // It takes nothing before it has heard of all slots.
    until("it is one of them", || {
        let said = redis_cli(port, &["CLUSTER", "INFO"]);
        said.contains("cluster_state:ok") && said.contains("cluster_known_nodes:4")
    })
    .await;
    sleep(Duration::from_secs(1)).await;
    until("it has its share", || {
        cluster_cli(&["fix", &old]);
        cluster_cli(&["rebalance", &old, "--cluster-use-empty-masters"]);
        primaries(known).contains(&port)
            && cluster_cli(&["rebalance", &old]).contains("No rebalancing needed")
    })
    .await;
    let ids = warm(&near, &writer, 4 * BATCH).await;
    // A session read by way of a redirection is read again.
    sleep(BOUND + Duration::from_millis(100)).await;
    are_held(&near, &ids).await;
    let watching = Watching::of(&near, &ids);
    let ended = end(&writer, &ids).await;
    let mut late = Late::default();
    late.0.extend(watching.until_refused(&ended).await);
    late.are_within_the_bound("Cluster, a primary more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_behind_sentinels_that_is_killed() {
    let mut sentinels = tokio::task::spawn_blocking(Sentinels::start).await.unwrap();
    let near = near(connect(&sentinels.url()).await);
    let writer = connect(&sentinels.url()).await;
    let ids = warm(&near, &writer, BATCH).await;
    // The replica has it before the primary goes.
    sleep(Duration::from_millis(500)).await;
    let watching = Watching::of(&near, &ids);
    sentinels.servers()[0].process().kill();
    let ended = end(&writer, &ids).await;
    let mut late = Late::default();
    late.0.extend(watching.until_refused(&ended).await);
    late.are_within_the_bound("Sentinel, the primary is killed");
    warm(&near, &writer, BATCH).await;
}

/// The sentinels replace a working primary by command: for ten seconds there are two, and the one that
/// was replaced answers as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_behind_sentinels_that_is_replaced_and_works_on() {
    let mut sentinels = tokio::task::spawn_blocking(Sentinels::start).await.unwrap();
    let near = near(connect(&sentinels.url()).await);
    let ids = warm(&near, &connect(&sentinels.url()).await, BATCH).await;
    // The replica has it before it takes over.
    sleep(Duration::from_millis(500)).await;
    let watching = Watching::of(&near, &ids);
    let said = sentinels.fail_over();
    assert!(said.starts_with("+OK"), "{said}");
    let [old, new] = [0, 1].map(|at| sentinels.servers()[at].port());
    until("all sentinels name another", || {
        sentinels.all_name(&new.to_string())
    })
    .await;
    let ended = end(&connect(&sentinels.url()).await, &ids).await;
    assert!(is_primary(old), "the control: it says that it still is");
    let mut late = Late::default();
    late.0.extend(watching.until_refused(&ended).await);
    late.are_within_the_bound("Sentinel, the primary is replaced and works on");
    // Reads past the cache have left the old one as well.
    for id in &ids {
        assert_eq!(near.get_uncached(id).await.unwrap(), None);
    }
    assert!(is_primary(old), "the control: it still does");
    // It works again, with the other.
    warm(&near, &connect(&sentinels.url()).await, BATCH).await;
}

/// One sentinel may be gone; where most are, nothing is served from memory, and the store is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_hang() {
    let sentinels = tokio::task::spawn_blocking(Sentinels::start).await.unwrap();
    let near = near(connect(&sentinels.url()).await);
    let ids = warm(&near, &connect(&sentinels.url()).await, 1).await;
    sentinels.signal_sentinel(0, "STOP");
    sleep(2 * BOUND).await;
    are_held(&near, &ids).await;
    sentinels.signal_sentinel(1, "STOP");
    sleep(2 * BOUND).await;
    assert_eq!(near.stats().staleness, None, "nobody vouches for the link");
    assert!(near.get(&ids[0]).await.unwrap().is_some());
    for at in [0, 1] {
        sentinels.signal_sentinel(at, "CONT");
    }
    are_held(&near, &ids).await;
}
