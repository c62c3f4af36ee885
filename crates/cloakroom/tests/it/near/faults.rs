//! What may happen to the link: nothing that was ended is accepted past the bound.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom::store::Store;
use cloakroom::store::near::{NearOptions, NearStore};
use testbed::{Proxy, Redis, RedisCluster, RedisOptions, Sentinels};
use tokio::time::sleep;

use super::{BATCH, BOUND, LOOK, Late, Watching, are_held, end, near, rounds, warm};
use crate::support::servers::connect;

/// What goes wrong just before sessions are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// The server hears this process, and does not answer.
    Frozen,
    /// Its connections end, and there are no others for a while.
    Cut,
    /// The server ends its connections.
    Killed,
    /// All keys go at once: that is how the sessions end.
    Flushed,
}

/// One server with its cache behind a proxy; what ends sessions is not.
struct Site {
    redis: Redis,
    proxy: Proxy,
    near: NearStore,
    writer: Arc<dyn Store>,
}

impl Site {
    async fn new(redis: Redis) -> Self {
        let proxy = Proxy::to(redis.port());
        let proxied = format!("redis://127.0.0.1:{}", proxy.port());
        Self {
            near: near(connect(&proxied).await),
            writer: connect(&redis.url()).await,
            redis,
            proxy,
        }
    }

    /// Ends sessions of which all are in the cache, under a fault.
    async fn play(&self, fault: Fault, late: &mut Late) {
        let ids = warm(&self.near, &self.writer, BATCH).await;
        let watching = Watching::of(&self.near, &ids);
        match fault {
            Fault::Nothing | Fault::Flushed => {}
            Fault::Frozen => self.proxy.lose_answers(true),
            Fault::Cut => self.proxy.cut(true),
            Fault::Killed => {
                redis_cli(self.redis.port(), &["CLIENT", "KILL", "TYPE", "normal"]);
            }
        }
        let ended = if fault == Fault::Flushed {
            redis_cli(self.redis.port(), &["FLUSHALL"]);
            vec![Instant::now(); ids.len()]
        } else {
            end(&self.writer, &ids).await
        };
        if matches!(fault, Fault::Frozen | Fault::Cut) {
            sleep(Duration::from_millis(1500)).await;
            self.proxy.lose_answers(false);
            self.proxy.cut(false);
        }
        late.0.extend(watching.until_refused(&ended).await);
    }
}

fn redis_cli(port: u16, words: &[&str]) -> String {
    let said = Command::new("redis-cli")
        .args(["-p", &port.to_string()])
        .args(words)
        .output()
        .expect("it comes with the server");
    String::from_utf8_lossy(&said.stdout).into_owned()
}

async fn under(fault: Fault) {
    let site = Site::new(Redis::start()).await;
    let mut late = Late::default();
    for _ in 0..rounds().div_ceil(BATCH) {
        site.play(fault, &mut late).await;
    }
    late.are_within_the_bound(&format!("Redis, {fault:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_works() {
    under(Fault::Nothing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_frozen() {
    under(Fault::Frozen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_cut() {
    under(Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_the_server_ends() {
    under(Fault::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_flushed() {
    under(Fault::Flushed).await;
}

/// The whole server stands still for a while: whatever is accepted after that is not past the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs() {
    let site = Site::new(Redis::start()).await;
    let mut late = Late::default();
    for _ in 0..rounds().div_ceil(BATCH).min(20) {
        let ids = warm(&site.near, &site.writer, BATCH).await;
        let watching = Watching::of(&site.near, &ids);
        site.redis.signal("STOP");
        sleep(Duration::from_millis(1200)).await;
        let hits = site.near.stats().hits;
        sleep(Duration::from_millis(200)).await;
        assert_eq!(
            site.near.stats().hits,
            hits,
            "past the bound nobody vouches for a copy"
        );
        site.redis.signal("CONT");
        let ended = end(&site.writer, &ids).await;
        late.0.extend(watching.until_refused(&ended).await);
    }
    late.are_within_the_bound("Redis that hung");
}

/// The primaries that have the slots, by their ports.
fn primaries(port: u16) -> Vec<u16> {
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

async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_mins(1), "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn are_in_step(ports: &[u16]) {
    until("the replicas are in step", || {
        ports.iter().all(|port| {
            let said = redis_cli(*port, &["INFO", "replication"]);
            said.contains("master_link_status:up") || said.contains("state=online")
        })
    })
    .await;
}

/// A replica takes over from a primary that knows it, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_whose_replicas_take_over() {
    let mut cluster = tokio::task::spawn_blocking(|| RedisCluster::start(1))
        .await
        .unwrap();
    let ports: Vec<u16> = cluster.nodes().iter().map(Redis::port).collect();
    let near = near(connect(&cluster.url()).await);
    let writer = connect(&cluster.url()).await;
    let mut late = Late::default();
    are_in_step(&ports).await;
    for round in 0..rounds().div_ceil(BATCH).min(40) {
        let ids = warm(&near, &writer, BATCH).await;
        let watching = Watching::of(&near, &ids);
        let before = primaries(ports[0]);
        let replica = ports
            .iter()
            .filter(|port| !before.contains(port))
            .nth(round % 3);
        let how = if round % 2 == 0 {
            vec!["CLUSTER", "FAILOVER"]
        } else {
            // Without asking the primary: for a moment there are two.
            vec!["CLUSTER", "FAILOVER", "FORCE"]
        };
        let replica = *replica.unwrap();
        redis_cli(replica, &how);
        end(&writer, &ids).await;
        let mut asked = Instant::now();
        until("another primary", || {
            // One that was not elected says nothing of it.
            if asked.elapsed() > Duration::from_secs(6) {
                redis_cli(replica, &how);
                asked = Instant::now();
            }
            primaries(ports[0]) != before
        })
        .await;
        // What the old primary acknowledged before it knew may be lost: it is done again, and that counts.
        let ended = end(&writer, &ids).await;
        sleep(Duration::from_millis(1500)).await;
        late.0.extend(watching.until_refused(&ended).await);
        are_in_step(&ports).await;
    }
    late.are_within_the_bound("Cluster, a replica takes over");
}

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

/// A primary comes that the link does not know, and has writes to tell of.
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
    // What was read by way of a redirection is read anew.
    sleep(BOUND + Duration::from_millis(100)).await;
    are_held(&near, &ids).await;
    let watching = Watching::of(&near, &ids);
    let ended = end(&writer, &ids).await;
    let mut late = Late::default();
    late.0.extend(watching.until_refused(&ended).await);
    late.are_within_the_bound("Cluster, a primary more");
}

fn cluster_cli(words: &[&str]) -> String {
    let said = Command::new("redis-cli")
        .arg("--cluster")
        .args(words)
        .output()
        .unwrap();
    String::from_utf8_lossy(&said.stdout).into_owned()
}

fn node_id(port: u16) -> String {
    redis_cli(port, &["CLUSTER", "MYID"]).trim().to_owned()
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

/// How long a frozen link is believed under a bound.
async fn believed(bound: Duration) -> Duration {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let proxied = format!("redis://127.0.0.1:{}", proxy.port());
    let options = NearOptions::default().staleness(bound);
    let near = NearStore::with(connect(&proxied).await, &options);
    let writer = connect(&redis.url()).await;
    let ids = warm(&near, &writer, 1).await;
    proxy.lose_answers(true);
    let ended = end(&writer, &ids).await[0];
    let mut late = Duration::ZERO;
    while ended.elapsed() < Duration::from_secs(2) {
        let asked = ended.elapsed();
        let read = tokio::time::timeout(Duration::from_millis(100), near.get(&ids[0])).await;
        if matches!(read, Ok(Ok(Some(_)))) {
            late = asked;
        }
        sleep(LOOK).await;
    }
    eprintln!("a frozen link was believed for {late:?} under a bound of {bound:?}");
    late
}

/// With the control: without a bound, nothing but the end of the heartbeat's patience would help.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_the_bound_that_holds() {
    let short = Duration::from_millis(400);
    assert!(believed(short).await <= short);
    assert!(believed(Duration::from_mins(1)).await > 2 * short);
}
