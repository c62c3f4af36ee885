mod due;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::try_join_all;
use tempfile::TempDir;

use super::SqliteStore;
use crate::clock::{ManualClock, Timestamp};
use crate::id::SessionId;
use crate::store::conformance::{self, Subject};
use crate::store::{NewRecord, RETIRED_FOR, RetiredId, Store as _, StoreErrorKind};

fn subject() -> Subject {
    let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
    // The directory is kept: the store's threads outlive the test.
    let path = testbed::directory().leave().join("sessions.db");
    Subject::with_clock(SqliteStore::with_clock(path, clock.clone()).unwrap(), clock)
}

conformance::suite!(subject());

#[tokio::test]
async fn unopenable_file_error_names_the_reason() {
    let error = SqliteStore::open("/nonexistent/sessions.db").unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(std::error::Error::source(&error).is_some());
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("not-a-database");
    std::fs::write(
        &path,
        "this is a text file, longer than a header of SQLite, ".repeat(100),
    )
    .unwrap();
    assert!(SqliteStore::open(&path).is_err());
}

#[test]
fn ten_concurrent_starts_create_one_table() {
    for _ in 0..20 {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("sessions.db");
        let starts: Vec<_> = (0..10)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || SqliteStore::open(path).map(drop))
            })
            .collect();
        for start in starts {
            start.join().unwrap().unwrap();
        }
    }
}

/// A step of pruning takes a transaction, and writes wait for it.
#[tokio::test]
async fn a_write_waits_for_a_hundred_expired_records_at_most() {
    let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sessions.db");
    let store = SqliteStore::with_clock(&path, clock.clone()).unwrap();
    let entry = |minutes| NewRecord {
        text: "{\"cookie\":{}}".into(),
        expires: clock.now().after(Duration::from_mins(minutes)),
        users: Vec::new(),
    };
    let (brief, long) = (entry(1), entry(60));
    let ids: Vec<SessionId> = (0..1500).map(|_| SessionId::random()).collect();
    try_join_all(ids.iter().map(|id| store.create(id, &brief)))
        .await
        .unwrap();
    let visitor = SessionId::random();
    store.create(&visitor, &long).await.unwrap();
    clock.advance(Duration::from_mins(2));

    // Polled once, it has queued one step, and queues the next only when it is polled again.
    let mut pruning = store.prune();
    let begun = poll_fn(|context| Poll::Ready(pruning.as_mut().poll(context)));
    assert!(begun.await.is_pending());
    assert!(store.touch(&visitor, &long.text, &entry(60)).await.unwrap());
    let file = rusqlite::Connection::open(&path).unwrap();
    let count = "SELECT count(*) FROM cloakroom_sessions";
    let left: i64 = file.query_row(count, [], |row| row.get(0)).unwrap();
    assert!(left > 1400, "{left} of 1501 left");
    assert_eq!(pruning.await.unwrap(), 1500);
}

#[tokio::test]
async fn two_stores_on_one_file_share_sessions() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sessions.db");
    let (one, other) = (
        SqliteStore::open(&path).unwrap(),
        SqliteStore::open(&path).unwrap(),
    );
    let id = SessionId::random();
    let entry = NewRecord {
        text: "{\"cookie\":{}}".into(),
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_mins(1)),
        users: Vec::new(),
    };
    one.create(&id, &entry).await.unwrap();
    assert_eq!(other.get(&id).await.unwrap().unwrap().text, entry.text);
    other.destroy(&id).await.unwrap();
    assert_eq!(one.get(&id).await.unwrap(), None);
}

/// X7: whatever the umask is, others read neither the file nor its log.
#[cfg(unix)]
#[tokio::test]
async fn x7_the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(directory.path().join("sessions.db")).unwrap();
    let (id, entry) = (SessionId::random(), secret());
    store.create(&id, &entry).await.unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        names.push(file.file_name().into_string().unwrap());
        assert_eq!(mode & 0o777, 0o600, "{names:?}");
    }
    names.sort();
    assert_eq!(names, ["sessions.db", "sessions.db-shm", "sessions.db-wal"]);
}

/// X7: a copy of the files reveals nothing of a session that ended.
#[tokio::test]
async fn x7_a_destroyed_session_leaves_no_text() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sessions.db");
    // Another process has the file open, so that it is not the last close that removes the log.
    let other = rusqlite::Connection::open(&path).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let count = "SELECT count(*) FROM cloakroom_sessions";
    for _ in 0..20 {
        let (id, entry) = (SessionId::random(), secret());
        store.create(&id, &entry).await.unwrap();
        store.destroy(&id).await.unwrap();
    }
    assert_eq!(other.query_row(count, [], |row| row.get(0)), Ok(0));
    drop(store);
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes
            .windows(7)
            .filter(|window| window == b"hunter2")
            .count();
        assert_eq!(found, 0, "of {} bytes", bytes.len());
    }
}

/// Returns a record larger than a page, so that parts of it lie in pages of their own.
fn secret() -> NewRecord {
    NewRecord {
        text: format!(
            "{{\"cookie\":{{}},\"secret\":\"{}\"}}",
            "hunter2".repeat(2000)
        )
        .into(),
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_mins(1)),
        users: Vec::new(),
    }
}

/// X12: parameters in other programs' URLs would be part of the file's name.
#[tokio::test]
async fn x12_a_url_with_parameters_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sessions.db?mode=rwc");
    let url = format!("sqlite:{}", path.display());
    assert!(crate::store::AnyStore::connect(&url).await.is_err());
    assert!(!path.exists());
}

/// V2: a file of an earlier version gets the table of retired ids, and expired rows are deleted.
#[tokio::test]
async fn v2_an_earlier_file_knows_retired_ids_and_forgets_them() {
    let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sessions.db");
    drop(SqliteStore::with_clock(&path, clock.clone()).unwrap());
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch("DROP TABLE cloakroom_retired").unwrap();

    let store = SqliteStore::with_clock(&path, clock.clone()).unwrap();
    let ids: Vec<SessionId> = (0..250).map(|_| SessionId::random()).collect();
    try_join_all(ids.iter().map(|id| store.retire(id)))
        .await
        .unwrap();
    assert_eq!(
        store.retired(&ids[0]).await.unwrap(),
        Some(RetiredId::Closed)
    );
    let rows = |condition: &str| -> i64 {
        let count = format!("SELECT count(*) FROM cloakroom_retired WHERE {condition}");
        file.query_row(&count, [], |row| row.get(0)).unwrap()
    };
    let until = clock.now().after(RETIRED_FOR).as_millis();
    assert_eq!(rows(&format!("until = {until}")), 250);
    assert_eq!(store.count().await.unwrap(), 0);
    store.prune().await.unwrap();
    assert_eq!(rows("true"), 250, "known for a minute");
    clock.advance(RETIRED_FOR);
    assert_eq!(store.retired(&ids[0]).await.unwrap(), None);
    assert_eq!(store.prune().await.unwrap(), 0, "no session went");
    assert_eq!(rows("true"), 0);
}
