//! A replica that has not received the ends is promoted.

use std::sync::Arc;

use cloakroom::store::Store;
use testbed::{Redis, Sentinels};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::rig::info;
use super::{Back, ENDS, LIMIT, LOOK, Sessions, connect, control, rounds, saw};

/// A vote that fails on a busy machine is taken again after twice the sentinels' `failover-timeout`.
const VOTES: u32 = 4;

async fn holds(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < LIMIT * VOTES, "{what}");
        sleep(LOOK).await;
    }
}

/// Keeps replicas from following the primary from now on; other clients are not affected.
fn cut_replication(primary: &Redis) {
    let said = primary.command(&["ACL", "SETUSER", "default", "-psync", "-sync"]);
    assert_eq!(said, "+OK\r\n");
    primary.command(&["CLIENT", "KILL", "TYPE", "replica"]);
}

fn is_primary(server: &Redis) -> bool {
    info(server, "replication", "role") == "master"
}

/// Waits until one of the two is the primary and the other has all that it has; which it is, the sentinels
/// decide.
async fn in_step(servers: &[Redis]) -> usize {
    let mut primary = None;
    holds("the replica is in step", || {
        primary = [0, 1].into_iter().find(|&at| {
            let (one, other) = (&servers[at], &servers[1 - at]);
            let sent = info(one, "replication", "master_repl_offset");
            let got = info(other, "replication", "slave_repl_offset");
            let is_up = info(other, "replication", "master_link_status") == "up";
            is_primary(one) && !is_primary(other) && is_up && got == sent
        });
        primary.is_some()
    })
    .await;
    primary.expect("it was found")
}

/// Ends sessions that the replica does not hear of, ends the primary, and asks the one after it.
async fn round(sentinels: &mut Sentinels, store: &Arc<dyn Store>, repeats: bool) -> Back {
    let servers = sentinels.servers();
    in_step(servers).await;
    let sessions = Sessions::create(&**store).await;
    let at = in_step(servers).await;
    cut_replication(&servers[at]);
    holds("the replica is cut off", || {
        info(&servers[1 - at], "replication", "master_link_status") == "down"
    })
    .await;
    sessions.end(&**store).await;
    block_in_place(|| servers[at].process().kill());
    holds("another primary", || is_primary(&servers[1 - at])).await;
    let back = Back::of(&sessions, store, &servers[1 - at..=1 - at], repeats).await;
    // The one that was the primary follows the other now.
    block_in_place(|| servers[at].restart());
    if is_primary(&servers[1 - at]) {
        let port = servers[1 - at].port().to_string();
        let said = servers[at].command(&["REPLICAOF", "127.0.0.1", &port]);
        assert!(said.starts_with("+OK"), "{said}");
    }
    in_step(servers).await;
    back
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r3_ended_sessions_stay_ended_when_a_replica_without_the_end_is_promoted() {
    let mut sentinels = Sentinels::start();
    let store: Arc<dyn Store> = Arc::new(connect(&sentinels.url(), true).await);
    let turns = rounds(2).min(200);
    for turn in 0..turns {
        let back = round(&mut sentinels, &store, true).await;
        assert!(back.is_none(), "turn {turn}: {back:?}");
    }
    let load = format!("Sentinel, replication cut: {turns} failovers");
    saw(
        "R3",
        &load,
        &format!("{} ends acknowledged, 0 undone", turns * ENDS),
    );
}

/// The control.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_without_replay_sessions_come_back_with_a_replica() {
    let mut sentinels = Sentinels::start();
    let store: Arc<dyn Store> = Arc::new(connect(&sentinels.url(), false).await);
    let back = round(&mut sentinels, &store, false).await;
    assert_eq!(back.here.len(), ENDS, "{back:?}");
    control(
        "R3",
        "without replay all that ended is back after one failover",
    );
}
