//! Ends that the store did not carry out: they are retried until it does.
//!
//! A client that signs out while the store refuses writes gets an error, and is signed out as soon as the
//! store accepts them again: by a task of this process, and by the next request that shows the cookie.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use super::Coordinator;
use crate::id::SessionId;
use crate::observe::EndCause;
use crate::store::StoreError;
use crate::util::{Backoff, lock};

/// The most sessions that are remembered, at some 200 bytes each.
const MAX_UNENDED: usize = 10_000;
/// Number of refusals in a row that end a round: the store accepts nothing yet.
const MAX_REFUSALS: usize = 4;
/// Pauses between two rounds.
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(500));

/// The sessions that are still to be ended.
#[derive(Default)]
pub(super) struct PendingEnds {
    /// Their number, so that a request need not lock to learn that there is none.
    count: AtomicUsize,
    state: Mutex<PendingState>,
}

#[derive(Default)]
struct PendingState {
    /// The sessions by the store's key.
    ends: HashMap<SessionId, PendingEnd>,
    /// The order in which they are tried; it may name some that have ended since.
    order: VecDeque<SessionId>,
    is_tried: bool,
}

/// The way in which a session is to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PendingEnd {
    /// By the client's own id, whose renewals are followed.
    OfClient(SessionId),
    /// By the store's key alone.
    OfRecord,
}

/// An end that was sent to the store; where its caller disconnects before the outcome is known, it is
/// retried.
pub(super) struct EndAttempt<'a> {
    coordinator: &'a Coordinator,
    key: SessionId,
    end: PendingEnd,
    is_known: bool,
}

impl PendingEnds {
    fn lock(&self) -> MutexGuard<'_, PendingState> {
        lock(&self.state)
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Adds a session; returns `true` if the caller has to start the retries.
    fn add(&self, key: SessionId, end: PendingEnd) -> bool {
        let mut state = self.lock();
        if state.ends.insert(key.clone(), end).is_none() {
            state.order.push_back(key);
        }
        if state.ends.len() > MAX_UNENDED {
            let oldest = state.order.pop_front();
            oldest.and_then(|key| state.ends.remove(&key));
            tracing::error!(
                "too many sessions could not be ended: the oldest is not retried any more"
            );
        }
        self.count.store(state.ends.len(), Ordering::Release);
        !std::mem::replace(&mut state.is_tried, true)
    }

    fn remove(&self, key: &SessionId) {
        let mut state = self.lock();
        state.ends.remove(key);
        self.count.store(state.ends.len(), Ordering::Release);
    }

    fn find(&self, key: &SessionId) -> Option<PendingEnd> {
        self.lock().ends.get(key).cloned()
    }

    /// Returns the one that was tried longest ago, and moves it to the back of the queue.
    fn next(&self) -> Option<(SessionId, PendingEnd)> {
        let mut state = self.lock();
        while let Some(key) = state.order.pop_front() {
            if let Some(end) = state.ends.get(&key).cloned() {
                state.order.push_back(key.clone());
                return Some((key, end));
            }
        }
        None
    }

    /// Stops the retries if none is left; returns `false` otherwise.
    fn rest(&self) -> bool {
        let mut state = self.lock();
        state.is_tried = !state.ends.is_empty();
        !state.is_tried
    }
}

impl Coordinator {
    /// Notes that an end is about to be sent to the store.
    pub(super) fn asks(&self, key: SessionId, end: PendingEnd) -> EndAttempt<'_> {
        EndAttempt {
            coordinator: self,
            key,
            end,
            is_known: false,
        }
    }

    /// Remembers a session that the store has not ended, and retries from now on.
    pub(super) fn end_later(&self, key: SessionId, end: PendingEnd) {
        tracing::warn!(id = ?key, "a session could not be ended: the end is retried until the store succeeds");
        if self.pending_ends.add(key, end) {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(try_again(Weak::clone(&self.own)))),
                // The next request that fails to end one retries all of them.
                Err(_) => self.pending_ends.lock().is_tried = false,
            }
        }
    }

    /// Ends a session whose end is pending; returns `false` where none is pending for this id.
    pub(crate) async fn end_unended(&self, id: &SessionId) -> Result<bool, StoreError> {
        if self.pending_ends.is_empty() {
            return Ok(false);
        }
        let key = self.key(id);
        let Some(end) = self.pending_ends.find(&key) else {
            return Ok(false);
        };
        self.try_to_end(&key, &end).await?;
        Ok(true)
    }

    async fn try_to_end(&self, key: &SessionId, end: &PendingEnd) -> Result<(), StoreError> {
        let has_ended = match end {
            PendingEnd::OfClient(id) => self.end_once(id).await?,
            PendingEnd::OfRecord => self.destroy_once(key).await?,
        };
        self.pending_ends.remove(key);
        if has_ended && !self.observers.is_empty() {
            // Whoever asked for it is gone: mostly a client that signed out.
            self.tell_ended(&self.subject_of(key, None), EndCause::Logout, 1);
        }
        tracing::info!(id = ?key, "a session has ended at a retry");
        Ok(())
    }

    /// Tries each once, until the store has refused several in a row; returns `true` if one has ended.
    async fn try_unended(&self) -> bool {
        let (mut refusals, mut has_ended) = (0, false);
        let most = self.pending_ends.lock().order.len();
        for _ in 0..most {
            let Some((key, end)) = self.pending_ends.next() else {
                break;
            };
            match self.try_to_end(&key, &end).await {
                Ok(()) => (refusals, has_ended) = (0, true),
                Err(_) => refusals += 1,
            }
            if refusals == MAX_REFUSALS {
                break;
            }
        }
        has_ended
    }
}

/// Retries until all have ended, or the coordinator is dropped.
async fn try_again(coordinator: Weak<Coordinator>) {
    let mut backoff = RETRY_BACKOFF;
    let mut running = Running {
        coordinator: Weak::clone(&coordinator),
        is_done: false,
    };
    loop {
        tokio::time::sleep(backoff.pause()).await;
        let Some(coordinator) = coordinator.upgrade() else {
            return;
        };
        let has_ended = coordinator.try_unended().await;
        running.is_done = coordinator.pending_ends.rest();
        if running.is_done {
            return;
        }
        if has_ended {
            backoff.succeeded();
        } else {
            backoff.failed();
        }
    }
}

/// Notes that no task retries any more where the runtime ends before this one is done. A task that is done
/// has noted it itself, and another may have begun since.
struct Running {
    coordinator: Weak<Coordinator>,
    is_done: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(coordinator) = self.coordinator.upgrade().filter(|_| !self.is_done) {
            coordinator.pending_ends.lock().is_tried = false;
        }
    }
}

impl EndAttempt<'_> {
    /// Takes the store's answer; an end that failed is retried.
    pub(super) fn answered<T>(mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        self.is_known = outcome.is_ok();
        outcome
    }
}

impl Drop for EndAttempt<'_> {
    fn drop(&mut self) {
        if !self.is_known {
            self.coordinator
                .end_later(self.key.clone(), self.end.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> SessionId {
        SessionId::from_store(&format!("{number:024}"))
    }

    #[test]
    fn pending_ends_are_retried_in_order_by_one_task() {
        let unended = PendingEnds::default();
        assert!(unended.is_empty() && unended.rest());
        assert!(unended.add(id(1), PendingEnd::OfRecord));
        assert!(!unended.add(id(2), PendingEnd::OfClient(id(3))));
        assert!(
            !unended.add(id(1), PendingEnd::OfRecord),
            "it is stored once"
        );
        for number in [1, 2, 1] {
            assert_eq!(unended.next().map(|(key, _)| key), Some(id(number)));
        }
        assert_eq!(unended.find(&id(2)), Some(PendingEnd::OfClient(id(3))));
        unended.remove(&id(1));
        assert!(!unended.rest() && !unended.is_empty());
        assert_eq!(unended.next().map(|(key, _)| key), Some(id(2)));
        unended.remove(&id(2));
        assert!(unended.is_empty() && unended.next().is_none() && unended.rest());
        assert!(
            unended.add(id(4), PendingEnd::OfRecord),
            "the caller has to start the retries"
        );
    }

    #[test]
    fn pending_ends_are_bounded() {
        let unended = PendingEnds::default();
        for number in 0..MAX_UNENDED + 5 {
            unended.add(id(number), PendingEnd::OfRecord);
        }
        let state = unended.lock();
        assert_eq!(
            (state.ends.len(), state.order.len()),
            (MAX_UNENDED, MAX_UNENDED)
        );
        assert!(!state.ends.contains_key(&id(4)) && state.ends.contains_key(&id(5)));
    }
}
