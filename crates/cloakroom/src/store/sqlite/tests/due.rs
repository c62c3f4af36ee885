//! The time at which pruning looks at a row, and the pages that a write changes.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::clock::{ManualClock, Timestamp};
use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::sqlite::SqliteStore;
use crate::store::{CasOutcome, NewRecord, Store as _};

const PAGE: u64 = 4096;
const FRAME_HEADER: u64 = 24;
const LOG_HEADER: u64 = 32;

/// A store with one session of Ada's, for an hour.
struct Place {
    _directory: TempDir,
    path: PathBuf,
    clock: ManualClock,
    store: SqliteStore,
    id: SessionId,
}

impl Place {
    async fn new() -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("sessions.db");
        let store = SqliteStore::with_clock(&path, clock.clone()).unwrap();
        let place = Self {
            _directory: directory,
            path,
            clock,
            store,
            id: SessionId::random(),
        };
        let entry = place.entry(0, 60, "ada");
        place.store.create(&place.id, &entry).await.unwrap();
        place
    }

    fn entry(&self, n: u32, minutes: u64, user: &str) -> NewRecord {
        NewRecord {
            text: text(n),
            expires: self.clock.now().after(Duration::from_mins(minutes)),
            users: vec![user.to_owned()],
        }
    }

    async fn update(&self, read: u32, entry: &NewRecord) {
        let outcome = self.store.update(&self.id, &text(read), entry).await;
        assert_eq!(outcome.unwrap(), CasOutcome::Stored);
    }

    /// Returns the number of pages that a write puts into the write-ahead log.
    async fn pages_of(&self, write: impl Future<Output = ()>) -> u64 {
        let file = Connection::open(&self.path).unwrap();
        let empty = "PRAGMA wal_checkpoint(TRUNCATE)";
        file.query_row(empty, [], |_| Ok(())).unwrap();
        write.await;
        let log = self.path.with_extension("db-wal");
        let length = std::fs::metadata(log).unwrap().len();
        length.saturating_sub(LOG_HEADER) / (FRAME_HEADER + PAGE)
    }

    /// Returns how long after the beginning the row expires, and when pruning looks at it, in minutes.
    fn minutes(&self) -> (i64, i64) {
        let file = Connection::open(&self.path).unwrap();
        let select = "SELECT expires, due FROM cloakroom_sessions";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let (expires, due): (i64, i64) = file.query_row(select, [], row).unwrap();
        let minutes = |at: i64| (at - 1_767_323_045_678) / 60_000;
        (minutes(expires), minutes(due))
    }
}

fn text(n: u32) -> RecordText {
    format!("{{\"cookie\":{{}},\"userId\":\"ada\",\"n\":{n}}}").into()
}

#[tokio::test]
async fn a_write_that_prolongs_a_session_changes_one_page() {
    let place = Place::new().await;
    let longer = place.entry(1, 61, "ada");
    assert_eq!(place.pages_of(place.update(0, &longer)).await, 1);
    let touched = place.entry(1, 62, "ada");
    let touch = async {
        let done = place.store.touch(&place.id, &text(1), &touched).await;
        assert!(done.unwrap());
    };
    assert_eq!(place.pages_of(touch).await, 1);
    // The control: a write that names another user changes his index as well.
    let others = place.entry(2, 63, "eve");
    assert!(place.pages_of(place.update(1, &others)).await > 1);
    assert_eq!(place.minutes().0, 63);
}

#[tokio::test]
async fn pruning_looks_at_a_row_when_it_may_expire_and_moves_a_prolonged_one_on() {
    let place = Place::new().await;
    assert_eq!(place.minutes(), (60, 60));
    place.update(0, &place.entry(1, 90, "ada")).await;
    assert_eq!(place.minutes(), (90, 60), "prolonged: looked at too early");
    place.update(1, &place.entry(2, 30, "ada")).await;
    assert_eq!(place.minutes(), (30, 30), "shortened: looked at in time");
    place.update(2, &place.entry(3, 90, "eve")).await;
    assert_eq!(place.minutes(), (90, 30), "another user's");

    place.clock.advance(Duration::from_mins(31));
    assert_eq!(place.store.count().await.unwrap(), 1);
    assert_eq!(place.store.prune().await.unwrap(), 0, "it lives");
    assert_eq!(place.minutes(), (90, 90), "moved on");
    place.clock.advance(Duration::from_hours(1));
    assert_eq!(place.store.count().await.unwrap(), 0, "expired, not pruned");
    assert_eq!(place.store.prune().await.unwrap(), 1);
}

/// The rows of before are due at once, and a process of before that has the file open goes on writing.
#[tokio::test]
async fn a_file_without_the_column_gets_it() {
    let place = Place::new().await;
    let file = Connection::open(&place.path).unwrap();
    file.execute_batch(
        "DROP INDEX cloakroom_sessions_due; ALTER TABLE cloakroom_sessions DROP COLUMN due;
         CREATE INDEX cloakroom_sessions_expires ON cloakroom_sessions (expires);",
    )
    .unwrap();
    let reading = SqliteStore::open_read_only(&place.path).unwrap();
    assert_eq!(reading.count().await.unwrap(), 0, "a year has passed");
    let store = SqliteStore::with_clock(&place.path, place.clock.clone()).unwrap();
    let earlier = "INSERT OR REPLACE INTO cloakroom_sessions (sid, record, expires, user)
         SELECT sid || n, record, expires, user FROM cloakroom_sessions,
         (WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 250) SELECT n FROM up)";
    assert_eq!(file.execute(earlier, []), Ok(250));
    assert_eq!(store.count().await.unwrap(), 251);
    assert_eq!(store.prune().await.unwrap(), 0);
    let postponed = "SELECT count(*) FROM cloakroom_sessions WHERE due = expires";
    assert_eq!(file.query_row(postponed, [], |row| row.get(0)), Ok(251));
    let indexes = "SELECT count(*) FROM sqlite_schema WHERE name = 'cloakroom_sessions_expires'";
    assert_eq!(file.query_row(indexes, [], |row| row.get(0)), Ok(0));
    place.clock.advance(Duration::from_mins(61));
    assert_eq!(store.prune().await.unwrap(), 251);
}
