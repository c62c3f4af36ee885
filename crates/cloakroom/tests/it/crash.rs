//! `kill -9` in the middle of writes: acknowledged writes survive.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cloakroom::SessionId;
use cloakroom::store::sqlite::SqliteStore;
use cloakroom::store::{NewRecord, Store as _};
use cloakroom::{Clock, Timestamp};

use crate::faults::{control, rounds, saw};

const KILLS: usize = 50;
const WRITERS: usize = 8;
/// Names the file, in the process that is to be killed.
const FILE: &str = "CLOAKROOM_TEST_CRASH_FILE";
/// Variable that makes the process acknowledge before it writes: the control.
const EARLY: &str = "CLOAKROOM_TEST_CRASH_EARLY";

fn entry(number: usize) -> NewRecord {
    let expires: Timestamp = Clock::System.now().after(Duration::from_hours(1));
    let text = format!(
        r#"{{"cookie":{{}},"number":{number},"pad":"{}"}}"#,
        "x".repeat(300)
    );
    NewRecord {
        text: text.as_str().into(),
        expires,
        users: Vec::new(),
    }
}

/// The process that is killed: it writes, and prints the id of each record that was acknowledged.
/// Run by itself it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_until_it_is_killed() {
    let Ok(file) = std::env::var(FILE) else {
        return;
    };
    let store = SqliteStore::open(file).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let store = store.clone();
        tasks.spawn(async move {
            for number in 0.. {
                let id = SessionId::random();
                if std::env::var_os(EARLY).is_some() {
                    let line = format!("stored {} {}", id.expose(), number + 1_000_000);
                    writeln!(std::io::stdout(), "{line}").unwrap();
                }
                store.create(&id, &entry(number)).await.unwrap();
                let updated = entry(number + 1_000_000);
                store
                    .update(&id, &entry(number).text, &updated)
                    .await
                    .unwrap();
                writeln!(
                    std::io::stdout(),
                    "stored {} {}",
                    id.expose(),
                    number + 1_000_000
                )
                .unwrap();
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test]
async fn acknowledged_writes_survive_50_kills() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("sessions.db");
    let (mut acknowledged, kills) = (0, rounds(KILLS));
    for kill in 0..kills {
        let stored = write_and_kill(&file, kill, &[]);
        let store = SqliteStore::open(&file).unwrap();
        for (id, number) in &stored {
            let found = store.get(&SessionId::from_store(id)).await.unwrap();
            let text = found
                .unwrap_or_else(|| panic!("kill {kill}: an acknowledged record is gone"))
                .text;
            assert!(
                text.contains(&format!("\"number\":{number},")),
                "kill {kill}: an old record is back"
            );
        }
        acknowledged += stored.len();
    }
    assert!(
        acknowledged > kills * 10,
        "only {acknowledged} writes in all: nothing was tested"
    );
    let load = format!("SQLite: {WRITERS} writers in another process, killed {kills} times");
    saw(
        "F01",
        &load,
        &format!("{acknowledged} acknowledged, 0 lost"),
    );
}

/// The control: a process that acknowledges before it writes loses some.
#[tokio::test]
async fn control_writes_acknowledged_too_early_are_lost() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("sessions.db");
    for kill in 0..KILLS {
        let stored = write_and_kill(&file, kill, &[(EARLY, "1")]);
        let store = SqliteStore::open(&file).unwrap();
        let mut lost = 0;
        for (id, _) in &stored {
            let found = store.get(&SessionId::from_store(id)).await.unwrap();
            lost += usize::from(found.is_none());
        }
        if lost > 0 {
            let seen = format!(
                "a writer that acknowledges first: {lost} lost by kill {}",
                kill + 1
            );
            return control("F01", &seen);
        }
    }
    panic!("a control that loses nothing proves nothing");
}

/// The records that a process had acknowledged when it was killed.
fn write_and_kill(file: &Path, kill: usize, more: &[(&str, &str)]) -> Vec<(String, usize)> {
    let after = Duration::from_millis(40 + (kill as u64 * 7) % 60);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writes_until_it_is_killed", "--nocapture"])
        .env(FILE, file)
        .envs(more.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        output
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| parse(&line))
            .collect()
    });
    std::thread::sleep(Duration::from_millis(250) + after);
    // SIGKILL: nothing is flushed, nothing is closed.
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// A whole line; the last one may be cut.
fn parse(line: &str) -> Option<(String, usize)> {
    let (_, rest) = line.split_once("stored ")?;
    let (id, number) = rest.split_once(' ')?;
    Some((
        id.to_owned(),
        number.parse().ok().filter(|number| *number >= 1_000_000)?,
    ))
}
