//! Ends that the store did not carry out: they are retried until it does.
//!
//! A client that signs out while the store refuses writes gets an error, and is signed out as soon as the
//! store accepts them again: by a task of this process, and by the next request that shows the cookie.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use super::Coordinator;
use crate::id::SessionId;
use crate::observe::EndCause;
use crate::store::{StoreError, StoreErrorKind};
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

/// An end that is still to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PendingEnd {
    pub(super) way: EndWay,
    /// The cause that observers are told once it has ended.
    pub(super) cause: EndCause,
    /// `true` if an attempt may have ended it without its caller learning so: then a retry that finds nothing is
    /// the first to know.
    pub(super) may_be_done: bool,
}

/// The way in which a session is to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EndWay {
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
        match state.ends.entry(key.clone()) {
            Entry::Vacant(place) => {
                place.insert(end);
                state.order.push_back(key);
            }
            // Whoever asked first is the cause.
            Entry::Occupied(mut known) => known.get_mut().may_be_done |= end.may_be_done,
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

    /// Removes one; whoever gets it tells of its end.
    fn take(&self, key: &SessionId) -> Option<PendingEnd> {
        if self.is_empty() {
            return None;
        }
        let mut state = self.lock();
        let taken = state.ends.remove(key);
        self.count.store(state.ends.len(), Ordering::Release);
        taken
    }

    /// Notes that an attempt may have ended one.
    fn note(&self, key: &SessionId, may_be_done: bool) {
        if let Some(pending) = self.lock().ends.get_mut(key) {
            pending.may_be_done |= may_be_done;
        }
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
    pub(super) fn asks(&self, key: SessionId, way: EndWay, cause: EndCause) -> EndAttempt<'_> {
        // A caller that disconnects meanwhile may have ended it.
        let end = PendingEnd {
            way,
            cause,
            may_be_done: true,
        };
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
        let ended = match &end.way {
            EndWay::OfClient(id) => self.end_once(id).await,
            EndWay::OfRecord => self.destroy_once(key).await,
        };
        match ended {
            Ok(has_ended) => self.told_late(key, end.cause, has_ended),
            Err(error) => {
                let may_be_done = error.kind() == StoreErrorKind::Unknown;
                self.pending_ends.note(key, may_be_done);
                return Err(error);
            }
        }
        tracing::info!(id = ?key, "a session has ended at a retry");
        Ok(())
    }

    /// Tells observers, once, of a session that a retry has ended, or that an earlier attempt had.
    fn told_late(&self, key: &SessionId, cause: EndCause, has_ended: bool) {
        let pending = self.pending_ends.take(key);
        let was_done = pending.is_some_and(|pending| pending.may_be_done);
        if (has_ended || was_done) && !self.observers.is_empty() {
            // Whoever asked for it is gone.
            self.tell_ended(&self.subject_of(key, None), cause, 1);
        }
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
    /// Takes the store's answer, whether there was a session; an end that failed is retried.
    pub(super) fn answered(
        mut self,
        outcome: Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        match &outcome {
            Ok(has_ended) => {
                self.is_known = true;
                let pending = self.coordinator.pending_ends.take(&self.key);
                let earlier = pending.filter(|pending| pending.may_be_done && !has_ended);
                if let Some(earlier) = earlier.filter(|_| !self.coordinator.observers.is_empty()) {
                    let subject = self.coordinator.subject_of(&self.key, None);
                    self.coordinator.tell_ended(&subject, earlier.cause, 1);
                }
            }
            Err(error) => self.end.may_be_done = error.kind() == StoreErrorKind::Unknown,
        }
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

    fn end(way: EndWay) -> PendingEnd {
        PendingEnd {
            way,
            cause: EndCause::Logout,
            may_be_done: false,
        }
    }

    /// Whichever attempt is the last to know tells of the end, and of one end one does.
    #[test]
    fn an_end_that_may_be_done_is_taken_once() {
        let unended = PendingEnds::default();
        unended.add(id(1), end(EndWay::OfRecord));
        assert!(!unended.find(&id(1)).unwrap().may_be_done);
        let again = PendingEnd {
            cause: EndCause::Operator,
            may_be_done: true,
            ..end(EndWay::OfRecord)
        };
        unended.add(id(1), again);
        let taken = unended.take(&id(1)).unwrap();
        assert_eq!((taken.cause, taken.may_be_done), (EndCause::Logout, true));
        assert_eq!(unended.take(&id(1)), None);
        unended.add(id(2), end(EndWay::OfRecord));
        unended.note(&id(2), false);
        assert!(!unended.find(&id(2)).unwrap().may_be_done);
        unended.note(&id(2), true);
        unended.note(&id(2), false);
        assert!(unended.find(&id(2)).unwrap().may_be_done);
    }

    #[test]
    fn pending_ends_are_retried_in_order_by_one_task() {
        let unended = PendingEnds::default();
        assert!(unended.is_empty() && unended.rest());
        assert!(unended.add(id(1), end(EndWay::OfRecord)));
        assert!(!unended.add(id(2), end(EndWay::OfClient(id(3)))));
        assert!(
            !unended.add(id(1), end(EndWay::OfRecord)),
            "it is stored once"
        );
        for number in [1, 2, 1] {
            assert_eq!(unended.next().map(|(key, _)| key), Some(id(number)));
        }
        assert_eq!(unended.find(&id(2)), Some(end(EndWay::OfClient(id(3)))));
        unended.take(&id(1)).unwrap();
        assert!(!unended.rest() && !unended.is_empty());
        assert_eq!(unended.next().map(|(key, _)| key), Some(id(2)));
        unended.take(&id(2)).unwrap();
        assert!(unended.is_empty() && unended.next().is_none() && unended.rest());
        assert!(
            unended.add(id(4), end(EndWay::OfRecord)),
            "the caller has to start the retries"
        );
    }

    #[test]
    fn pending_ends_are_bounded() {
        let unended = PendingEnds::default();
        for number in 0..MAX_UNENDED + 5 {
            unended.add(id(number), end(EndWay::OfRecord));
        }
        let state = unended.lock();
        assert_eq!(
            (state.ends.len(), state.order.len()),
            (MAX_UNENDED, MAX_UNENDED)
        );
        assert!(!state.ends.contains_key(&id(4)) && state.ends.contains_key(&id(5)));
    }
}
