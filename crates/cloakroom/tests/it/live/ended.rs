//! Notification of a session's end on each store, for every way to end it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::store::{NewRecord, StoreErrorKind};
use cloakroom::watch::{EndReason, Ended};
use cloakroom::{MemoryStore, Session, SessionError, Timestamp};
use tokio::task::JoinSet;

use super::{BEGUN, LIMIT, Node, lives, told, user};
use crate::support::servers::on_every_store;

#[derive(Clone, Copy, Debug)]
enum Way {
    Logout,
    Login,
    Reset,
    Renewal,
    Everywhere,
    Raw,
}

const WAYS: [Way; 6] = [
    Way::Logout,
    Way::Login,
    Way::Reset,
    Way::Renewal,
    Way::Everywhere,
    Way::Raw,
];

impl Way {
    async fn end(self, node: &Node, cookie: &str, user: &str) {
        let session = node.open(cookie).await;
        match self {
            Self::Logout => session.logout().await.unwrap(),
            Self::Login => session.login(user).await.unwrap(),
            Self::Reset => session.logout_keeping(&[]).unwrap(),
            Self::Renewal => session.regenerate().unwrap(),
            Self::Everywhere => {
                assert_eq!(node.0.end_sessions_of(user, None).await.unwrap(), 1);
            }
            Self::Raw => assert!(node.0.store().destroy(&session.id()).await.unwrap()),
        }
        if !matches!(self, Self::Everywhere | Self::Raw) {
            node.close(&session).await;
        }
    }
}

async fn an_end_on_another_server_is_notified_within_a_second(url: &str) {
    let (here, there) = Node::pair(url).await;
    let mut waiting = JoinSet::new();
    for way in WAYS {
        let (here, there) = (here.clone(), there.clone());
        waiting.spawn(async move {
            let user = user();
            let cookie = here.sign_in(&user).await;
            let mut ended = here.open(&cookie).await.ended();
            lives("before", &mut ended, BEGUN).await;
            way.end(&there, &cookie, &user).await;
            let end = told(&format!("{way:?} elsewhere"), ended, Instant::now()).await;
            assert_eq!(end, EndReason::Ended, "{way:?}");
        });
    }
    waiting.join_all().await;
}

async fn an_end_on_this_server_is_notified_at_once(url: &str) {
    let (here, _) = Node::pair(url).await;
    for way in [Way::Logout, Way::Login, Way::Reset, Way::Everywhere] {
        let user = user();
        let cookie = here.sign_in(&user).await;
        let mut ended = here.open(&cookie).await.ended();
        lives("before", &mut ended, Duration::from_millis(100)).await;
        way.end(&here, &cookie, &user).await;
        let pace = testbed::pace();
        let end = told(&format!("{way:?} here"), ended, Instant::now()).await;
        assert_eq!(end, EndReason::Ended);
        // `destroy_by_user` does not name the ids that it ended, so they are polled.
        let soon = Duration::from_millis(if matches!(way, Way::Everywhere) {
            400
        } else {
            100
        });
        assert!(pace.is_within(soon), "{way:?}: {pace}");
    }
}

async fn an_expiry_is_reported_as_expired(url: &str) {
    let (here, _) =
        Node::pair_with(url, |policy| policy.idle_timeout(Duration::from_secs(2))).await;
    // Before it, because the session begins somewhere within.
    let begin = Instant::now();
    let cookie = here.sign_in(&user()).await;
    let ended = here.open(&cookie).await.ended();
    let end = tokio::time::timeout(LIMIT, ended).await.unwrap();
    eprintln!(
        "expired after 2 s, told after {} ms",
        begin.elapsed().as_millis()
    );
    assert_eq!(end, EndReason::Expired);
    assert!(begin.elapsed() > Duration::from_millis(1_500));
    assert!(here.open(&cookie).await.is_new());
}

async fn a_touch_elsewhere_keeps_it_alive_until_its_absolute_time_out(url: &str) {
    let second = Duration::from_secs(1);
    let timed = |policy: cloakroom::policy::PolicyBuilder| {
        policy.idle_timeout(4 * second).absolute_timeout(7 * second)
    };
    let (here, there) = Node::pair_with(url, timed).await;
    // Before it, because the session begins somewhere within.
    let pace = testbed::pace();
    let cookie = here.sign_in(&user()).await;
    let session = here.open(&cookie).await;
    let ended = session.ended();
    // A writer that knows no absolute time-out.
    let stored = there.0.store().get(&session.id()).await.unwrap().unwrap();
    let entry = NewRecord {
        text: stored.text.clone(),
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_mins(1)),
        users: Vec::new(),
    };
    assert!(
        there
            .0
            .store()
            .touch(&session.id(), &stored.text, &entry)
            .await
            .unwrap()
    );
    let end = tokio::time::timeout(LIMIT, ended).await.unwrap();
    let took = pace.took();
    eprintln!(
        "absolute time-out after 7 s, told after {} ms",
        took.as_millis()
    );
    assert_eq!(end, EndReason::Expired);
    assert!(took > Duration::from_millis(6_900), "{took:?}");
    assert!(pace.is_within(Duration::from_millis(8_500)), "{pace}");
    assert!(
        there.0.store().get(&session.id()).await.unwrap().is_some(),
        "the store has it still"
    );
}

async fn all_watchers_of_a_session_are_notified(url: &str) {
    let (here, there) = Node::pair(url).await;
    let (user, other) = (user(), user());
    let cookie = here.sign_in(&user).await;
    let kept = here.sign_in(&other).await;
    let mut bystander = here.open(&kept).await.ended();
    let mut waiting = JoinSet::new();
    for at in 0..100 {
        let mut ended = here.open(&cookie).await.ended();
        waiting.spawn(async move {
            // Some stop waiting earlier, without effect on the others.
            if at % 4 == 0 {
                lives("before", &mut ended, Duration::from_millis(10)).await;
                return false;
            }
            ended.await == EndReason::Ended
        });
    }
    lives("before", &mut bystander, BEGUN).await;
    there.0.end_sessions_of(&user, None).await.unwrap();
    let pace = testbed::pace();
    let told = tokio::time::timeout(LIMIT, waiting.join_all())
        .await
        .expect("in time");
    super::is_soon("all of them", &pace);
    assert_eq!(told.into_iter().filter(|told| *told).count(), 75);
    lives("another's", &mut bystander, BEGUN).await;
}

async fn ids_that_are_hashed_at_rest_are_watched_as_they_are_stored(url: &str) {
    let (here, there) = Node::pair_with(url, |policy| policy.hash_ids_at_rest(true)).await;
    let (first, second) = (user(), user());
    let cookie = here.sign_in(&first).await;
    let mut ended = here.open(&cookie).await.ended();
    lives("hashed", &mut ended, BEGUN).await;
    there.0.end_sessions_of(&first, None).await.unwrap();
    assert_eq!(
        told("hashed", ended, Instant::now()).await,
        EndReason::Ended
    );
    let cookie = here.sign_in(&second).await;
    let mut ended = here.open(&cookie).await.ended();
    lives("hashed", &mut ended, Duration::from_millis(50)).await;
    here.open(&cookie).await.logout().await.unwrap();
    assert_eq!(
        told("hashed, here", ended, Instant::now()).await,
        EndReason::Ended
    );
}

async fn after_its_end_elsewhere_no_change_is_saved(url: &str) {
    let (here, there) = Node::pair(url).await;
    let cookie = here.sign_in(&user()).await;
    let session = here.open(&cookie).await;
    // The handshake's response has left.
    here.close(&session).await;
    let other = there.open(&cookie).await;
    other.insert("theirs", 1).unwrap();
    there.close(&other).await;
    assert_eq!(session.get::<u32>("theirs").unwrap(), None);
    session.reload().await.unwrap();
    assert_eq!(session.get("theirs").unwrap(), Some(1));
    session.insert("ours", 2).unwrap();
    session.save().await.unwrap();
    let add = |n: Option<u32>| n.unwrap_or(0) + 1;
    assert_eq!(session.update("n", add).await.unwrap(), 1);
    let seen = there.open(&cookie).await;
    assert_eq!(
        (seen.get("ours").unwrap(), seen.get("n").unwrap()),
        (Some(2), Some(1))
    );
    seen.logout().await.unwrap();
    session.insert("late", true).unwrap();
    assert!(matches!(session.save().await, Err(SessionError::Gone)));
    assert!(matches!(
        session.update("n", add).await,
        Err(SessionError::Gone)
    ));
    assert!(matches!(session.reload().await, Err(SessionError::Gone)));
    assert!(there.open(&cookie).await.is_new(), "it was brought back");
    assert_eq!(
        told("when it is over already", session.ended(), Instant::now()).await,
        EndReason::Ended
    );
}

on_every_store!(
    an_end_on_another_server_is_notified_within_a_second
    an_end_on_this_server_is_notified_at_once
    an_expiry_is_reported_as_expired
    a_touch_elsewhere_keeps_it_alive_until_its_absolute_time_out
    all_watchers_of_a_session_are_notified
    ids_that_are_hashed_at_rest_are_watched_as_they_are_stored
    after_its_end_elsewhere_no_change_is_saved
);

#[tokio::test]
async fn a_session_that_is_not_stored_never_ends() {
    let here = Node::new("memory:").await;
    let mut ended = here.open("").await.ended();
    lives("new", &mut ended, BEGUN).await;
    assert_eq!(format!("{ended:?}"), "Ended(never)");
}

/// A manager over a store that counts what it is asked.
async fn counted() -> (Node, FaultInjectingStore, Session) {
    let faulty = FaultInjectingStore::new(Arc::new(MemoryStore::new()));
    let node = Node::on(Arc::new(faulty.clone()), |policy| policy);
    let cookie = node.sign_in(&user()).await;
    let session = node.open(&cookie).await;
    faulty.take_calls();
    (node, faulty, session)
}

#[tokio::test]
async fn a_dropped_watch_is_not_polled() {
    let (_node, faulty, session) = counted().await;
    let mut waiting: Vec<Ended> = (0..3).map(|_| session.ended()).collect();
    for ended in &mut waiting {
        lives("it", ended, Duration::from_millis(20)).await;
    }
    let begin = Instant::now();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let calls = faulty.take_calls().len();
    // Twice a second for all of them, and once when each began.
    let most = 5 + 2 * begin.elapsed().as_secs();
    assert!((1..=most).contains(&(calls as u64)), "{calls}");
    waiting.pop();
    tokio::time::sleep(BEGUN).await;
    assert!(!faulty.take_calls().is_empty(), "two still wait");
    waiting.clear();
    tokio::time::sleep(Duration::from_millis(50)).await;
    faulty.take_calls();
    tokio::time::sleep(2 * BEGUN).await;
    assert_eq!(faulty.take_calls(), Vec::<&str>::new());
    // And again, once a session is watched again.
    let mut ended = session.ended();
    let mut calls = Vec::new();
    while calls.is_empty() {
        lives("it", &mut ended, Duration::from_millis(20)).await;
        calls = faulty.take_calls();
    }
    assert!(calls.iter().all(|call| *call == "expiries"), "{calls:?}");
}

#[tokio::test]
async fn a_watch_that_was_never_polled_costs_nothing() {
    let (_node, faulty, session) = counted().await;
    let waiting: Vec<Ended> = (0..3).map(|_| session.ended()).collect();
    tokio::time::sleep(BEGUN).await;
    assert_eq!(faulty.take_calls(), Vec::<&str>::new());
    drop(waiting);
}

#[tokio::test]
async fn a_store_that_fails_or_hangs_ends_nothing() {
    let (node, faulty, session) = counted().await;
    let mut ended = session.ended();
    for trouble in [
        FaultInjectingStore::hang,
        FaultInjectingStore::lose_answers,
        |faulty: &FaultInjectingStore| {
            faulty.fail(StoreErrorKind::Unavailable);
        },
    ] {
        trouble(&faulty);
        lives("meanwhile", &mut ended, 2 * BEGUN).await;
        faulty.work();
        lives("afterwards", &mut ended, BEGUN).await;
    }
    // It ends while the store is unavailable: the watch is notified once it is back.
    let store = Arc::clone(node.0.store());
    store.destroy(&session.id()).await.unwrap();
    faulty.fail(StoreErrorKind::Unavailable);
    faulty.work();
    assert_eq!(told("back", ended, Instant::now()).await, EndReason::Ended);
}

#[tokio::test]
async fn a_store_that_panics_ends_nothing_and_is_polled_with_a_pause() {
    let (node, faulty, session) = counted().await;
    let mut ended = session.ended();
    faulty.panic();
    let begin = Instant::now();
    let mut calls = 0;
    while calls == 0 || begin.elapsed() < Duration::from_secs(1) {
        lives("meanwhile", &mut ended, Duration::from_millis(100)).await;
        calls += faulty.take_calls().len();
    }
    let most = 10 * (1 + begin.elapsed().as_secs());
    assert!(calls as u64 <= most, "{calls}");
    faulty.work();
    lives("afterwards", &mut ended, BEGUN).await;
    node.0.store().destroy(&session.id()).await.unwrap();
    assert_eq!(told("back", ended, Instant::now()).await, EndReason::Ended);
}

#[test]
fn another_runtime_takes_over_the_polling() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let (node, session) = first.block_on(async {
        let (node, _, session) = counted().await;
        (node, session)
    });
    // The task that asks runs in the first; the second waits.
    let mut here = session.ended();
    first.block_on(lives("first", &mut here, Duration::from_millis(50)));
    let waiting = second.spawn(session.ended());
    std::thread::sleep(Duration::from_millis(300));
    drop(first);
    std::thread::sleep(Duration::from_millis(300));
    let end = second.block_on(async {
        let store = Arc::clone(node.0.store());
        store.destroy(&session.id()).await.unwrap();
        tokio::time::timeout(LIMIT, waiting).await
    });
    assert_eq!(end.expect("in time").unwrap(), EndReason::Ended);
}
