//! Many servers on one store. `CLOAKROOM_ROUNDS=1000` plays the rounds of each race that often.

use std::process::Command;
use std::sync::Arc;

use cloakroom::policy::RequestInfo;
use cloakroom::store::Store;
use cloakroom::store::conformance::{FaultInjectingStore, LastWriteWinsStore};
use cloakroom::{Clock, Manager, Session};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{ENOUGH, Visitor, secure, together};
use crate::faults::{control, rounds, saw};
use crate::support::servers::{connect, kind, on_every_shared_store, on_every_store, on_one_store};

/// Names the store and the cookie, in a process that adds.
const URL: &str = "CLOAKROOM_TEST_ADD_URL";
const COOKIE: &str = "CLOAKROOM_TEST_ADD_COOKIE";
const BLIND: &str = "CLOAKROOM_TEST_ADD_BLIND";
const PROCESSES: u64 = 4;
const STEPS: u64 = 250;

async fn of_1000_changes_none_is_lost_at_a_mean_of_2_2_round_trips(url: &str) {
    let counted = FaultInjectingStore::new(connect(url).await);
    let visitor = Arc::new(Visitor::new(Arc::new(counted.clone())).await);
    counted.take_calls();
    together(&visitor, 1000, |request, session| async move {
        session.insert(&format!("k{request}"), request)
    })
    .await;
    // Each call is one round trip, which the tests of each store show.
    let calls = counted.take_calls();
    let trips = calls.len();
    assert!(trips <= 2200, "{trips} round trips");
    let load = format!("{}: 1,000 requests that set a key each, at once", kind(url));
    saw("F09", &load, &format!("0 lost, {trips} round trips"));
    // The policy's limit of 512 keys holds for all of them together.
    assert_eq!(visitor.open().await.unwrap().keys().len(), 1001);
}

/// A process that adds to one key. Run by itself it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adds_for_another_process() {
    let (Ok(url), Ok(cookie)) = (std::env::var(URL), std::env::var(COOKIE)) else {
        return;
    };
    let mut store = connect(&url).await;
    if std::env::var(BLIND).is_ok() {
        store = Arc::new(LastWriteWinsStore::new(store));
    }
    let manager = Visitor::manager(store);
    let mut tasks = JoinSet::new();
    for _ in 0..STEPS {
        let session = manager.open([cookie.as_bytes()], secure()).await.unwrap();
        tasks.spawn(async move {
            session
                .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
                .await
        });
    }
    for step in tasks.join_all().await {
        step.unwrap();
    }
}

/// Returns the value of the key after four processes have added to it.
async fn four_processes_add(url: &str, blind: bool) -> Option<u64> {
    let visitor = Visitor::new(connect(url).await).await;
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "races::fleet::adds_for_another_process"])
            .env(URL, url)
            .env(COOKIE, &visitor.cookie);
        if blind {
            command.env(BLIND, "1");
        }
        processes.push(tokio::task::spawn_blocking(move || command.output()));
    }
    for process in processes {
        let ended = process.await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() || blind, "{said}");
    }
    visitor.open().await.unwrap().get("n").unwrap()
}

async fn four_processes_that_add_1000_come_to_1000(url: &str) {
    let n = four_processes_add(url, false).await;
    assert_eq!(n, Some(PROCESSES * STEPS));
    let load = format!(
        "{}: {PROCESSES} processes, {STEPS} steps each on one key",
        kind(url)
    );
    saw("F10", &load, &format!("{} steps", PROCESSES * STEPS));
}

/// The control.
async fn control_four_processes_on_a_last_write_wins_store_lose_updates(url: &str) {
    let n = four_processes_add(url, true).await;
    assert!(n < Some(PROCESSES * STEPS), "{n:?}");
    let left = n.unwrap_or(0);
    let seen = format!("{}: a last-write-wins store keeps {left}", kind(url));
    control("F10", &seen);
}

/// Returns the number of rounds, each a logout among 1,000 saves on four servers, that bring a session back.
async fn undone(store: Arc<dyn Store>, rounds: usize, saves: usize) -> usize {
    let servers: Vec<Manager> = (0..4)
        .map(|_| Visitor::manager(Arc::clone(&store)))
        .collect();
    let mut undone = 0;
    for _ in 0..rounds {
        let visitor = Visitor::new(Arc::clone(&store)).await;
        let barrier = Arc::new(Barrier::new(saves + 1));
        let mut tasks = JoinSet::new();
        for request in 0..=saves {
            let manager = servers[request % servers.len()].clone();
            let session = manager
                .open([visitor.cookie.as_bytes()], secure())
                .await
                .unwrap();
            let barrier = Arc::clone(&barrier);
            tasks.spawn(async move {
                barrier.wait().await;
                if request == saves / 2 {
                    session.destroy().await.unwrap();
                } else {
                    session.insert("late", request).unwrap();
                }
                manager.close(&session).await.unwrap();
            });
        }
        tasks.join_all().await;
        undone += usize::from(visitor.is_signed_in().await);
    }
    undone
}

async fn no_logout_is_undone_by_1000_saves_of_four_servers(url: &str) {
    let rounds = rounds(2);
    assert_eq!(undone(connect(url).await, rounds, 1000).await, 0);
    let load = format!(
        "{}: a logout among 1,000 saves on four servers, {rounds} rounds",
        kind(url)
    );
    saw("F05", &load, "0 undone");
}

/// The control.
async fn last_write_wins_servers_undo_logouts(url: &str) {
    let blind: Arc<dyn Store> = Arc::new(LastWriteWinsStore::new(connect(url).await));
    for _ in 0..ENOUGH {
        if undone(Arc::clone(&blind), 1, 50).await > 0 {
            return;
        }
    }
    panic!("a control that revives nothing proves nothing");
}

/// Returns the number of logins that race a logout everywhere and stay live outside the index.
async fn outside_the_index(manager: &Manager, rounds: usize, login: Login) -> usize {
    let mut outside = 0;
    for round in 0..rounds {
        let user = format!("user-{round}-{}", cloakroom::SessionId::random().expose());
        let mut tasks: JoinSet<Option<Session>> = JoinSet::new();
        for _ in 0..6 {
            let (manager, user) = (manager.clone(), user.clone());
            tasks.spawn(async move { Some(login.run(&manager, &user).await) });
        }
        let (ending, of) = (manager.clone(), user.clone());
        tasks.spawn(async move {
            ending.end_sessions_of(&of, None).await.unwrap();
            None
        });
        let sessions: Vec<Session> = tasks.join_all().await.into_iter().flatten().collect();
        let indexed = manager.sessions_of(&user).await.unwrap();
        for session in sessions {
            let live = manager.store().get(&session.id()).await.unwrap().is_some();
            outside += usize::from(live && !indexed.contains(&session.id()));
        }
        manager.end_sessions_of(&user, None).await.unwrap();
        assert_eq!(manager.sessions_of(&user).await.unwrap(), []);
    }
    outside
}

#[derive(Clone, Copy)]
enum Login {
    Saved,
    /// The control: stored as by another program, without the index.
    PastTheIndex,
}

impl Login {
    async fn run(self, manager: &Manager, user: &str) -> Session {
        let session = manager.open([], RequestInfo::default()).await.unwrap();
        session.insert("userId", user).unwrap();
        if matches!(self, Self::Saved) {
            manager.close(&session).await.unwrap();
        } else {
            let entry = cloakroom::store::NewRecord {
                text: format!(r#"{{"cookie":{{"path":"/"}},"userId":"{user}"}}"#).into(),
                expires: Clock::System.now().after(std::time::Duration::from_mins(1)),
                users: Vec::new(),
            };
            manager.store().create(&session.id(), &entry).await.unwrap();
        }
        session
    }
}

async fn no_login_that_races_a_logout_everywhere_escapes_the_index(url: &str) {
    let manager = Visitor::manager(connect(url).await);
    let rounds = rounds(20);
    assert_eq!(outside_the_index(&manager, rounds, Login::Saved).await, 0);
    let load = format!(
        "{}: 6 logins race a logout everywhere, {rounds} rounds",
        kind(url)
    );
    saw("F26", &load, "0 live sessions outside the index");
}

/// The control, on stores whose index is what their writers enter.
async fn control_a_login_past_the_index_escapes_it(url: &str) {
    let manager = Visitor::manager(connect(url).await);
    let outside = outside_the_index(&manager, 2, Login::PastTheIndex).await;
    assert!(outside > 0);
    control(
        "F26",
        &format!("{}: logins past the index, {outside} outside", kind(url)),
    );
}

on_every_store!(
    of_1000_changes_none_is_lost_at_a_mean_of_2_2_round_trips
    no_logout_is_undone_by_1000_saves_of_four_servers
    last_write_wins_servers_undo_logouts
    no_login_that_races_a_logout_everywhere_escapes_the_index
);

mod index {
    use super::*;

    on_one_store!(redis: control_a_login_past_the_index_escapes_it);
    on_one_store!(cluster: control_a_login_past_the_index_escapes_it);
}

mod shared {
    use super::*;

    on_every_shared_store!(
        four_processes_that_add_1000_come_to_1000
        control_four_processes_on_a_last_write_wins_store_lose_updates
    );
}
