//! R7: the file is removed while the store has it open: nothing is acknowledged that a process that opens
//! the path afterwards does not find.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloakroom::SessionId;
use cloakroom::store::sqlite::SqliteStore;
use cloakroom::store::{Store as _, StoreError};
use futures_util::future::join_all;
use rusqlite::Connection;
use testbed::Directory;
use tokio::time::sleep;

use super::{entry, ids};

/// The ways in which the files of an open store are lost.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    /// The database, its log and its index are deleted.
    All,
    /// The database alone.
    Database,
    /// The log alone: what it holds is not in the database yet.
    Log,
    /// The index of the log alone.
    Index,
    /// Another database is put in its place, as by a restored backup.
    Replaced,
    /// The directory is renamed, and a new one takes its name.
    Directory,
}

const LOSSES: [Loss; 6] = [
    Loss::All,
    Loss::Database,
    Loss::Log,
    Loss::Index,
    Loss::Replaced,
    Loss::Directory,
];

impl Loss {
    fn happen(self, path: &Path) {
        // Under load the store may have them again, or not yet.
        let delete = |suffix| {
            let _ = fs::remove_file(beside(path, suffix));
        };
        match self {
            Self::All => ["", "-wal", "-shm"].into_iter().for_each(delete),
            Self::Database => delete(""),
            Self::Log => delete("-wal"),
            Self::Index => delete("-shm"),
            Self::Replaced => {
                let other = path.with_file_name("backup.db");
                drop(SqliteStore::open(&other).unwrap());
                for suffix in ["-wal", "-shm"] {
                    let _ = fs::remove_file(beside(path, suffix));
                }
                fs::rename(other, path).unwrap();
            }
            Self::Directory => {
                let directory = path.parent().unwrap();
                fs::rename(directory, directory.with_file_name("moved")).unwrap();
                fs::create_dir(directory).unwrap();
            }
        }
    }

    /// Returns `true` if sessions stored before survive it.
    fn keeps_the_sessions(self) -> bool {
        matches!(self, Self::Log | Self::Index)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn file() -> (Directory, PathBuf) {
    let root = testbed::directory();
    let directory = root.join("data");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("sessions.db");
    (root, path)
}

/// Stores each id at the same time, and gives those that were acknowledged.
async fn create(store: &SqliteStore, ids: &[SessionId]) -> Vec<SessionId> {
    let entry = entry();
    let created = join_all(ids.iter().map(|id| store.create(id, &entry))).await;
    let created = created.iter().zip(ids);
    created
        .filter(|(done, _)| done.is_ok())
        .map(|(_, id)| id.clone())
        .collect()
}

/// Returns those of the ids that a process that opens the path finds.
async fn found(path: &Path, ids: &[SessionId]) -> usize {
    let store = SqliteStore::open(path).unwrap();
    let mut found = 0;
    for id in ids {
        found += usize::from(store.get(id).await.unwrap().is_some());
    }
    found
}

/// Asks until it is answered, for long on a busy machine.
async fn until_answered(store: &SqliteStore, id: &SessionId) -> Option<bool> {
    for _ in 0..600 {
        if let Ok(found) = store.get(id).await {
            return Some(found.is_some());
        }
        sleep(Duration::from_millis(50)).await;
    }
    None
}

#[tokio::test]
async fn r7_writes_acknowledged_after_a_removal_are_in_the_new_file() {
    for loss in LOSSES {
        let (_root, path) = file();
        let store = SqliteStore::open(&path).unwrap();
        let before = create(&store, &ids(20)).await;
        assert_eq!(before.len(), 20);
        loss.happen(&path);
        let mut after = Vec::new();
        for _ in 0..10 {
            after.extend(create(&store, &ids(20)).await);
        }
        assert!(after.len() >= 100, "{loss:?}: {} of 200", after.len());
        assert_eq!(found(&path, &after).await, after.len(), "{loss:?}");
        let kept = if loss.keeps_the_sessions() { 20 } else { 0 };
        assert_eq!(
            found(&path, &before).await,
            kept,
            "{loss:?}: those of before"
        );
        // Dropping the store takes nothing from another connection to the path.
        let other = SqliteStore::open(&path).unwrap();
        let more = create(&other, &ids(5)).await;
        drop(store);
        let whole = [after, more].concat();
        assert_eq!(
            found(&path, &whole).await,
            whole.len(),
            "{loss:?}: after its end"
        );
    }
}

/// The control: a connection without the check acknowledges writes that no other process finds.
#[tokio::test]
async fn r7_control_sqlite_itself_writes_into_a_file_that_is_gone() {
    for loss in [Loss::All, Loss::Database, Loss::Replaced, Loss::Directory] {
        let (_root, path) = file();
        drop(SqliteStore::open(&path).unwrap());
        let naive = Connection::open(&path).unwrap();
        naive
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0")
            .unwrap();
        let (insert, entry) = (
            "INSERT INTO cloakroom_sessions (sid, record, expires) VALUES (?1, ?2, ?3)",
            entry(),
        );
        let values = |id: &SessionId| {
            let expires = entry.expires.as_millis();
            (id.expose().to_owned(), entry.text.to_string(), expires)
        };
        let ids = ids(2);
        naive.execute(insert, values(&ids[0])).unwrap();
        loss.happen(&path);
        naive.execute(insert, values(&ids[1])).unwrap();
        assert_eq!(
            found(&path, &ids).await,
            0,
            "{loss:?}: acknowledged and lost"
        );
    }
}

/// Nothing but reads comes: they are answered by the file that is there, and refused until it is open.
#[tokio::test]
async fn r7_a_session_that_ended_in_the_replacing_file_is_not_served() {
    let (_root, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let id = ids(1).remove(0);
    store.create(&id, &entry()).await.unwrap();
    assert!(store.get(&id).await.unwrap().is_some());
    Loss::Replaced.happen(&path);
    for _ in 0..100 {
        let answer: Result<_, StoreError> = store.get(&id).await;
        assert!(!matches!(answer, Ok(Some(_))), "the old file still serves");
    }
    assert_eq!(until_answered(&store, &id).await, Some(false));
}

#[tokio::test]
async fn r7_without_its_directory_the_store_is_unavailable_until_it_returns() {
    let (root, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let before = create(&store, &ids(5)).await;
    let (directory, away) = (path.parent().unwrap(), root.join("away"));
    fs::rename(directory, &away).unwrap();
    assert!(create(&store, &ids(5)).await.is_empty(), "acknowledged");
    assert!(store.get(&before[0]).await.is_err(), "read");
    fs::rename(&away, directory).unwrap();
    assert_eq!(until_answered(&store, &before[0]).await, Some(true));
    let after = create(&store, &ids(5)).await;
    assert_eq!(after.len(), 5);
    drop(store);
    assert_eq!(found(&path, &[before, after].concat()).await, 10);
}

/// A process writes without pause while its file is deleted again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_under_load_no_login_is_acknowledged_into_a_file_that_is_gone() {
    let (_root, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    for round in 0..20 {
        let loss = LOSSES[round % 2];
        let writing = tokio::spawn({
            let store = store.clone();
            async move {
                for _ in 0..10 {
                    create(&store, &ids(10)).await;
                }
            }
        });
        sleep(Duration::from_millis(round as u64 % 7)).await;
        loss.happen(&path);
        let after = create(&store, &ids(20)).await;
        writing.await.unwrap();
        assert_eq!(found(&path, &after).await, after.len(), "round {round}");
    }
}
