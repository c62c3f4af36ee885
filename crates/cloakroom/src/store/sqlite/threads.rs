//! The threads that wait for the disk, so that no task of the runtime has to.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use rusqlite::Result;
use tokio::sync::oneshot;

use super::failed;
use super::open_error::OpenError;
use super::readers::{ReadJob, Reader};
use super::reads::Read;
use super::writer::{WriteJob, Writer};
use super::writes::Write;
use crate::clock::Clock;
use crate::store::{StoreError, StoreErrorKind, StoreFuture};

/// Number of reading threads: as many reads wait for the disk at once.
const READERS: usize = 2;

/// The reason of a write to a file that was opened for reading.
const READ_ONLY: &str = "the file was opened for reading: open it for writing";

/// The ends of the queues; the threads end when this is dropped, which waits for the last write.
pub(super) struct Threads {
    /// `None`: the file is read alone.
    writer: Option<Sender<WriteJob>>,
    /// The thread that writes.
    writing: Option<JoinHandle<()>>,
    readers: Vec<Sender<ReadJob>>,
    next_reader: AtomicUsize,
}

impl Threads {
    pub(super) fn start(path: &Path, clock: &Clock) -> std::result::Result<Self, OpenError> {
        let mut writing = Writer::open(path, clock)?;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let reading = Reader::open(path, writing.time(), writing.files())?;
            let (reader, jobs) = channel();
            spawn("cloakroom-read", move || reading.work(&jobs));
            writing.is_followed_by(reader.clone());
            readers.push(reader);
        }
        let (writer, jobs) = channel();
        let writing = spawn("cloakroom-write", move || writing.work(&jobs));
        Ok(Self {
            writer: Some(writer),
            writing,
            readers,
            next_reader: AtomicUsize::new(0),
        })
    }

    /// Starts the threads that read, and none that writes.
    pub(super) fn read_only(path: &Path, clock: &Clock) -> std::result::Result<Self, OpenError> {
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let reading = Reader::read_only(path, clock)?;
            let (reader, jobs) = channel();
            spawn("cloakroom-read", move || reading.work(&jobs));
            readers.push(reader);
        }
        Ok(Self {
            writer: None,
            writing: None,
            readers,
            next_reader: AtomicUsize::new(0),
        })
    }

    pub(super) fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Read<'_>) -> Result<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let (done, outcome) = oneshot::channel();
        let job = ReadJob::Read(Box::new(move |reader| {
            let _ = done.send(match reader {
                Some(reader) => read(reader).map_err(failed),
                None => Err(StoreErrorKind::Unavailable.into()),
            });
        }));
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed) % self.readers.len();
        let sent = self.readers[turn].send(job);
        Box::pin(async move {
            sent.map_err(|_| StoreError::from(StoreErrorKind::Unavailable))?;
            outcome
                .await
                .unwrap_or_else(|_| Err(StoreErrorKind::Unavailable.into()))
        })
    }

    /// Queues a write at once; the future waits until it is on the disk.
    pub(super) fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Write<'_>) -> Result<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let (done, outcome) = oneshot::channel();
        let job: WriteJob = Box::new(move |writer| {
            let written = match writer {
                Some(writer) => write(writer).map_err(failed),
                None => Err(StoreErrorKind::Unavailable.into()),
            };
            Box::new(move |committed| {
                let _ = done.send(committed.map_err(StoreError::from).and(written));
            })
        });
        let sent = self.writer.as_ref().map(|writer| writer.send(job));
        Box::pin(async move {
            let sent = sent.ok_or_else(|| StoreError::new(StoreErrorKind::Invalid, READ_ONLY))?;
            sent.map_err(|_| StoreError::from(StoreErrorKind::Unavailable))?;
            outcome
                .await
                .unwrap_or_else(|_| Err(StoreErrorKind::Unknown.into()))
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.writer = None;
        self.readers.clear();
        // A program that ends right after this leaves no log behind.
        let writing = self.writing.take();
        if let Some(writing) = writing.filter(|one| one.thread().id() != thread::current().id()) {
            let _ = writing.join();
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    let spawned = thread::Builder::new().name(name.into()).spawn(work);
    spawned
        .inspect_err(|error| {
            // The closure has dropped the queue's other end: every call returns `Unavailable`.
            tracing::error!(%error, "a thread of the SQLite store cannot be started");
        })
        .ok()
}
