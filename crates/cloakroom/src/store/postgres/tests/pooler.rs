//! Behind `PgBouncer`, which gives a connection of the server to different processes in turn.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use testbed::{PgBouncer, PoolMode, Postgres};

use super::super::PostgresStore;
use super::{entry, options, raw_to, reason, unique};
use crate::id::SessionId;
use crate::store::{CasOutcome, NewRecord, RetiredId, Store as _, StoreErrorKind};

/// The variable that carries a child process's instructions: its server, its table, the number of its
/// requests, and the kind that it begins with.
const TOLD: &str = "CLOAKROOM_TEST_POOLER";
/// Concurrent requests of one process.
const AT_ONCE: usize = 8;

/// Runs as one of the processes. Started directly it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asks_through_a_pooler() {
    let Ok(told) = std::env::var(TOLD) else {
        return;
    };
    let told: Vec<&str> = told.split(' ').collect();
    let (count, first): (usize, usize) = (told[2].parse().unwrap(), told[3].parse().unwrap());
    let options = options(told[1]).pool_size(4);
    let store = PostgresStore::connect_options(told[0], options).await;
    let store = store.map_err(|error| reason(&error)).unwrap();
    println!("ready");
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    let (next, right) = (AtomicUsize::new(0), AtomicUsize::new(0));
    join_all((0..AT_ONCE).map(async |_| {
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= count {
                return;
            }
            match visit(&store, number + first).await {
                Ok(()) => _ = right.fetch_add(1, Ordering::SeqCst),
                Err(wrong) => println!("wrong {wrong}"),
            }
        }
    }))
    .await;
    println!("right {}", right.load(Ordering::SeqCst));
}

/// Plays one visitor; the order of statements differs between visitors, and so do statement names.
async fn visit(store: &PostgresStore, number: usize) -> Result<(), String> {
    let failed = |error| reason(&error);
    let is = |so: bool, what: &str| so.then_some(()).ok_or_else(|| what.to_owned());
    let (user, nobody) = (SessionId::random(), SessionId::random());
    let user = user.expose();
    let record = entry(&format!(r#","userId":"{user}","n":{number}"#));
    let of_text = async |id: &SessionId, record: &NewRecord| {
        let found = store.get(id).await.map_err(failed)?;
        is(found.is_some_and(|found| found.text == record.text), "get")
    };
    match number % 4 {
        0 => is(
            store.get(&nobody).await.map_err(failed)?.is_none(),
            "get of nobody",
        )?,
        1 => is(
            !store.destroy(&nobody).await.map_err(failed)?,
            "destroy of nobody",
        )?,
        2 => {
            let touched = store.touch(&nobody, &record.text, &record).await;
            is(!touched.map_err(failed)?, "touch of nobody")?;
        }
        _ => {
            let saved = store.update(&nobody, &record.text, &record).await;
            is(
                saved.map_err(failed)? == CasOutcome::NotFound,
                "update of nobody",
            )?;
        }
    }
    let id = SessionId::random();
    store.create(&id, &record).await.map_err(failed)?;
    of_text(&id, &record).await?;
    let changed = entry(&format!(
        r#","userId":"{user}","n":{number},"changed":true"#
    ));
    let saved = store.update(&id, &record.text, &changed).await;
    is(saved.map_err(failed)? == CasOutcome::Stored, "update")?;
    let touched = store.touch(&id, &changed.text, &changed).await;
    is(touched.map_err(failed)?, "touch")?;
    of_text(&id, &changed).await?;
    let new = SessionId::random();
    let saved = store
        .replace(&id, Some(&changed.text), &new, &record, &RetiredId::Closed)
        .await;
    is(saved.map_err(failed)? == CasOutcome::Stored, "replace")?;
    let retired = store.retired(&id).await.map_err(failed)?;
    is(retired == Some(RetiredId::Closed), "retired")?;
    of_text(&new, &record).await?;
    let theirs = store.list_by_user(user).await.map_err(failed)?;
    is(theirs.contains(&new), "of_user")?;
    if number.is_multiple_of(2) {
        is(store.retire(&new).await.map_err(failed)?, "retire")?;
    } else {
        let ended = store.destroy_by_user(user, None).await.map_err(failed)?;
        is(ended == 1, "destroy_by_user")?;
    }
    is(
        store.get(&new).await.map_err(failed)?.is_none(),
        "get of what ended",
    )
}

/// Twelve requests each.
const REQUESTS: usize = 12;

fn child(test: &str, told: &str) -> Child {
    let name = format!("store::postgres::tests::pooler::{test}");
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(TOLD, told)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Starts several processes, releases them at once, and returns their output.
fn run(test: &str, told: impl Iterator<Item = String>) -> Vec<String> {
    let mut children: Vec<_> = told
        .map(|told| {
            let mut child = child(test, &told);
            let said = BufReader::new(child.stdout.take().unwrap()).lines();
            (child, said.map(Result::unwrap))
        })
        .collect();
    for (_, said) in &mut children {
        assert!(said.any(|line| line.contains("ready")), "it ended too soon");
    }
    for (child, _) in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let mut all = Vec::new();
    for (mut child, said) in children {
        all.extend(said);
        assert!(child.wait().unwrap().success(), "{all:?}");
    }
    all
}

/// Plays visits by several processes, and checks that all replies are right.
async fn are_answered_rightly(server: &Postgres, mode: PoolMode, processes: usize, visits: usize) {
    let database = unique("pooled");
    server.create_database(&database);
    let pooler = PgBouncer::start(server, mode, 8.max(processes * 4));
    let url = pooler.url(&database);
    // The first process to come creates the table.
    let first = PostgresStore::connect_options(&url, options("session")).await;
    drop(first.map_err(|error| reason(&error)).unwrap());
    let each = visits / processes;
    let told = (0..processes).map(|first| format!("{url} session {each} {first}"));
    let said = run("asks_through_a_pooler", told);
    let wrong: Vec<&String> = said.iter().filter(|line| line.contains("wrong ")).collect();
    let right = said.iter().filter_map(|line| line.split_once("right "));
    let right: usize = right
        .map(|(_, count)| count.parse::<usize>().unwrap())
        .sum();
    assert!(
        wrong.is_empty() && right == each * processes,
        "{mode:?}: {right} of {visits} visits of {REQUESTS} requests were answered rightly: {wrong:?}"
    );
    let requests = right * REQUESTS;
    eprintln!("\nfault: R4 | {mode:?} mode, {processes} processes: {requests} requests | 0 wrong");
}

/// Returns the number of visits to play: `CLOAKROOM_ROUNDS`, or `default`.
fn visits(default: usize) -> usize {
    let rounds = std::env::var("CLOAKROOM_ROUNDS").ok();
    rounds.map_or(default, |rounds| rounds.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_processes_behind_a_pooler_run_their_own_statements() {
    for processes in [2, 4] {
        are_answered_rightly(
            Postgres::shared(),
            PoolMode::Transaction,
            processes,
            visits(320),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_pooler_in_front_of_postgresql_18_is_supported() {
    are_answered_rightly(Postgres::shared_18(), PoolMode::Transaction, 2, visits(160)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_statement_and_session_pooling_are_supported() {
    for mode in [PoolMode::Statement, PoolMode::Session] {
        for processes in [2, 4] {
            are_answered_rightly(Postgres::shared(), mode, processes, visits(80)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_listening_behind_a_pooler_needs_the_servers_own_url() {
    let server = Postgres::shared();
    let database = unique("listening");
    let direct = server.create_database(&database);
    let pooler = PgBouncer::start(server, PoolMode::Session, 20);
    let (url, options) = (pooler.url(&database), options("session"));
    let connect = async |options| {
        let connected = PostgresStore::connect_options(&url, options).await;
        connected.map_err(|error| (error.kind(), reason(&error)))
    };
    let cures = [
        (
            options.clone().notify_ends(true),
            "give the server's own URL in PostgresOptions::listen_url",
        ),
        (
            options.clone().notify_changes(true),
            "give the server's own URL in PostgresOptions::listen_url",
        ),
        (
            options.clone().notify_ends(true).listen_url(&url),
            "leads to a pooler as well",
        ),
    ];
    for (options, cure) in cures {
        let (kind, text) = connect(options).await.unwrap_err();
        assert!(
            kind == StoreErrorKind::Invalid && text.contains(cure),
            "{text}"
        );
    }
    let both = options.clone().notify_ends(true).notify_changes(true);
    let store = connect(both.listen_url(direct)).await.unwrap();
    assert!(store.0.notifies);
    // The triggers exist now, which is of no use without a connection to listen on.
    let store = connect(options).await.unwrap();
    assert!(!store.0.notifies);
}

/// Runs as the control's process: with the driver's own prepared statements, which every process names alike.
#[tokio::test]
async fn prepares_through_a_pooler() {
    let Ok(told) = std::env::var(TOLD) else {
        return;
    };
    let told: Vec<&str> = told.split(' ').collect();
    let client = raw_to(told[0]).await;
    let select = format!("SELECT {}::int4", told[1]);
    let statement = client.prepare(&select).await;
    println!("ready");
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    let Ok(statement) = statement else {
        println!("wrong");
        return;
    };
    for _ in 0..100 {
        let row = client.query_one(&statement, &[]).await;
        let is_own = row.is_ok_and(|row| row.get::<_, i32>(0).to_string() == told[1]);
        println!("{}", if is_own { "right" } else { "wrong" });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_control_statements_of_one_name_run_for_the_wrong_process() {
    let pooler = PgBouncer::start(Postgres::shared(), PoolMode::Transaction, 2);
    let url = pooler.url("postgres");
    let told = (1..=2).map(|number| format!("{url} {number}"));
    let said = run("prepares_through_a_pooler", told);
    let wrong = said.iter().filter(|line| line.contains("wrong")).count();
    assert!(wrong > 0, "{said:?}");
    eprintln!("\ncontrol: R4 | prepared statements named alike: {wrong} of 200 requests wrong");
}
