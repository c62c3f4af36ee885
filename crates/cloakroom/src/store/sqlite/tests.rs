use std::time::Duration;

use tempfile::TempDir;

use super::SqliteStore;
use crate::clock::{ManualClock, Timestamp};
use crate::store::conformance::{self, Subject};
use crate::store::{Store as _, StoreErrorKind};

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

#[tokio::test]
async fn two_stores_on_one_file_are_one() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sessions.db");
    let (one, other) = (
        SqliteStore::open(&path).unwrap(),
        SqliteStore::open(&path).unwrap(),
    );
    let id = crate::id::SessionId::random();
    let entry = crate::store::Entry {
        text: "{\"cookie\":{}}".into(),
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_mins(1)),
        user: None,
    };
    one.create(&id, &entry).await.unwrap();
    assert_eq!(other.get(&id).await.unwrap().unwrap().text, entry.text);
    other.destroy(&id).await.unwrap();
    assert_eq!(one.get(&id).await.unwrap(), None);
}
