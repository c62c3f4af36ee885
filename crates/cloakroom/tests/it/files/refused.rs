//! R6: a file that cannot be used is refused when it is opened, with one sentence that names it and
//! the remedy.
//!
//! Permissions do not bind root: those tests run in a child of their own, root's without capabilities.

use std::error::Error as _;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cloakroom::store::sqlite::SqliteStore;
use cloakroom::store::{AnyStore, Store as _, StoreErrorKind};
use rusqlite::Connection;
use testbed::Directory;

use super::{entry, ids};

/// Names the file, in the process that tries to open it.
const FILE: &str = "CLOAKROOM_TEST_REFUSED_FILE";

/// A file of sessions that was closed in order.
fn closed() -> (Directory, PathBuf) {
    let directory = testbed::directory();
    let path = directory.join("sessions.db");
    drop(SqliteStore::open(&path).unwrap());
    (directory, path)
}

/// Returns the error with which the file is refused.
fn refusal(path: impl AsRef<Path>) -> String {
    let Err(error) = SqliteStore::open(path) else {
        return "opened without a word".to_owned();
    };
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    error.source().unwrap().to_string()
}

/// Asserts that the sentence is one, names the file, and says this.
fn says(sentence: &str, path: &Path, what: &[&str]) {
    for part in what.iter().copied().chain([path.to_str().unwrap()]) {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
    assert!(!sentence.contains('\n'), "{sentence}");
}

/// The process that opens the file. Run by itself it does nothing.
#[test]
fn opens_a_file_in_a_separate_process() {
    if let Some(path) = std::env::var_os(FILE) {
        writeln!(std::io::stdout(), "refusal: {}", refusal(path)).unwrap();
    }
}

/// Returns the error that a process started by `program` reports for the file.
fn refusal_under(program: &[&str], path: &Path) -> String {
    let test = "files::refused::opens_a_file_in_a_separate_process";
    let own = std::env::current_exe().unwrap();
    let mut words = program.iter().map(std::ffi::OsStr::new).collect::<Vec<_>>();
    words.push(own.as_os_str());
    let output = Command::new(words[0])
        .args(&words[1..])
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(FILE, path)
        .output()
        .expect("util-linux and strace are installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let refused = said.split_once("refusal: ").map(|(_, rest)| rest);
    let line = refused.and_then(|rest| rest.lines().next());
    line.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
        .to_owned()
}

/// Returns the error that an unprivileged user's process reports for the file.
fn refusal_to_one_of_few_rights(path: &Path) -> String {
    let is_root = fs::metadata("/proc/self").unwrap();
    if std::os::unix::fs::MetadataExt::uid(&is_root) == 0 {
        let few = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"];
        refusal_under(&few, path)
    } else {
        refusal_under(&[], path)
    }
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn r6_a_file_that_cannot_be_written_is_refused() {
    let (_directory, path) = closed();
    allow(&path, 0o444);
    let sentence = refusal_to_one_of_few_rights(&path);
    says(&sentence, &path, &["cannot be written", "write access"]);
    // The control: with its permission it opens.
    allow(&path, 0o600);
    let sentence = refusal_to_one_of_few_rights(&path);
    assert_eq!(sentence, "opened without a word");
}

#[test]
fn r6_a_file_that_cannot_be_read_is_refused() {
    let (_directory, path) = closed();
    allow(&path, 0o000);
    let sentence = refusal_to_one_of_few_rights(&path);
    says(&sentence, &path, &["cannot be written", "access"]);
}

#[test]
fn r6_a_directory_that_cannot_be_written_is_refused() {
    let (directory, path) = closed();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", path.display()));
    }
    allow(&directory, 0o555);
    let sentence = refusal_to_one_of_few_rights(&path);
    let own = directory.to_str().unwrap();
    says(&sentence, &path, &["cannot be written", "directory", own]);
    let new = directory.join("new.db");
    let sentence = refusal_to_one_of_few_rights(&new);
    says(&sentence, &new, &["cannot be written", "directory", own]);
    allow(&directory, 0o755);
}

#[test]
fn r6_a_log_or_an_index_that_cannot_be_written_is_refused() {
    for suffix in ["-wal", "-shm"] {
        let (_directory, path) = closed();
        // Somebody has it open, so that both are there.
        let open = SqliteStore::open(&path).unwrap();
        let companion = PathBuf::from(format!("{}{suffix}", path.display()));
        allow(&companion, 0o444);
        let sentence = refusal_to_one_of_few_rights(&path);
        says(&sentence, &path, &["cannot be written", "-wal", "-shm"]);
        drop(open);
    }
}

#[test]
fn r6_a_full_disk_is_refused_and_named() {
    let (_directory, path) = closed();
    let full = ["strace", "-f", "-qq", "-o", "/dev/null"];
    let write = ["-e", "trace=pwrite64", "-e", "inject=pwrite64:error=ENOSPC"];
    let sentence = refusal_under(&[full.as_slice(), &write].concat(), &path);
    says(&sentence, &path, &["full", "free"]);
}

#[test]
fn r6_a_disk_that_fails_is_refused_and_named() {
    let (_directory, path) = closed();
    let program = ["strace", "-f", "-qq", "-o", "/dev/null"];
    let write = ["-e", "trace=pwrite64", "-e", "inject=pwrite64:error=EIO"];
    let sentence = refusal_under(&[program.as_slice(), &write].concat(), &path);
    says(&sentence, &path, &["disk"]);
}

#[test]
fn r6_a_directory_is_refused() {
    let directory = testbed::directory();
    let sentence = refusal(&*directory);
    says(&sentence, &directory, &["is a directory", "name a file"]);
}

#[test]
fn r6_a_directory_that_is_not_there_is_named() {
    let directory = testbed::directory();
    let path = directory.join("none/sessions.db");
    let sentence = refusal(&path);
    says(&sentence, &path, &["does not exist", "create"]);
}

#[test]
fn r6_a_file_that_is_no_database_is_refused() {
    let directory = testbed::directory();
    let path = directory.join("notes.txt");
    fs::write(&path, "a text that is longer than a header. ".repeat(100)).unwrap();
    says(&refusal(&path), &path, &["no SQLite database"]);
    // The existing file is left as it was.
    assert!(fs::read_to_string(&path).unwrap().starts_with("a text"));
}

#[test]
fn r6_a_database_of_a_newer_schema_is_refused() {
    let (_directory, path) = closed();
    let file = Connection::open(&path).unwrap();
    file.execute_batch(
        "CREATE TABLE IF NOT EXISTS cloakroom_schema (version INTEGER NOT NULL) STRICT;
         DELETE FROM cloakroom_schema; INSERT INTO cloakroom_schema VALUES (1000)",
    )
    .unwrap();
    says(&refusal(&path), &path, &["newer version", "1000"]);
    let version: i64 = file
        .query_row("SELECT version FROM cloakroom_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 1000, "left as it was");
}

#[test]
fn r6_a_table_of_another_shape_is_refused() {
    let directory = testbed::directory();
    let path = directory.join("other.db");
    let file = Connection::open(&path).unwrap();
    file.execute_batch("CREATE TABLE cloakroom_sessions (sid TEXT, expires INTEGER, user TEXT)")
        .unwrap();
    says(&refusal(&path), &path, &["cloakroom_sessions", "another"]);
}

#[tokio::test]
async fn r6_a_path_that_is_no_regular_file_is_refused() {
    for path in ["", ":memory:", "file::memory:?cache=shared"] {
        let sentence = refusal(path);
        assert!(sentence.contains("memory:"), "{path}: {sentence}");
        assert!(AnyStore::connect(&format!("sqlite:{path}")).await.is_err());
    }
}

#[tokio::test]
async fn r6_an_applications_own_database_gets_the_tables_as_well() {
    let directory = testbed::directory();
    let path = directory.join("app.db");
    let file = Connection::open(&path).unwrap();
    file.execute_batch("PRAGMA user_version = 42; CREATE TABLE users (id)")
        .unwrap();
    let (store, id) = (SqliteStore::open(&path).unwrap(), ids(1).remove(0));
    store.create(&id, &entry()).await.unwrap();
    let version: i64 = file
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 42, "its own");
}
