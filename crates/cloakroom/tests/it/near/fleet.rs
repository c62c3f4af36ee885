//! Four processes on one store: when a logout has returned at one of them, how long the others accept.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom::SessionId;
use cloakroom::store::postgres::{PostgresOptions, PostgresStore};
use cloakroom::store::{AnyStore, Store};
use testbed::{Postgres, Redis, RedisCluster};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::sleep;

use super::{BATCH, LOOK, Late, are_held, entry, near, rounds};

/// Names the store, in a process that serves.
const URL: &str = "CLOAKROOM_TEST_NEAR_URL";
const PROCESSES: usize = 4;
/// What is promised of all but one logout in a thousand, on a machine that does not do much else.
const SOON: Duration = Duration::from_millis(50);
/// So many are needed to speak of one in a thousand.
const MANY: usize = 2_000;

async fn store(url: &str) -> Arc<dyn Store> {
    if url.starts_with("postgres") {
        let options = PostgresOptions::new()
            .notify_changes(true)
            .connect_timeout(Duration::from_secs(20));
        let store = PostgresStore::connect_options(url, options).await;
        return Arc::new(store.expect("the server is up"));
    }
    AnyStore::connect(url)
        .await
        .expect("the server is up")
        .into()
}

fn micros() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_micros()
}

/// Another server. It is given the ids of a batch, and says when it gave out each of them last.
struct Peer {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    fn start(url: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "near::fleet::serves_for_another_process",
                "--nocapture",
            ])
            .env(URL, url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        Self {
            process,
            to,
            from: BufReader::new(from),
        }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.to, "{line}").unwrap();
    }

    /// The next line that is meant for the other process.
    fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(
                self.from.read_line(&mut line).unwrap() > 0,
                "the peer has ended"
            );
            if let Some((_, said)) = line.split_once("NEAR ") {
                return said.trim().to_owned();
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A process that serves. Run by itself it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_for_another_process() {
    let Ok(url) = std::env::var(URL) else { return };
    let near = near(store(&url).await);
    let say = |line: &str| writeln!(std::io::stdout(), "\nNEAR {line}").unwrap();
    loop {
        let mut line = String::new();
        if block_in_place(|| std::io::stdin().read_line(&mut line)).unwrap() == 0 {
            return;
        }
        let ids: Vec<SessionId> = line.split_whitespace().map(SessionId::from_store).collect();
        are_held(&near, &ids).await;
        let mut watching = JoinSet::new();
        for (at, id) in ids.into_iter().enumerate() {
            let near = near.clone();
            watching.spawn(async move {
                let mut last = 0;
                loop {
                    let asked = micros();
                    match near.get(&id).await {
                        Ok(Some(_)) => last = asked,
                        Ok(None) => return (at, last),
                        Err(_) => {}
                    }
                    sleep(LOOK).await;
                }
            });
        }
        say("watches");
        let mut last = watching.join_all().await;
        last.sort_unstable();
        let last: Vec<String> = last.into_iter().map(|(_, last)| last.to_string()).collect();
        say(&last.join(" "));
    }
}

async fn others_refuse(what: &str, url: &str) -> Late {
    let store = near(store(url).await);
    let mut peers: Vec<Peer> = (1..PROCESSES).map(|_| Peer::start(url)).collect();
    let mut late = Late::default();
    for _ in 0..rounds().div_ceil(BATCH) {
        let mut ids = Vec::new();
        for _ in 0..BATCH {
            let id = SessionId::random();
            store.create(&id, &entry()).await.unwrap();
            ids.push(id);
        }
        let line: Vec<&str> = ids.iter().map(SessionId::expose).collect();
        for peer in &mut peers {
            peer.say(&line.join(" "));
        }
        for peer in &mut peers {
            assert_eq!(block_in_place(|| peer.hear()), "watches");
        }
        let mut ended = Vec::new();
        for id in &ids {
            assert!(store.destroy(id).await.unwrap());
            ended.push(micros());
            assert_eq!(store.get(id).await.unwrap(), None);
        }
        for peer in &mut peers {
            let said = block_in_place(|| peer.hear());
            let last = said.split(' ').map(|last| last.parse::<u128>().unwrap());
            for (last, ended) in last.zip(&ended) {
                let micros = u64::try_from(last.saturating_sub(*ended)).unwrap();
                late.0.push(Duration::from_micros(micros));
            }
        }
    }
    late.are_within_the_bound(&format!("{what}, {PROCESSES} processes"));
    late
}

fn are_soon(late: &Late) {
    if late.0.len() >= MANY {
        assert!(late.at(999) <= SOON, "{:?}", late.at(999));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis() {
    are_soon(&others_refuse("Redis", &Redis::shared().url()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_of_three() {
    are_soon(&others_refuse("Cluster", &RedisCluster::shared().url()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_that_notifies() {
    let url = Postgres::shared().create_database("near_fleet");
    others_refuse("PostgreSQL", &url).await;
}
