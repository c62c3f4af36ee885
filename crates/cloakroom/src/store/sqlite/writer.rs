//! The thread that writes: all waiting jobs go into one transaction, and no write is acknowledged that went
//! into a displaced file.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::files::{Files, FilesState};
use super::open_error::OpenError;
use super::readers::{IdleReaders, ReadJob};
use super::schema::{empty_log, leave_the_log, open_writer, truncate_log};
use super::time::{self, Started};
use super::writes::Write;
use crate::clock::Clock;
use crate::store::StoreErrorKind;
use crate::store::steady::Steady;

/// Most writes that one transaction takes.
const BATCH: usize = 256;
/// Interval of the search for expired records.
const PRUNE_EVERY: Duration = Duration::from_mins(1);
/// Interval at which an idle writer checks its files, for the readers.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Does its part of a transaction, if there is one, and returns the reply for the end of it.
pub(super) type WriteJob = Box<dyn FnOnce(Option<&Write<'_>>) -> JobReply + Send>;
pub(super) type JobReply = Box<dyn FnOnce(Result<(), StoreErrorKind>) + Send>;

/// A connection that writes, and the threads that follow it to another file.
pub(super) struct Writer {
    path: PathBuf,
    clock: Clock,
    time: Steady,
    started: Option<Started>,
    /// `None`: its file was displaced, and there is no other yet.
    open: Option<Database>,
    readers: Vec<Sender<ReadJob>>,
}

/// An open file.
struct Database {
    connection: Connection,
    files: Files,
}

impl Writer {
    pub(super) fn open(path: &Path, clock: &Clock) -> Result<Self, OpenError> {
        let database = Database::open(path)?;
        let begun = time::begin(&database.connection, clock);
        let (time, started) = begun.map_err(|error| OpenError::of(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            clock: clock.clone(),
            time,
            started,
            open: Some(database),
            readers: Vec::new(),
        })
    }

    /// Returns the files that it has just opened.
    pub(super) fn files(&self) -> Files {
        let open = self.open.as_ref().expect("open begins with a file");
        open.files.clone()
    }

    /// Returns the time that it goes by, whatever file it has open.
    pub(super) fn time(&self) -> Steady {
        self.time.clone()
    }

    pub(super) fn is_followed_by(&mut self, reader: Sender<ReadJob>) {
        self.readers.push(reader);
    }

    pub(super) fn work(mut self, jobs: &Receiver<WriteJob>) {
        let mut next_prune = Instant::now() + PRUNE_EVERY;
        loop {
            let pause = next_prune.saturating_duration_since(Instant::now());
            match jobs.recv_timeout(pause.min(LOOK_EVERY)) {
                Ok(first) => self.commit(batch(first, jobs)),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if Instant::now() >= next_prune {
                next_prune = Instant::now() + self.prune();
            }
        }
        if let Some(database) = self.open.take() {
            database.end();
        }
    }

    fn commit(&mut self, jobs: Vec<WriteJob>) {
        self.look();
        let Some(database) = &mut self.open else {
            for job in jobs {
                job(None)(Ok(()));
            }
            return;
        };
        let (replies, committed) = database.transact(&self.time, jobs);
        let said = committed.and_then(|()| database.is_kept());
        for reply in replies {
            reply(said);
        }
    }

    /// Checks that the file is where it was, and closes it if not.
    fn look(&mut self) {
        let standing = self.open.as_ref().map(|open| open.files.standing());
        if standing == Some(FilesState::Here) {
            return;
        }
        // No thread of this process may have the old files open when the new ones are written.
        let waiting = IdleReaders::of(&self.readers);
        let left = self
            .open
            .take()
            .map_or(ClosedFile::Nothing, Database::leave);
        self.open = match left {
            ClosedFile::Busy(database) => Some(*database),
            ClosedFile::Nothing => Database::open(&self.path).ok().inspect(|_| {
                tracing::warn!("the SQLite file of sessions is there again");
            }),
            ClosedFile::Behind(standing) => self.open_after(standing),
        };
        self.begin_time();
        waiting.go_on(self.open.as_ref().map(|open| &open.files));
    }

    /// Takes the time that others have noted in the file that is open now.
    fn begin_time(&mut self) {
        let Some(database) = &self.open else { return };
        match time::begin(&database.connection, &self.clock) {
            Ok((_, started)) => {
                self.started = started;
                if let Some(started) = started {
                    started.set(&self.time);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the SQLite file of sessions has no time of its own");
            }
        }
    }

    /// Opens the file at the path, and logs once what became of the old one.
    fn open_after(&self, standing: FilesState) -> Option<Database> {
        let opened = Database::open(&self.path);
        match (&opened, standing) {
            (Ok(_), FilesState::Gone) => tracing::error!(
                "the SQLite file of sessions was deleted, moved or replaced while it was open: the one \
                 at its path is used from now on, and sessions that are not in it are lost"
            ),
            (Ok(_), _) => tracing::error!(
                "the write-ahead log of the SQLite file of sessions, or its index, was deleted while it \
                 was open: what it held is in the file now"
            ),
            (Err(error), _) => tracing::error!(
                %error,
                "the SQLite file of sessions is gone: nothing is stored until it can be opened again"
            ),
        }
        opened.ok()
    }

    /// Deletes one batch of expired sessions and returns the time until the next: none if there may be more,
    /// behind writes that come meanwhile.
    fn prune(&self) -> Duration {
        let Some(database) = &self.open else {
            return PRUNE_EVERY;
        };
        if let Some(started) = self.started {
            started.set(&self.time);
        }
        let (connection, time) = (&database.connection, &self.time);
        match (Write { connection, time }).prune_some() {
            Ok(pruned) if pruned.is_full => return Duration::ZERO,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "expired sessions cannot be deleted"),
        }
        truncate_log(connection);
        PRUNE_EVERY
    }
}

/// The state of a file that is not to be used any more.
enum ClosedFile {
    /// There was none.
    Nothing,
    /// It is closed.
    Behind(FilesState),
    /// Its log is in use, and holds the only copy of some writes: it stays open until that is saved.
    Busy(Box<Database>),
}

impl Database {
    fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = open_writer(path)?;
        let files = Files::of(&connection, path);
        Ok(Self { connection, files })
    }

    fn transact(
        &mut self,
        time: &Steady,
        jobs: Vec<WriteJob>,
    ) -> (Vec<JobReply>, Result<(), StoreErrorKind>) {
        let failed = |error: rusqlite::Error| {
            tracing::error!(%error, "the SQLite store cannot write");
            StoreErrorKind::Unavailable
        };
        let begin = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = match begin {
            Ok(transaction) => transaction,
            Err(error) => {
                let replies = jobs.into_iter().map(|job| job(None)).collect();
                return (replies, Err(failed(error)));
            }
        };
        let connection = &transaction;
        let writer = Write { connection, time };
        let replies = jobs.into_iter().map(|job| job(Some(&writer))).collect();
        (replies, transaction.commit().map_err(failed))
    }

    /// Checks that the last commit is visible to a process that opens the path.
    fn is_kept(&self) -> Result<(), StoreErrorKind> {
        match self.files.standing() {
            FilesState::Here => Ok(()),
            // The log has no name any more; the file has.
            FilesState::LogGone if matches!(empty_log(&self.connection), Ok(true)) => Ok(()),
            FilesState::LogGone | FilesState::Gone => Err(StoreErrorKind::Unknown),
        }
    }

    /// Saves what only an unnamed log holds, and closes.
    ///
    /// A file that was moved is complete then as well.
    fn leave(self) -> ClosedFile {
        let standing = self.files.standing();
        if matches!(
            (standing, empty_log(&self.connection)),
            (FilesState::LogGone, Ok(false))
        ) {
            return ClosedFile::Busy(Box::new(self));
        }
        self.close();
        ClosedFile::Behind(standing)
    }

    /// Closes in order, and removes the log if it is this file's.
    fn end(self) {
        truncate_log(&self.connection);
        if self.files.standing() != FilesState::Here {
            self.close();
        }
    }

    /// Closes and leaves the log: its name may belong to another file by now.
    fn close(self) {
        if let Err(error) = leave_the_log(&self.connection) {
            tracing::warn!(%error, "the end of a SQLite connection may delete another file's log");
        }
    }
}

/// Collects the jobs that wait by now, for one transaction.
fn batch(first: WriteJob, jobs: &Receiver<WriteJob>) -> Vec<WriteJob> {
    let mut batch = vec![first];
    while batch.len() < BATCH {
        match jobs.try_recv() {
            Ok(job) => batch.push(job),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    batch
}
