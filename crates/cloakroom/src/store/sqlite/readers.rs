//! A thread that reads, and closes its file when that is not the one at the path any more.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use rusqlite::Connection;

use super::files::Files;
use super::open_error::OpenError;
use super::reads::Read;
use super::schema::open_reader;
use super::{read_only, time};
use crate::clock::Clock;
use crate::store::steady::Steady;

/// A read, given the file if there is one.
type Reading = Box<dyn FnOnce(Option<&Read<'_>>) + Send>;

/// A job for a reading thread.
pub(super) enum ReadJob {
    /// Runs a read.
    Read(Reading),
    /// Closes the file, drops the first, and opens the file that the writer has opened then.
    Follow(Sender<()>, Receiver<Option<Files>>),
}

/// A connection that reads.
pub(super) struct Reader {
    path: PathBuf,
    time: Steady,
    open: Option<(Connection, Files)>,
}

impl Reader {
    pub(super) fn open(path: &Path, time: Steady, files: Files) -> Result<Self, OpenError> {
        Ok(Self {
            path: path.to_owned(),
            time,
            open: Some((open_reader(path)?, files)),
        })
    }

    /// Opens the file to be read alone, by a thread that follows no writer.
    pub(super) fn read_only(path: &Path, clock: &Clock) -> Result<Self, OpenError> {
        let connection = read_only::open(path)?;
        let time = time::known(&connection, clock);
        let files = Files::of(&connection, path);
        Ok(Self {
            path: path.to_owned(),
            time,
            open: Some((connection, files)),
        })
    }

    pub(super) fn work(mut self, jobs: &Receiver<ReadJob>) {
        while let Ok(job) = jobs.recv() {
            match job {
                ReadJob::Read(read) => self.read(read),
                ReadJob::Follow(closed, opened) => self.follow(closed, &opened),
            }
        }
    }

    /// Runs a read. A displaced file answers none: a session may have ended in the one that took its place.
    fn read(&self, read: Reading) {
        let open = self.open.as_ref().filter(|(_, files)| files.is_here());
        let reader = open.map(|(connection, _)| Read {
            connection,
            time: &self.time,
        });
        read(reader.as_ref());
    }

    fn follow(&mut self, closed: Sender<()>, opened: &Receiver<Option<Files>>) {
        self.open = None;
        drop(closed);
        // If the writer has opened nothing, or ended, there is nothing to read.
        let Ok(Some(files)) = opened.recv() else {
            return;
        };
        match open_reader(&self.path) {
            Ok(connection) => self.open = Some((connection, files)),
            Err(error) => tracing::error!(%error, "the SQLite file of sessions cannot be read"),
        }
    }
}

/// Readers that have closed their file, and wait for the writer to open one.
pub(super) struct IdleReaders(Vec<Sender<Option<Files>>>);

impl IdleReaders {
    /// Makes all of them close their file, and returns once they have.
    pub(super) fn of(readers: &[Sender<ReadJob>]) -> Self {
        let (closed, all_closed) = channel();
        let mut waiting = Vec::with_capacity(readers.len());
        for reader in readers {
            let (opened, following) = channel();
            if reader
                .send(ReadJob::Follow(closed.clone(), following))
                .is_ok()
            {
                waiting.push(opened);
            }
        }
        drop(closed);
        // It ends with the last of them.
        while all_closed.recv().is_ok() {}
        Self(waiting)
    }

    /// Lets them continue, with the file that was opened.
    pub(super) fn go_on(self, opened: Option<&Files>) {
        for reader in self.0 {
            let _ = reader.send(opened.cloned());
        }
    }
}
