//! SQLite.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rusqlite::Connection;

use crate::{doctor, record, serve_once};

/// A file as a program that serves leaves it.
fn file() -> (PathBuf, String) {
    let path = testbed::directory().leave().join("sessions.db");
    let url = format!("sqlite:{}", path.display());
    serve_once(&url);
    (path, url)
}

fn insert(path: &PathBuf, text: &str, expires: i64) {
    let connection = Connection::open(path).unwrap();
    let insert = "INSERT INTO cloakroom_sessions (sid, record, expires) VALUES (?1, ?2, ?3)";
    connection
        .execute(
            insert,
            rusqlite::params![format!("{expires}"), text, expires],
        )
        .unwrap();
}

#[test]
fn a_healthy_file_gets_no_finding() {
    let (path, url) = file();
    doctor(&url, &[]).is_healthy();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    insert(&path, &record(3_600_000, ""), now + 3_600_000);
    doctor(&url, &[]).is_healthy();
}

#[test]
fn planted_faults_are_found() {
    let (path, url) = file();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    doctor(&url, &[]).finds_only("L03");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "journal_mode", "DELETE")
        .unwrap();
    drop(connection);
    doctor(&url, &[]).finds_only("L04");
    serve_once(&url);

    let log = format!("{}-wal", path.display());
    fs::File::create(&log).unwrap().set_len(65 << 20).unwrap();
    doctor(&url, &[]).finds("L05");
    fs::remove_file(&log).unwrap();

    insert(&path, "U2FsdGVkX1", i64::MAX / 2);
    doctor(&url, &[]).finds_only("S06");

    // A page in the middle is another's.
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 4096 / 2 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    doctor(&url, &[]).finds("L06");
}

#[test]
fn a_file_of_another_library_is_found() {
    let path = testbed::directory().leave().join("other.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE sessions (sid PRIMARY KEY, expired, sess)",
        )
        .unwrap();
    drop(connection);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let url = format!("sqlite:{}", path.display());
    doctor(&url, &[]).finds("S09");
    let missing = format!("{url}.missing");
    doctor(&missing, &[]).finds_only("S01");
    assert!(
        !PathBuf::from(missing.trim_start_matches("sqlite:")).exists(),
        "it was created"
    );
}
