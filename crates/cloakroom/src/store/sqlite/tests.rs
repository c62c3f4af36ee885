use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::try_join_all;
use tempfile::TempDir;

use super::SqliteStore;
use crate::clock::{ManualClock, Timestamp};
use crate::id::SessionId;
use crate::store::conformance::{self, Subject};
use crate::store::{Entry, RETIRED_FOR, RetiredId, Store as _, StoreErrorKind};

fn subject() -> Subject {
    let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
    // The directory is left: the store's threads outlive the test.
    let path = testbed::directory().leave().join("sessions.db");
    Subject::with_clock(SqliteStore::with_clock(path, clock.clone()).unwrap(), clock)
}

conformance::suite!(subject());

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
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
fn ten_that_start_at_once_find_one_table() {
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

/// A step of pruning takes a transaction, and whoever wants to write waits for it.
#[tokio::test]
async fn a_write_waits_for_a_hundred_expired_records_at_most() {
    let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sessions.db");
    let store = SqliteStore::with_clock(&path, clock.clone()).unwrap();
    let entry = |minutes| Entry {
        text: "{\"cookie\":{}}".into(),
        expires: clock.now().after(Duration::from_mins(minutes)),
        user: None,
    };
    let (brief, long) = (entry(1), entry(60));
    let ids: Vec<SessionId> = (0..1500).map(|_| SessionId::random()).collect();
    try_join_all(ids.iter().map(|id| store.create(id, &brief)))
        .await
        .unwrap();
    let visitor = SessionId::random();
    store.create(&visitor, &long).await.unwrap();
    clock.advance(Duration::from_mins(2));

    // Asked once, it has queued one step, and queues the next only when it is asked again.
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
async fn two_stores_on_one_file_are_one() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sessions.db");
    let (one, other) = (
        SqliteStore::open(&path).unwrap(),
        SqliteStore::open(&path).unwrap(),
    );
    let id = SessionId::random();
    let entry = Entry {
        text: "{\"cookie\":{}}".into(),
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_mins(1)),
        user: None,
    };
    one.create(&id, &entry).await.unwrap();
    assert_eq!(other.get(&id).await.unwrap().unwrap().text, entry.text);
    other.destroy(&id).await.unwrap();
    assert_eq!(one.get(&id).await.unwrap(), None);
}

/// V2: a file of an earlier version gets the table of retired ids, and rows that are over go.
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
