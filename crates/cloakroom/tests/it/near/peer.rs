//! Another server of the fleet: a process of its own, which is asked for sessions until it refuses them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom::SessionId;
use cloakroom::store::near::{NearOptions, NearStore};
use cloakroom::store::postgres::{PostgresOptions, PostgresStore};
use cloakroom::store::{AnyStore, Store};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{sleep, timeout};

use super::{LOOK, are_held};

/// Names the store, in a process that serves; and how old its answers may be, in milliseconds.
const URL: &str = "CLOAKROOM_TEST_NEAR_URL";
const STALENESS: &str = "CLOAKROOM_TEST_NEAR_MS";
/// Time to wait for a reply.
const PATIENCE: Duration = Duration::from_millis(500);
/// Time after which a session that is still accepted counts as accepted for ever.
const FOR_EVER: Duration = Duration::from_secs(5);
/// A store that is back by then would have the last word.
const AT_MOST: Duration = Duration::from_mins(1);

/// The answers of one server for one session, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Start of the last read that served it.
    pub(super) accepted: u64,
    /// Start of the first read from which on it was refused.
    pub(super) refused: u64,
}

pub(super) fn micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_micros()).unwrap()
}

pub(super) async fn store(url: &str) -> Arc<dyn Store> {
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

/// The process, as the one that starts it sees it.
pub(super) struct Peer {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    pub(super) fn start(url: &str, staleness: Duration) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "near::peer::serves_for_another_process",
                "--nocapture",
            ])
            .env(URL, url)
            .env(STALENESS, staleness.as_millis().to_string())
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

    /// Lets it take sessions into its cache, and ask for them from then on.
    pub(super) fn watch(&mut self, ids: &[SessionId]) {
        let line: Vec<&str> = ids.iter().map(SessionId::expose).collect();
        self.say(&line.join(" "));
    }

    /// Waits until it does.
    pub(super) fn watches(&mut self) {
        assert_eq!(self.hear(), "watches");
    }

    /// Tells it that all have ended: from then on a refusal is the last word.
    pub(super) fn are_over(&mut self) {
        self.say("over");
    }

    /// Returns its answers for each session, in their order, once it refuses them all.
    pub(super) fn saw(&mut self) -> Vec<Seen> {
        let said = self.hear();
        let seen = |said: &str| {
            let (accepted, refused) = said.split_once(':').unwrap();
            Seen {
                accepted: accepted.parse().unwrap(),
                refused: refused.parse().unwrap(),
            }
        };
        said.split(' ').map(seen).collect()
    }

    fn say(&mut self, line: &str) {
        writeln!(self.to, "{line}").unwrap();
    }

    /// The next line that is meant for the other process.
    fn hear(&mut self) -> String {
        block_in_place(|| {
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
        })
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
    let staleness = std::env::var(STALENESS).unwrap().parse().unwrap();
    let options = NearOptions::default().staleness(Duration::from_millis(staleness));
    let near = NearStore::with(store(&url).await, &options);
    let say = |line: &str| writeln!(std::io::stdout(), "\nNEAR {line}").unwrap();
    while let Some(line) = next_line() {
        let ids: Vec<SessionId> = line.split_whitespace().map(SessionId::from_store).collect();
        are_held(&near, &ids).await;
        let (mut watching, over) = (JoinSet::new(), Arc::<AtomicU64>::default());
        for (at, id) in ids.into_iter().enumerate() {
            let (near, over) = (near.clone(), Arc::clone(&over));
            watching.spawn(async move { (at, watch(&near, &id, &over).await) });
        }
        say("watches");
        assert_eq!(next_line().as_deref().map(str::trim), Some("over"));
        over.store(micros(), Ordering::SeqCst);
        let mut seen = watching.join_all().await;
        seen.sort_unstable_by_key(|(at, _)| *at);
        let seen: Vec<String> = seen
            .into_iter()
            .map(|(_, seen)| format!("{}:{}", seen.accepted, seen.refused))
            .collect();
        say(&seen.join(" "));
    }
}

fn next_line() -> Option<String> {
    let mut line = String::new();
    let read = block_in_place(|| std::io::stdin().read_line(&mut line)).unwrap();
    (read > 0).then_some(line)
}

/// Asks for one session again and again. An error is no acceptance, and no last word.
async fn watch(near: &NearStore, id: &SessionId, over: &AtomicU64) -> Seen {
    let (mut accepted, mut refused) = (0, None);
    loop {
        let (asked, over) = (micros(), over.load(Ordering::SeqCst));
        match timeout(PATIENCE, near.get(id)).await {
            Ok(Ok(Some(_))) => (accepted, refused) = (asked, None),
            Ok(Ok(None)) if over > 0 => {
                let refused = refused.unwrap_or(asked);
                return Seen { accepted, refused };
            }
            _ => refused = refused.or(Some(asked)),
        }
        let since = Duration::from_micros(asked.saturating_sub(over));
        let limit = refused.map_or(FOR_EVER, |_| AT_MOST);
        if over > 0 && since > limit {
            let refused = refused.unwrap_or(asked);
            return Seen { accepted, refused };
        }
        sleep(LOOK).await;
    }
}
