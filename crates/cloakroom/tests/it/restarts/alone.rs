//! A single server that restarts.

use std::sync::Arc;

use cloakroom::store::Store;
use testbed::{Redis, RedisProgram};

use super::rig::{by_default, log_length, restart, restart_without, snapshot, with_log};
use super::{Back, ENDS, Sessions, ask, connect, control, rounds, saw};

/// The ways in which a server loses data.
#[derive(Clone, Copy)]
enum Forgets {
    /// It restarts from an earlier snapshot.
    BySnapshot,
    /// Its log has lost the last second.
    ByLog,
}

fn tell(what: &str, count: usize) {
    let ends = count * ENDS;
    saw(
        "R1",
        &format!("{what}: killed {count} times"),
        &format!("{ends} ends acknowledged, 0 undone"),
    );
}

/// Plays rounds, and returns how many had something back.
async fn play(mut server: Redis, forgets: Forgets, count: usize, repeats: bool) -> usize {
    let store: Arc<dyn Store> = Arc::new(connect(&server.url(), repeats).await);
    let mut had_some = 0;
    for round in 0..count {
        let sessions = Sessions::create(&*store).await;
        let length = match forgets {
            Forgets::BySnapshot => {
                snapshot(&server).await;
                0
            }
            Forgets::ByLog => log_length(&server).await,
        };
        sessions.end(&*store).await;
        match forgets {
            Forgets::BySnapshot => restart(&mut server),
            Forgets::ByLog => restart_without(&mut server, length),
        }
        let nodes = std::slice::from_ref(&server);
        // Every third time no request is made: the store notices by itself.
        let back = if round % 3 == 2 && repeats {
            Back {
                there: Back::at_servers(&sessions, nodes, true).await,
                ..Back::default()
            }
        } else {
            Back::of(&sessions, &store, nodes, repeats).await
        };
        had_some += usize::from(!back.is_none());
        if repeats {
            assert!(back.is_none(), "round {round}: {back:?}");
        }
        // The other sessions stay live.
        assert!(
            ask(&*store, &sessions.live).await.is_some(),
            "round {round}"
        );
    }
    had_some
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_ended_sessions_stay_ended_when_redis_restarts_from_a_snapshot() {
    let count = rounds(20);
    assert_eq!(
        play(
            by_default(RedisProgram::Redis),
            Forgets::BySnapshot,
            count,
            true
        )
        .await,
        0
    );
    tell("Redis, from its last snapshot", count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_ended_sessions_stay_ended_when_valkey_restarts_from_a_snapshot() {
    let count = rounds(5);
    assert_eq!(
        play(
            by_default(RedisProgram::Valkey9),
            Forgets::BySnapshot,
            count,
            true
        )
        .await,
        0
    );
    tell("Valkey, from its last snapshot", count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_ended_sessions_stay_ended_when_valkey_8_restarts_from_a_snapshot() {
    let count = rounds(3);
    let server = by_default(RedisProgram::Valkey8);
    assert_eq!(play(server, Forgets::BySnapshot, count, true).await, 0);
    tell("Valkey 8, from its last snapshot", count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_ended_sessions_stay_ended_when_the_log_lost_its_last_second() {
    let count = rounds(5);
    assert_eq!(play(with_log(), Forgets::ByLog, count, true).await, 0);
    tell("Redis, from a log without its last second", count);
}

/// The control: without the replay, sessions come back in these rounds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_without_replay_sessions_come_back() {
    assert_eq!(
        play(
            by_default(RedisProgram::Redis),
            Forgets::BySnapshot,
            3,
            false
        )
        .await,
        3
    );
    assert_eq!(
        play(
            by_default(RedisProgram::Valkey9),
            Forgets::BySnapshot,
            1,
            false
        )
        .await,
        1
    );
    assert_eq!(play(with_log(), Forgets::ByLog, 1, false).await, 1);
    control(
        "R1",
        "without replay sessions are back after each of 5 restarts",
    );
}

/// Two processes: each replays the ends that it made itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_each_process_replays_its_own_ends() {
    let mut server = by_default(RedisProgram::Redis);
    let one: Arc<dyn Store> = Arc::new(connect(&server.url(), true).await);
    let two: Arc<dyn Store> = Arc::new(connect(&server.url(), true).await);
    let (first, second) = (Sessions::create(&*one).await, Sessions::create(&*two).await);
    snapshot(&server).await;
    first.end(&*one).await;
    second.end(&*two).await;
    restart(&mut server);
    let nodes = std::slice::from_ref(&server);
    for (sessions, store) in [(&first, &one), (&second, &two)] {
        let back = Back::of(sessions, store, nodes, true).await;
        assert!(back.is_none(), "{back:?}");
    }
}

/// A snapshot restored twice: the sessions are deleted each time, not only the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_snapshot_restored_twice_resurrects_nothing() {
    let mut server = by_default(RedisProgram::Redis);
    let store: Arc<dyn Store> = Arc::new(connect(&server.url(), true).await);
    let sessions = Sessions::create(&*store).await;
    snapshot(&server).await;
    sessions.end(&*store).await;
    for time in 0..3 {
        restart(&mut server);
        let back = Back::of(&sessions, &store, std::slice::from_ref(&server), true).await;
        assert!(back.is_none(), "time {time}: {back:?}");
    }
}
