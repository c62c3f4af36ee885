//! Concurrent saves of one session in this process: the first goes ahead, the rest are written together after
//! it.
//!
//! Alone, a save is one comparison and one write. A thousand at once would each compare, lose and retry;
//! queued behind the first they become one record, and cost one more write.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::{Coordinator, Saved};
use crate::id::SessionId;
use crate::lifecycle::{Edit, EditError};
use crate::record::Record;
use crate::store::{StoreError, StoreErrorKind};
use crate::util::lock;

/// The reason for which a session could not be saved.
#[derive(Debug)]
pub(crate) enum SaveError {
    /// It was destroyed, or it expired.
    Gone,
    /// The id was closed: by a login, a logout, or another session in its place.
    Closed,
    /// Other requests kept changing it.
    Conflict,
    /// The application's generator returned an id that no request could bring back.
    Id,
    Edit(EditError),
    Store(StoreError),
}

impl From<StoreError> for SaveError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<EditError> for SaveError {
    fn from(error: EditError) -> Self {
        Self::Edit(error)
    }
}

impl SaveError {
    /// Returns this error for another save that was written together with this one; an edit that failed is
    /// reported to its own request only.
    fn share(&self) -> Self {
        match self {
            Self::Gone => Self::Gone,
            Self::Closed => Self::Closed,
            Self::Id => Self::Id,
            Self::Conflict | Self::Edit(_) => Self::Conflict,
            Self::Store(error) => Self::Store(error.kind().into()),
        }
    }
}

/// The sessions that are being saved, each with the saves that wait.
#[derive(Default)]
pub(super) struct SaveQueue(Mutex<HashMap<SessionId, Vec<QueuedSave>>>);

struct QueuedSave {
    edit: Box<Edit>,
    done: oneshot::Sender<Result<Saved, SaveError>>,
}

enum Entered {
    /// No other request is saving this session.
    First(Box<Edit>),
    Waiting(oneshot::Receiver<Result<Saved, SaveError>>),
}

impl SaveQueue {
    fn enter(&self, id: &SessionId, edit: Box<Edit>) -> Entered {
        let mut queues = lock(&self.0);
        match queues.entry(id.clone()) {
            Entry::Vacant(place) => {
                place.insert(Vec::new());
                Entered::First(edit)
            }
            Entry::Occupied(mut waiting) => {
                let (done, result) = oneshot::channel();
                waiting.get_mut().push(QueuedSave { edit, done });
                Entered::Waiting(result)
            }
        }
    }

    /// Takes the saves that wait; if there are none, the next save goes first again.
    fn next(&self, id: &SessionId) -> Vec<QueuedSave> {
        let mut queues = lock(&self.0);
        let Entry::Occupied(mut place) = queues.entry(id.clone()) else {
            return Vec::new();
        };
        let waiting = std::mem::take(place.get_mut());
        if waiting.is_empty() {
            place.remove();
        }
        waiting
    }
}

impl Coordinator {
    /// Writes an edit over the record that this request read, or over the record as it is stored by now.
    pub(crate) async fn save(
        self: &Arc<Self>,
        id: &SessionId,
        base: Arc<Record>,
        mut edit: Box<Edit>,
    ) -> Result<Saved, SaveError> {
        if edit.kept_expiry.is_some() {
            self.refresh_kept_expiry(id, &mut edit).await?;
        }
        match self.saves.enter(id, edit) {
            Entered::First(mut edit) => {
                let mut turn = QueueGuard::new(self, id);
                let saved = self.write(id, base, &mut [&mut edit]).await?;
                turn.last = Some(Arc::clone(&saved.record));
                Ok(saved.of(&mut edit))
            }
            Entered::Waiting(result) => {
                // Those before it may take as long; after that no request waits for the result.
                tokio::time::timeout(self.policy.settings().store_timeout, result)
                    .await
                    .ok()
                    .and_then(Result::ok)
                    .unwrap_or_else(|| Err(StoreError::from(StoreErrorKind::Unknown).into()))
            }
        }
    }

    async fn save_together(
        &self,
        id: &SessionId,
        mut jobs: Vec<QueuedSave>,
        last: Option<Arc<Record>>,
    ) -> Option<Arc<Record>> {
        let written = {
            let mut edits: Vec<&mut Edit> = jobs.iter_mut().map(|job| &mut *job.edit).collect();
            match self.base(id, last.clone()).await {
                Ok(base) => self.write(id, base, &mut edits).await,
                Err(error) => Err(error),
            }
        };
        match written {
            Ok(written) => {
                self.observers.tell(|observer| observer.joined(jobs.len()));
                let record = Arc::clone(&written.record);
                for mut job in jobs {
                    let _ = job.done.send(Ok(written.of(&mut job.edit)));
                }
                Some(record)
            }
            // One of the edits is at fault: each is saved separately, so that the others do not fail with it.
            Err(SaveError::Edit(_)) if jobs.len() > 1 => self.save_each(id, jobs, last).await,
            Err(error) => {
                // The last save gets the error itself, with its cause; where it is alone, its own mistake.
                let last = jobs.pop();
                for job in jobs {
                    let _ = job.done.send(Err(error.share()));
                }
                if let Some(last) = last {
                    let _ = last.done.send(Err(error));
                }
                None
            }
        }
    }

    async fn save_each(
        &self,
        id: &SessionId,
        jobs: Vec<QueuedSave>,
        mut last: Option<Arc<Record>>,
    ) -> Option<Arc<Record>> {
        for mut job in jobs {
            let written = match self.base(id, last.clone()).await {
                Ok(base) => self.write(id, base, &mut [&mut job.edit]).await,
                Err(error) => Err(error),
            };
            if let Ok(written) = &written {
                last = Some(Arc::clone(&written.record));
            }
            let QueuedSave { mut edit, done } = job;
            let _ = done.send(written.map(|written| written.of(&mut edit)));
        }
        last
    }
}

/// The guard of a save that is under way; when it is dropped, the saves that queued meanwhile are written.
struct QueueGuard {
    coordinator: Arc<Coordinator>,
    id: SessionId,
    last: Option<Arc<Record>>,
}

impl QueueGuard {
    fn new(coordinator: &Arc<Coordinator>, id: &SessionId) -> Self {
        Self {
            coordinator: Arc::clone(coordinator),
            id: id.clone(),
            last: None,
        }
    }

    /// Writes the queued saves together.
    async fn take(mut self, jobs: Vec<QueuedSave>) {
        let last = self.last.take();
        self.last = self.coordinator.save_together(&self.id, jobs, last).await;
    }
}

impl Drop for QueueGuard {
    fn drop(&mut self) {
        let jobs = self.coordinator.saves.next(&self.id);
        if jobs.is_empty() {
            return;
        }
        let mut next = Self::new(&self.coordinator, &self.id);
        next.last = self.last.take();
        // A task of its own: a client that disconnects must not cancel others' saves.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(next.take(jobs));
        }
        // Without a runtime the program ends, and drops `next`: the queued saves return an unknown outcome.
    }
}
