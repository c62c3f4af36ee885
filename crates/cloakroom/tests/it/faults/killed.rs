//! F04: the server is killed under load and restarted: acknowledged writes survive.

use std::time::Duration;

use cloakroom::policy::RequestInfo;
use cloakroom::{Clock, Manager, Policy, Secure, Session, SessionId};
use testbed::{
    Mongo, Postgres, PostgresPair, PostgresRelease, Redis, RedisOptions, RedisProgram, Server,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::ledger::{Account, Ledger, Told, Verdict};
use super::{control, rounds, saw};
use crate::support::keys;
use crate::support::servers::connect;

const VISITORS: usize = 8;
/// Maximum number of attempts in which a control may lose something.
const ENOUGH: usize = 30;

/// Signs in, makes steps and signs out, again and again, until it is over.
async fn visits(manager: Manager, is_over: watch::Receiver<bool>) -> Ledger {
    let mut ledger = Ledger::default();
    let mut number = 0;
    while !*is_over.borrow() {
        let user = SessionId::random().expose().to_owned();
        visit(&manager, &user, number % 2 == 0, ledger.of(&user)).await;
        number += 1;
    }
    ledger
}

async fn visit(manager: &Manager, user: &str, leaves: bool, account: &mut Account) {
    let info = RequestInfo::default;
    let Ok(session) = manager.open([], info()).await else {
        return;
    };
    // Without an answer there is no cookie, and no more to ask.
    account.begins(Told::Unknown);
    if session.login(user).await.is_err() {
        return;
    }
    let Some(field) = manager
        .close(&session)
        .await
        .ok()
        .and_then(|closing| closing.set_cookie)
    else {
        return;
    };
    account.begins(Told::Done);
    let cookie = field.split(';').next().unwrap_or_default();
    for _ in 0..3 {
        let Ok(session) = manager.open([cookie.as_bytes()], info()).await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        account.steps(told(step(manager, &session).await));
    }
    if leaves && let Ok(session) = manager.open([cookie.as_bytes()], info()).await {
        let ended = session.logout().await.ok();
        let closed = manager.close(&session).await.ok();
        account.ends(told(ended.and(closed)));
    }
}

async fn step(manager: &Manager, session: &Session) -> Option<()> {
    let add = |n: Option<u64>| n.unwrap_or(0) + 1;
    let added = session.update("n", add).await.ok();
    manager.close(session).await.ok()?;
    added.map(drop)
}

fn told<T>(answer: Option<T>) -> Told {
    answer.map_or(Told::Unknown, |_| Told::Done)
}

async fn manager(url: &str) -> Manager {
    let policy = Policy::builder(keys())
        .secure(Secure::Never)
        .store_timeout(Duration::from_secs(1));
    Manager::with_clock(policy.build().unwrap(), connect(url).await, Clock::System)
}

/// Plays until the server was killed `kills` times; returns the acknowledged operations, and the violations.
async fn play(mut server: Box<dyn Server>, kills: usize, enough: bool) -> (u64, usize) {
    let (mut acknowledged, mut broken) = (0, 0);
    for kill in 0..kills {
        let manager = manager(&server.url()).await;
        let (over, is_over) = watch::channel(false);
        let mut visitors = JoinSet::new();
        for _ in 0..VISITORS {
            visitors.spawn(visits(manager.clone(), is_over.clone()));
        }
        sleep(Duration::from_millis(300 + 37 * (kill as u64 % 11))).await;
        server = tokio::task::spawn_blocking(move || {
            server.kill();
            server
        })
        .await
        .unwrap();
        over.send_replace(true);
        let mut ledger = Ledger::default();
        for some in visitors.join_all().await {
            ledger.extend(some);
        }
        server = tokio::task::spawn_blocking(move || {
            server.restart();
            server
        })
        .await
        .unwrap();
        acknowledged += ledger.acknowledged();
        broken += compare(&server.url(), &ledger).await;
        if enough && broken > 0 {
            break;
        }
    }
    (acknowledged, broken)
}

/// Returns the number of sessions that contradict what their clients were told.
async fn compare(url: &str, ledger: &Ledger) -> usize {
    let store = connect(url).await;
    let mut broken = 0;
    for (user, account) in ledger.iter() {
        let mut found = None;
        for id in store.list_by_user(user).await.unwrap() {
            let stored = store.get(&id).await.unwrap();
            found = found.max(stored.map(|stored| {
                let data: serde_json::Value = serde_json::from_str(&stored.text).unwrap();
                data["n"].as_u64().unwrap_or(0)
            }));
        }
        let verdict = account.judge(found);
        if verdict != Verdict::Kept {
            eprintln!("{verdict:?}: {account:?}, {found:?} stored");
            broken += 1;
        }
    }
    broken
}

async fn nothing_is_lost(name: &str, server: Box<dyn Server>) {
    let kills = rounds(3);
    let (acknowledged, broken) = play(server, kills, false).await;
    assert_eq!(broken, 0, "of {acknowledged}");
    assert!(
        acknowledged > kills as u64,
        "{acknowledged} acknowledged: nothing was tested"
    );
    saw(
        "F04",
        &format!("{name}: {VISITORS} visitors at once, kill -9 and restart {kills} times"),
        &format!("{acknowledged} acknowledged, 0 lost, 0 undone, 0 twice"),
    );
}

async fn something_is_lost(name: &str, server: Box<dyn Server>) {
    let (acknowledged, broken) = play(server, ENOUGH, true).await;
    assert!(broken > 0, "a control that loses nothing proves nothing");
    control(
        "F04",
        &format!(
            "{name}: {broken} sessions not as their clients were told, of {acknowledged} acknowledged"
        ),
    );
}

fn redis(program: RedisProgram, durable: bool) -> Box<dyn Server> {
    Box::new(Redis::with(RedisOptions {
        program,
        durable,
        ..RedisOptions::default()
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_postgres() {
    let settings = ["fsync=on", "full_page_writes=on", "synchronous_commit=on"];
    nothing_is_lost("PostgreSQL", Box::new(Postgres::start(&settings))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_postgres_18() {
    let settings = ["fsync=on", "full_page_writes=on", "synchronous_commit=on"];
    let server = Postgres::start_release(PostgresRelease::V18, &settings);
    nothing_is_lost("PostgreSQL 18", Box::new(server)).await;
}

/// The primary is killed and its standby promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_postgres_with_a_synchronous_standby() {
    let pair = Box::new(PostgresPair::synchronous());
    nothing_is_lost("PostgreSQL, a synchronous standby promoted", pair).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_control_a_standby_without_the_writes_loses_them() {
    let pair = Box::new(PostgresPair::cut());
    something_is_lost("PostgreSQL, a standby promoted that got nothing", pair).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_redis() {
    nothing_is_lost(
        "Redis, appendfsync always",
        redis(RedisProgram::Redis, true),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_valkey() {
    nothing_is_lost(
        "Valkey, appendfsync always",
        redis(RedisProgram::Valkey9, true),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_mongodb() {
    let server = tokio::task::spawn_blocking(Mongo::start).await.unwrap();
    nothing_is_lost("MongoDB-compatible server, synced", Box::new(server)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_control_postgres_that_does_not_wait_for_its_log() {
    let settings = ["synchronous_commit=off", "wal_writer_delay=2000ms"];
    something_is_lost(
        "PostgreSQL, `synchronous_commit=off`",
        Box::new(Postgres::start(&settings)),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_control_redis_without_a_log() {
    something_is_lost("Redis without AOF", redis(RedisProgram::Redis, false)).await;
}
