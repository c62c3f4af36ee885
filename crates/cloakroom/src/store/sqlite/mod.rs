//! Sessions in one SQLite file: they survive restarts, crashes and power loss, on one machine.
//!
//! One thread writes; jobs that wait meanwhile go into the next transaction, so that one sync to disk serves
//! many. Other threads read, each on a connection of its own (WAL).

#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a path names one lifetime, and the job must take any"
)]

mod files;
#[cfg(feature = "inspect")]
mod inspect;
mod open_error;
mod read_only;
mod readers;
mod reads;
mod retired;
mod schema;
mod threads;
mod time;
mod transfer;
mod writer;
mod writes;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "inspect")]
pub(super) use self::inspect::inspect;

use self::threads::Threads;
use super::{
    CasOutcome, NewRecord, Page, PutIf, PutOutcome, RecordPage, RetiredId, Store, StoreError,
    StoreErrorKind, StoreFuture, StoredRecord,
};
use crate::clock::{Clock, Timestamp};
use crate::id::SessionId;
use crate::record::RecordText;

/// The version of the tables; a file of a later one is refused.
const SCHEMA: i64 = 1;

/// A store in one SQLite file; clones are the same store.
///
/// An acknowledged write is on the disk (`synchronous=FULL`). Several processes may share the file on one
/// machine. Expired sessions are deleted every minute, a hundred at a time, so that no write waits for long.
///
/// A file that is deleted, moved or replaced while it is open is left at once: a write that is not in the
/// file that is at the path now is not acknowledged. Until that is open, within a second, operations are
/// [`StoreErrorKind::Unavailable`].
///
/// Expiry is decided by the time of the file: the clock of the process that opened it first since the machine
/// was started, advanced by the time that passed since then, which all processes agree on (Linux; elsewhere
/// each goes by its own clock).
///
/// The file is created for its owner alone (0600). Deleted content is overwritten in it at once, and in the
/// write-ahead log within a minute, or when the last clone of the store is dropped: that waits for the writes
/// that are under way.
#[derive(Clone)]
pub struct SqliteStore(Arc<Threads>);

impl SqliteStore {
    /// Opens the file at `path`, and creates it, with its table, if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unavailable`] if the file cannot be opened or written, is no database, or was
    /// written by a newer version: `source` names the file and the next move.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::with_clock(path, Clock::System)
    }

    /// Opens the file with a clock that a test may set.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn with_clock(path: impl AsRef<Path>, clock: impl Into<Clock>) -> Result<Self, StoreError> {
        let threads = Threads::start(path.as_ref(), &clock.into()).map_err(refused)?;
        Ok(Self(Arc::new(threads)))
    }
}

impl SqliteStore {
    /// Opens the file at `path` to be read alone: beside a process that writes and holds the lock, as a user who
    /// may not write, and on a file system that is mounted for reading. Nothing is created, and every write is
    /// [`StoreErrorKind::Invalid`].
    ///
    /// If not even the files beside it can be created and no process has it open, the file is read as it is:
    /// a process that opened it for writing meanwhile would not be noticed.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unavailable`] if there is no such file, or it cannot be read, holds no sessions of this
    /// library, or was written by a newer version: `source` names the file and the next move.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let threads = Threads::read_only(path.as_ref(), &Clock::System).map_err(refused)?;
        Ok(Self(Arc::new(threads)))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteStore")
    }
}

impl Store for SqliteStore {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        let id = id.clone();
        self.0.read(move |reader| reader.get(&id))
    }

    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        let ids = ids.to_vec();
        self.0.read(move |reader| reader.expiries(&ids))
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        let (id, entry) = (id.clone(), entry.clone());
        let creating = self.0.write(move |writer| writer.create(&id, &entry));
        Box::pin(async move {
            creating
                .await?
                .then_some(())
                .ok_or(StoreErrorKind::IdTaken.into())
        })
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        let (id, read, entry) = (id.clone(), read.clone(), entry.clone());
        self.0
            .write(move |writer| writer.update(&id, &read, &entry))
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        let (id, read, entry) = (id.clone(), read.clone(), entry.clone());
        self.0.write(move |writer| writer.touch(&id, &read, &entry))
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        let id = id.clone();
        self.0.write(move |writer| writer.destroy(&id))
    }

    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        let (old, read, new, entry) = (old.clone(), read.cloned(), new.clone(), entry.clone());
        let retired = retired.clone();
        let replacing = self
            .0
            .write(move |writer| writer.replace(&old, read.as_ref(), &new, &entry, &retired));
        Box::pin(async move { replacing.await?.ok_or(StoreErrorKind::IdTaken.into()) })
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.retire_as(id, &RetiredId::Closed)
    }

    fn retire_as<'a>(&'a self, id: &'a SessionId, retired: &'a RetiredId) -> StoreFuture<'a, bool> {
        let (id, retired) = (id.clone(), retired.clone());
        self.0.write(move |writer| writer.retire(&id, &retired))
    }

    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        let id = id.clone();
        self.0.read(move |reader| reader.retired(&id))
    }

    fn prune(&self) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let mut pruned = 0;
            loop {
                let some = self.0.write(|writer| writer.prune_some()).await?;
                pruned += some.sessions as u64;
                if !some.is_full {
                    return Ok(pruned);
                }
            }
        })
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page> {
        Box::pin(async move {
            let after = after(cursor)?;
            self.0.read(move |reader| reader.scan(after, limit)).await
        })
    }

    fn scan_records<'a>(
        &'a self,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, RecordPage> {
        Box::pin(async move {
            let after = after(cursor)?;
            let reading = move |reader: &reads::Read<'_>| reader.scan_records(after, limit);
            self.0.read(reading).await
        })
    }

    fn put<'a>(
        &'a self,
        id: &'a SessionId,
        entry: &'a NewRecord,
        condition: &'a PutIf,
    ) -> StoreFuture<'a, PutOutcome> {
        let (id, entry, condition) = (id.clone(), entry.clone(), condition.clone());
        self.0
            .write(move |writer| writer.put_if(&id, &entry, &condition))
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        self.0.read(|reader| reader.count())
    }

    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        let user = user.to_owned();
        self.0.read(move |reader| reader.list_by_user(&user))
    }

    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        let (user, keep) = (user.to_owned(), keep.cloned());
        self.0
            .write(move |writer| writer.destroy_by_user(&user, keep.as_ref()))
    }
}

/// Reads a cursor: the number of the last row.
fn after(cursor: Option<&str>) -> Result<i64, StoreError> {
    let after = cursor.map(str::parse).transpose();
    let after = after.map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
    Ok(after.unwrap_or(0))
}

fn refused(refusal: open_error::OpenError) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, refusal)
}

fn failed(error: rusqlite::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, error)
}

#[cfg(test)]
mod tests;
