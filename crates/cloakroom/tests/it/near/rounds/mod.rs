//! Rounds: a session ends at one of four processes, during a fault, and the other three are
//! polled for it until they refuse it.
//!
//! It prints the time until the first question after which none of the three accepted the session any
//! more; `past` are rounds in which a question put past the bound was answered with it, `here` those in
//! which the process at which it ended did so. With every test run there are some of each kind; so many as
//! it takes to believe it are played by
//!
//! ```sh
//! CLOAKROOM_ROUNDS_IN_ALL=10000 cargo test -p cloakroom --all-features --test it near::rounds -- --test-threads=1 --nocapture
//! ```

mod failover;
mod revived;
mod site;
mod tally;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom::SessionId;
use cloakroom::store::Store;
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::revived::Revived;
use self::site::{Fault, Place, Site};
use self::tally::{HEAD, Tally};
use super::peer::{Peer, micros, store};
use super::{BATCH, BOUND, LOOK, entry, near, rounds};

/// Variable with the total number of rounds of all kinds. By default there is a batch of each.
const IN_ALL: &str = "CLOAKROOM_ROUNDS_IN_ALL";
/// Servers that give out sessions, beside the one at which they end.
const OTHERS: usize = 3;
/// Time between two logouts, so that a fault meets some before, some after and some on their way.
const PAUSE: Duration = Duration::from_millis(4);
/// The bound for all but one logout in a thousand while nothing fails, on a machine that is otherwise
/// mostly idle.
const SOON: Duration = Duration::from_millis(50);
/// Number of rounds needed to speak of one in a thousand.
const MANY: usize = 1000;

/// The kinds, and how many of a hundred rounds are of each.
#[rustfmt::skip]
const KINDS: [(usize, Place, Fault); 18] = [
    (10, Place::Alone,     Fault::Nothing),
    (6,  Place::Alone,     Fault::LinkFrozen),
    (6,  Place::Alone,     Fault::LinkCut),
    (4,  Place::Alone,     Fault::LinkLate),
    (6,  Place::Alone,     Fault::Frozen),
    (6,  Place::Alone,     Fault::Cut),
    (6,  Place::Alone,     Fault::Killed),
    (4,  Place::Alone,     Fault::Flushed),
    (10, Place::Cluster,   Fault::Nothing),
    (8,  Place::Cluster,   Fault::LinkFrozen),
    (6,  Place::Cluster,   Fault::LinkCut),
    (4,  Place::Cluster,   Fault::LinkLate),
    (4,  Place::Cluster,   Fault::Frozen),
    (4,  Place::Cluster,   Fault::Cut),
    (6,  Place::Cluster,   Fault::Killed),
    (4,  Place::Cluster,   Fault::Flushed),
    (4,  Place::Replicas,  Fault::FailsOver),
    (2,  Place::Sentinels, Fault::FailsOver),
];

/// Four processes on the servers of a place.
struct Fleet {
    place: Place,
    staleness: Duration,
    site: Site,
    /// Ends sessions, and has a cache of its own.
    store: Arc<dyn Store>,
    others: Vec<Peer>,
    batches: usize,
}

impl Fleet {
    async fn new(place: Place, staleness: Duration) -> Self {
        let site = Site::new(place).await;
        let others = (0..OTHERS).map(|_| Peer::start(&site.url_of_others(), staleness));
        Self {
            place,
            staleness,
            others: others.collect(),
            store: Arc::new(near(store(&site.url()).await)),
            site,
            batches: 0,
        }
    }

    /// Plays rounds of one kind, some at a time.
    async fn play(&mut self, fault: Fault, rounds: usize, bound: Duration) -> Tally {
        let control = if self.staleness > bound {
            "control: "
        } else {
            ""
        };
        let what = format!("{control}{:?}, {fault:?}", self.place);
        let mut tally = Tally::new(what, bound);
        while tally.len() < rounds {
            self.batch(fault, BATCH.min(rounds - tally.len()), &mut tally)
                .await;
        }
        eprintln!("{tally}");
        tally
    }

    async fn batch(&mut self, fault: Fault, rounds: usize, tally: &mut Tally) {
        let ids = self.sessions(rounds).await;
        for peer in &mut self.others {
            peer.watch(&ids);
        }
        self.others.iter_mut().for_each(Peer::watches);
        let revived = self
            .site
            .promoted(fault)
            .map(|port| Revived::watch(port, &ids));
        let mut ended = self.end_under(fault, &ids, tally).await;
        self.site.end(fault).await;
        if fault == Fault::FailsOver {
            self.end_again(&ids, &mut ended).await;
        }
        if let Some(revived) = revived {
            revived.correct(&mut ended).await;
        }
        self.others.iter_mut().for_each(Peer::are_over);
        let seen: Vec<_> = self.others.iter_mut().map(Peer::saw).collect();
        for (at, ended) in ended.into_iter().enumerate() {
            let seen = seen.iter().map(|of_one| of_one[at]);
            if tally.judge(ended, seen.clone()) {
                let late: Vec<u64> = seen
                    .map(|seen| seen.accepted.saturating_sub(ended) / 1000)
                    .collect();
                let batch = self.batches;
                eprintln!(
                    "past the bound: batch {batch}, session {at}, ended at {ended}, accepted for {late:?} ms"
                );
            }
        }
        self.batches += 1;
    }

    /// Ends sessions, some before it goes wrong; says when each was over.
    async fn end_under(&mut self, fault: Fault, ids: &[SessionId], tally: &mut Tally) -> Vec<u64> {
        if fault == Fault::Flushed {
            self.site.begin(fault, self.batches).await;
            return vec![micros(); ids.len()];
        }
        let (some, rest) = ids.split_at(ids.len() / 5);
        let mut ended = self.end(some, tally).await;
        self.site.begin(fault, self.batches).await;
        ended.extend(self.end(rest, tally).await);
        ended
    }

    async fn sessions(&self, count: usize) -> Vec<SessionId> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let id = SessionId::random();
            if self.store.create(&id, &entry()).await.is_ok() {
                ids.push(id);
            }
        }
        ids
    }

    /// Ends sessions one after the other, and says when each logout had returned. Each is asked for
    /// here as well, at once.
    async fn end(&self, ids: &[SessionId], tally: &mut Tally) -> Vec<u64> {
        let (mut ended, mut asked) = (Vec::new(), JoinSet::new());
        for id in ids {
            self.end_one(id).await;
            ended.push(micros());
            let (store, id) = (Arc::clone(&self.store), id.clone());
            asked.spawn(async move { matches!(store.get(&id).await, Ok(Some(_))) });
            sleep(PAUSE).await;
        }
        let here = asked.join_all().await;
        // A primary that is replaced may take what it said with it.
        if !self.place.has_replicas() {
            tally.here += here.into_iter().filter(|accepted| *accepted).count();
        }
        ended
    }

    /// Ends a session, and says whether it was there.
    async fn end_one(&self, id: &SessionId) -> bool {
        let begin = Instant::now();
        loop {
            if let Ok(was_there) = self.store.destroy(id).await {
                return was_there;
            }
            let limit = Duration::from_mins(2);
            assert!(begin.elapsed() < limit, "it cannot be ended");
            sleep(LOOK).await;
        }
    }

    /// Repeats ends that a replaced primary acknowledged and lost; the time counts from the repetition.
    async fn end_again(&self, ids: &[SessionId], ended: &mut [u64]) {
        for (id, ended) in ids.iter().zip(ended) {
            if self.end_one(id).await {
                *ended = micros();
            }
        }
    }
}

/// Plays the kinds of a place.
async fn play(place: Place) {
    let machine = testbed::pace();
    let mut fleet = Fleet::new(place, BOUND).await;
    let mut tallies = Vec::new();
    for (share, _, fault) in KINDS.into_iter().filter(|(_, at, _)| *at == place) {
        // A failover has two forms, which take turns.
        let least = if fault == Fault::FailsOver {
            2 * BATCH
        } else {
            0
        };
        let tally = fleet.play(fault, rounds_of(share).max(least), BOUND).await;
        assert!(tally.is_kept(), "{tally}");
        if fault == Fault::Nothing && tally.len() >= MANY {
            assert!(tally.at(999) <= SOON + machine.slowness(), "{tally}");
        }
        tallies.push(tally);
    }
    let played: usize = tallies.iter().map(Tally::len).sum();
    eprintln!("\n{HEAD}");
    for tally in tallies {
        eprintln!("{tally}");
    }
    eprintln!("{played} rounds, of {} processes each\n", OTHERS + 1);
}

/// Returns the rounds of one kind: `share` in a hundred of the total, if a total is set.
fn rounds_of(share: usize) -> usize {
    let all = std::env::var(IN_ALL).ok();
    all.map_or_else(rounds, |all| {
        (all.parse::<usize>().expect("a number") * share).div_ceil(100)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_one_server() {
    play(Place::Alone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_of_three() {
    play(Place::Cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_whose_replicas_take_over() {
    play(Place::Replicas).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_sentinels_whose_primary_is_replaced() {
    play(Place::Sentinels).await;
}

/// The control: caches that do not keep the bound are detected, and the rounds themselves are not slow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caches_that_keep_no_bound_are_found_out() {
    let bound = Duration::from_millis(400);
    let mut kept = Fleet::new(Place::Alone, bound).await;
    assert_eq!(kept.play(Fault::LinkFrozen, BATCH, bound).await.past(), 0);
    let mut broken = Fleet::new(Place::Alone, Duration::from_mins(1)).await;
    assert!(broken.play(Fault::LinkFrozen, BATCH, bound).await.past() > 0);
}
