//! The threads that wait for the disk, so that no task of the runtime has to.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Result, TransactionBehavior};
use tokio::sync::oneshot;

use super::failed;
use super::reads::Read;
use super::schema::{open_reader, open_writer, truncate_log};
use super::time::{self, Started};
use super::writes::Write;
use crate::clock::Clock;
use crate::store::steady::Steady;
use crate::store::{StoreError, StoreErrorKind, StoreFuture};

/// Threads that read: as many reads wait for the disk at once.
const READERS: usize = 2;
/// The most writes that one transaction takes.
const BATCH: usize = 256;
/// How often what expired is looked for.
const PRUNE_EVERY: Duration = Duration::from_mins(1);

type ReadJob = Box<dyn FnOnce(&Read<'_>) + Send>;
/// Does its part of a transaction, if there is one, and returns what to say at the end of it.
type WriteJob = Box<dyn FnOnce(Option<&Write<'_>>) -> Reply + Send>;
type Reply = Box<dyn FnOnce(std::result::Result<(), StoreErrorKind>) + Send>;

/// The ends of the queues; the threads end when this is dropped, which waits for the last write.
pub(super) struct Threads {
    writer: Option<Sender<WriteJob>>,
    /// The thread that writes.
    writing: Option<JoinHandle<()>>,
    readers: Vec<Sender<ReadJob>>,
    next_reader: AtomicUsize,
}

impl Threads {
    pub(super) fn start(path: &Path, clock: &Clock) -> Result<Self> {
        let connection = open_writer(path)?;
        let (time, started) = time::begin(&connection, clock)?;
        let (writer, jobs) = channel();
        let writer_time = time.clone();
        let writing = spawn("cloakroom-write", move || {
            write_jobs(connection, &writer_time, started, &jobs);
        });
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let connection = open_reader(path)?;
            let time = time.clone();
            let (reader, jobs) = channel();
            spawn("cloakroom-read", move || {
                read_jobs(&connection, &time, &jobs);
            });
            readers.push(reader);
        }
        Ok(Self {
            writer: Some(writer),
            writing,
            readers,
            next_reader: AtomicUsize::new(0),
        })
    }

    pub(super) fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Read<'_>) -> Result<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let (done, outcome) = oneshot::channel();
        let job: ReadJob = Box::new(move |reader| {
            let _ = done.send(read(reader).map_err(failed));
        });
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
            if !matches!(sent, Some(Ok(()))) {
                return Err(StoreErrorKind::Unavailable.into());
            }
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
            // The queue's other end is gone with the closure: every call says `Unavailable`.
            tracing::error!(%error, "a thread of the SQLite store cannot be started");
        })
        .ok()
}

fn read_jobs(connection: &Connection, time: &Steady, jobs: &Receiver<ReadJob>) {
    while let Ok(job) = jobs.recv() {
        job(&Read { connection, time });
    }
}

fn write_jobs(
    mut connection: Connection,
    time: &Steady,
    started: Option<Started>,
    jobs: &Receiver<WriteJob>,
) {
    let mut next_prune = Instant::now() + PRUNE_EVERY;
    loop {
        let first = jobs.recv_timeout(next_prune.saturating_duration_since(Instant::now()));
        match first {
            Ok(first) => commit(&mut connection, time, batch(first, jobs)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if Instant::now() >= next_prune {
            if let Some(started) = started {
                started.set(time);
            }
            let pause = prune(&connection, time);
            if !pause.is_zero() {
                truncate_log(&connection);
            }
            next_prune = Instant::now() + pause;
        }
    }
    truncate_log(&connection);
}

/// Whatever waits by now goes into one transaction.
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

fn commit(connection: &mut Connection, time: &Steady, jobs: Vec<WriteJob>) {
    let committed = transact(connection, time, jobs);
    if let Err(error) = committed {
        tracing::error!(%error, "the SQLite store cannot write");
    }
}

fn transact(connection: &mut Connection, time: &Steady, jobs: Vec<WriteJob>) -> Result<()> {
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => {
            for job in jobs {
                job(None)(Ok(()));
            }
            return Err(error);
        }
    };
    let writer = Write {
        connection: &transaction,
        time,
    };
    let replies: Vec<Reply> = jobs.into_iter().map(|job| job(Some(&writer))).collect();
    let committed = transaction.commit();
    let said = committed.as_ref().map_err(|_| StoreErrorKind::Unavailable);
    for reply in replies {
        reply(said.copied());
    }
    committed
}

/// Deletes one batch of expired sessions and tells when to come again: at once where there may be
/// more, after whoever wants to write meanwhile.
fn prune(connection: &Connection, time: &Steady) -> Duration {
    match (Write { connection, time }).prune_some() {
        Ok(pruned) if pruned.is_full => Duration::ZERO,
        Ok(_) => PRUNE_EVERY,
        Err(error) => {
            tracing::warn!(%error, "expired sessions cannot be deleted");
            PRUNE_EVERY
        }
    }
}
