//! Sessions, and servers that are restored without recent writes.

use std::fs;
use std::time::SystemTime;

use cloakroom::store::NewRecord;
use cloakroom::{SessionId, Timestamp};
use testbed::{Redis, RedisOptions, RedisProgram};
use tokio::task::block_in_place;
use tokio::time::{Duration, Instant, sleep};

use super::{LIMIT, LOOK};

fn expiring(text: String, users: Vec<String>, in_: Duration) -> NewRecord {
    NewRecord {
        text: text.into(),
        expires: Timestamp::from(SystemTime::now()).after(in_),
        users,
    }
}

pub(super) fn entry() -> NewRecord {
    let text = r#"{"cookie":{"path":"/"},"n":1}"#.to_owned();
    expiring(text, Vec::new(), Duration::from_hours(1))
}

pub(super) fn entry_of(user: &str) -> NewRecord {
    let text = format!(r#"{{"cookie":{{"path":"/"}},"userId":"{user}"}}"#);
    expiring(text, vec![user.to_owned()], Duration::from_hours(1))
}

/// An entry whose time is up.
pub(super) fn over() -> NewRecord {
    NewRecord {
        expires: Timestamp::from_millis(1),
        ..entry()
    }
}

/// The configuration of a server by default: it takes snapshots now and then.
pub(super) fn by_default(program: RedisProgram) -> Redis {
    with(program, &["--save", "3600 1 300 100 60 10000"])
}

/// A server that writes a log, and lets the disk have it once a second.
pub(super) fn with_log() -> Redis {
    with(
        RedisProgram::Redis,
        &["--appendonly", "yes", "--appendfsync", "everysec"],
    )
}

fn with(program: RedisProgram, arguments: &[&str]) -> Redis {
    Redis::with(RedisOptions {
        program,
        arguments: arguments.iter().map(ToString::to_string).collect(),
        ..RedisOptions::default()
    })
}

/// Returns `true` if the server holds the session, read as by any program.
pub(super) fn has(server: &Redis, id: &SessionId) -> bool {
    let key = format!("sess:{}", id.expose());
    server.command(&["EXISTS", &key]) == ":1\r\n"
}

/// Has the server take a snapshot, and waits until it is on the disk.
pub(super) async fn snapshot(server: &Redis) {
    let is_saving = || info(server, "persistence", "rdb_bgsave_in_progress") != "0";
    let begin = Instant::now();
    // One that it takes by itself may be under way.
    while !server.command(&["BGSAVE"]).starts_with("+Background") {
        assert!(begin.elapsed() < LIMIT, "no snapshot");
        sleep(LOOK).await;
    }
    while is_saving() {
        assert!(begin.elapsed() < LIMIT, "no snapshot");
        sleep(LOOK).await;
    }
    let outcome = info(server, "persistence", "rdb_last_bgsave_status");
    assert_eq!(outcome, "ok", "no snapshot");
}

/// A field of `INFO`; empty where the server does not answer just now.
pub(super) fn info(server: &Redis, section: &str, field: &str) -> String {
    let said = server.try_command(&["INFO", section]).unwrap_or_default();
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// Ends the server as a power failure does, and starts it again with what its disk has.
pub(super) fn restart(server: &mut Redis) {
    block_in_place(|| server.restart());
}

/// Returns the length of the log's last part, which grows, once what was acknowledged is in it: on a slow
/// disk the server answers before it has written (`appendfsync everysec`).
pub(super) async fn log_length(server: &Redis) -> u64 {
    let begin = Instant::now();
    while info(server, "persistence", "aof_buffer_length") != "0" {
        assert!(begin.elapsed() < LIMIT, "its log is not written");
        sleep(LOOK).await;
    }
    fs::metadata(log(server)).expect("it writes one").len()
}

/// Ends the server, cuts what its log says after `length`, and starts it again: the last second had not
/// reached the disk.
pub(super) fn restart_without(server: &mut Redis, length: u64) {
    server.process().kill();
    let file = fs::File::options().write(true).open(log(server));
    file.and_then(|file| file.set_len(length))
        .expect("it can be cut");
    restart(server);
}

fn log(server: &Redis) -> std::path::PathBuf {
    let files = fs::read_dir(server.directory().join("appendonlydir")).expect("it has a log");
    let mut parts = files.flatten().map(|file| file.path());
    let is_growing = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(".incr.aof");
    parts.find(is_growing).expect("a part of it grows")
}
