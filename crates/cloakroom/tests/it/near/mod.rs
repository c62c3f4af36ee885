//! A cache in front of a store that others write to: its staleness, and the reads that it saves.
//!
//! `CLOAKROOM_ROUNDS=10000` plays so many logouts of each kind; the default is a batch.

mod changing;
mod faults;
mod fleet;
mod peer;
mod rates;
mod rounds;
mod servers;
mod strict;
mod whole;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cloakroom::store::near::{NearOptions, NearStore};
use cloakroom::store::{NewRecord, Store};
use cloakroom::{SessionId, Timestamp};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The bound promised by default.
const BOUND: Duration = Duration::from_secs(1);
/// Interval between two reads of a watched session.
const LOOK: Duration = Duration::from_millis(4);
/// Number of sessions that end together.
const BATCH: usize = 50;

fn rounds() -> usize {
    let rounds = std::env::var("CLOAKROOM_ROUNDS").ok();
    rounds.map_or(BATCH, |rounds| rounds.parse().expect("a number"))
}

fn entry() -> NewRecord {
    NewRecord {
        text: r#"{"cookie":{"path":"/"},"n":1}"#.into(),
        expires: Timestamp::from(SystemTime::now()).after(Duration::from_hours(1)),
        users: Vec::new(),
    }
}

fn near(store: Arc<dyn Store>) -> NearStore {
    NearStore::with(store, &NearOptions::default())
}

/// Creates sessions, all of them in the cache, whose subscription is alive.
async fn warm(near: &NearStore, writer: &Arc<dyn Store>, sessions: usize) -> Vec<SessionId> {
    let mut ids = Vec::new();
    for _ in 0..sessions {
        let id = SessionId::random();
        writer.create(&id, &entry()).await.unwrap();
        ids.push(id);
    }
    are_held(near, &ids).await;
    ids
}

async fn are_held(near: &NearStore, ids: &[SessionId]) {
    let begin = Instant::now();
    loop {
        let is_linked = near.stats().staleness.is_some_and(|age| age < BOUND);
        let before = near.stats().hits;
        for id in ids {
            let _ = near.get(id).await;
        }
        if is_linked && near.stats().hits - before == ids.len() as u64 {
            return;
        }
        assert!(begin.elapsed() < Duration::from_mins(2), "no link");
        sleep(LOOK).await;
    }
}

/// Asks a server for sessions until it refuses them all.
struct Watching {
    tasks: JoinSet<(usize, Instant)>,
    /// Set once all are over: from then on a refusal is the last word.
    over: Arc<AtomicBool>,
}

impl Watching {
    fn of(near: &NearStore, ids: &[SessionId]) -> Self {
        let (mut tasks, over) = (JoinSet::new(), Arc::<AtomicBool>::default());
        for (at, id) in ids.iter().enumerate() {
            let (near, id, over) = (near.clone(), id.clone(), Arc::clone(&over));
            tasks.spawn(async move { (at, last_served(&near, &id, &over).await) });
        }
        Self { tasks, over }
    }

    /// Returns the time after its end at which each session was last served.
    async fn until_refused(self, ended: &[Instant]) -> Vec<Duration> {
        self.over.store(true, Ordering::SeqCst);
        let last = self.tasks.join_all().await;
        let late = |(at, last): (usize, Instant)| last.saturating_duration_since(ended[at]);
        last.into_iter().map(late).collect()
    }
}

/// Returns the time at which a session was served last.
async fn last_served(near: &NearStore, id: &SessionId, over: &AtomicBool) -> Instant {
    let (begin, mut last) = (Instant::now(), Instant::now());
    loop {
        let (asked, is_over) = (Instant::now(), over.load(Ordering::SeqCst));
        match timeout(Duration::from_millis(500), near.get(id)).await {
            Ok(Ok(Some(_))) => last = asked,
            Ok(Ok(None)) if is_over => return last,
            // An outage is no acceptance.
            _ => {}
        }
        assert!(begin.elapsed() < Duration::from_mins(2), "never refused");
        sleep(LOOK).await;
    }
}

/// Ends sessions one after the other, and says when each was over at the latest.
async fn end(writer: &Arc<dyn Store>, ids: &[SessionId]) -> Vec<Instant> {
    let mut ended = Vec::new();
    for id in ids {
        let begin = Instant::now();
        while writer.destroy(id).await.is_err() {
            assert!(
                begin.elapsed() < Duration::from_mins(2),
                "it cannot be ended"
            );
            sleep(LOOK).await;
        }
        ended.push(Instant::now());
    }
    ended
}

/// The times after their ends at which sessions were still accepted.
#[derive(Default)]
struct Late(Vec<Duration>);

impl Late {
    fn at(&self, thousandths: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        let last = sorted.len().saturating_sub(1);
        sorted[(sorted.len() * thousandths / 1000).min(last)]
    }

    fn print(&self, what: &str) {
        eprintln!(
            "{what}: {} logouts, accepted afterwards for p50 {:?}, p99 {:?}, p99.9 {:?}, at most {:?}",
            self.0.len(),
            self.at(500),
            self.at(990),
            self.at(999),
            self.at(1000)
        );
    }

    fn are_within_the_bound(&self, what: &str) {
        self.print(what);
        assert!(self.at(1000) <= BOUND, "{what}: {:?}", self.at(1000));
    }
}
