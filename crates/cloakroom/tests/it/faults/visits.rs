//! A program that signs in, increments and signs out in one SQLite file, and logs each operation before it
//! and its outcome after it. Other tests run it under a fault.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use cloakroom::store::sqlite::SqliteStore;
use cloakroom::store::{CasOutcome, NewRecord, Store, StoreError};
use cloakroom::{Clock, SessionId};
use tokio::task::JoinSet;

use super::ledger::{Ledger, Verdict};

/// Names the file, in the process that writes.
const FILE: &str = "CLOAKROOM_TEST_VISITS_FILE";
/// Variable with the number of concurrent visitors, and of successive visits of each.
const VISITS: &str = "CLOAKROOM_TEST_VISITS";
const STEPS: u64 = 3;

/// A session that has made so many steps.
pub(super) fn entry(id: &SessionId, steps: u64) -> NewRecord {
    NewRecord {
        text: format!(
            r#"{{"cookie":{{}},"userId":"{}","steps":{steps},"pad":"{}"}}"#,
            id.expose(),
            "x".repeat(400)
        )
        .into(),
        expires: Clock::System.now().after(Duration::from_hours(1)),
        users: vec![id.expose().to_owned()],
    }
}

fn note(what: &str, told: &str, id: &SessionId) {
    let line = format!("note {what} {told} {}\n", id.expose());
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// Says something in a line of its own.
fn say(what: &str) {
    let line = format!("\n{what}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// Asks for something, and notes it before: SQLite's store has a write in its queue once it is called.
async fn noted<T>(
    what: &str,
    id: &SessionId,
    ask: impl AsyncFnOnce() -> Result<T, StoreError>,
    is_done: impl FnOnce(&T) -> bool,
) -> bool {
    note(what, "asks", id);
    let answer = ask().await;
    let done = answer.as_ref().is_ok_and(is_done);
    note(what, if done { "done" } else { "unknown" }, id);
    done
}

/// Signs in, makes steps, and in one of two cases signs out.
async fn visit(store: &SqliteStore, leaves: bool) {
    let id = SessionId::random();
    let mut read = entry(&id, 0);
    if !noted(
        "begin",
        &id,
        async || store.create(&id, &read).await,
        |()| true,
    )
    .await
    {
        return;
    }
    for step in 1..=STEPS {
        let next = entry(&id, step);
        let update = async || store.update(&id, &read.text, &next).await;
        if noted("step", &id, update, |written| {
            *written == CasOutcome::Stored
        })
        .await
        {
            read = next;
        } else if let Ok(Some(stored)) = store.get(&id).await {
            read.text = stored.text;
        }
    }
    if leaves {
        noted("end", &id, async || store.retire(&id).await, |_| true).await;
    }
}

/// The program itself. Run by itself it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visits_a_file_in_a_separate_process() {
    let (Some(file), Ok(visits)) = (std::env::var_os(FILE), std::env::var(VISITS)) else {
        return;
    };
    // The test's own program has begun a line.
    say("");
    let (at_once, each) = visits.split_once('x').unwrap();
    let (at_once, each): (usize, usize) = (at_once.parse().unwrap(), each.parse().unwrap());
    let Ok(store) = SqliteStore::open(file) else {
        return say("note refused");
    };
    let mut visitors = JoinSet::new();
    for visitor in 0..at_once {
        let store = store.clone();
        visitors.spawn(async move {
            for number in 0..each {
                visit(&store, (visitor + number) % 2 == 0).await;
            }
        });
    }
    visitors.join_all().await;
    // It works, whatever went wrong before.
    visit(&store, false).await;
    say("note over");
}

/// Runs the program to its end, started by another if there is one before it.
pub(super) fn run(program: &[&str], file: &Path, at_once: usize, each: usize) -> Output {
    let own = std::env::current_exe().unwrap();
    let mut words: Vec<&OsStr> = program.iter().map(OsStr::new).collect();
    words.push(own.as_os_str());
    let test = "faults::visits::visits_a_file_in_a_separate_process";
    Command::new(words[0])
        .args(&words[1..])
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(FILE, file)
        .env(VISITS, format!("{at_once}x{each}"))
        .output()
        .expect("strace is installed")
}

/// Compares the sessions of a ledger with the file.
pub(super) async fn judge(file: &Path, ledger: &Ledger) -> Vec<Verdict> {
    let Ok(store) = SqliteStore::open(file) else {
        return vec![Verdict::Lost];
    };
    let mut verdicts = Vec::new();
    for (session, account) in ledger.iter() {
        let Ok(stored) = store.get(&SessionId::from_store(session)).await else {
            verdicts.push(Verdict::Lost);
            continue;
        };
        let steps = stored.map(|stored| {
            let (_, rest) = stored.text.split_once("\"steps\":").unwrap();
            rest.split_once(',').unwrap().0.parse().unwrap()
        });
        verdicts.push(account.judge(steps));
    }
    drop(store);
    let file = rusqlite::Connection::open(file).unwrap();
    let sound: String = file
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap_or_default();
    if sound != "ok" {
        verdicts.push(Verdict::Lost);
    }
    verdicts
}

/// Returns the number of verdicts that are violations.
pub(super) fn broken(verdicts: &[Verdict]) -> usize {
    let broken = verdicts.iter().filter(|verdict| **verdict != Verdict::Kept);
    broken.count()
}
