//! Who waits for the end of which session.

use std::collections::HashMap;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::due::{Known, Mode, is_due, is_over, joins, why};
use super::{End, Waiter, Watched};
use crate::clock::Timestamp;
use crate::id::SessionId;

/// The sessions that are watched, each with those who wait for it.
#[derive(Default)]
pub(super) struct Registry {
    entries: HashMap<SessionId, Entry>,
    /// Whether the task that asks runs.
    pub(super) running: bool,
    next: u64,
}

struct Entry {
    known: Known,
    expires: Timestamp,
    deadline: Option<Timestamp>,
    waiters: HashMap<u64, oneshot::Sender<End>>,
}

impl Registry {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn enter(&mut self, watched: &Watched) -> Waiter {
        let (sender, end) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        let new = || Entry {
            known: Known::Nothing,
            expires: watched.expires,
            deadline: watched.deadline,
            waiters: HashMap::new(),
        };
        let entry = self.entries.entry(watched.id.clone()).or_insert_with(new);
        entry.deadline = entry.deadline.or(watched.deadline);
        entry.waiters.insert(number, sender);
        Waiter { number, end }
    }

    pub(super) fn leave(&mut self, id: &SessionId, number: u64) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        entry.waiters.remove(&number);
        if entry.waiters.is_empty() {
            self.entries.remove(id);
        }
    }

    /// Lets all go without an answer: whoever still waits enters again.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn look_at(&mut self, id: &SessionId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.known = Known::Nothing;
        }
    }

    pub(super) fn look_at_all(&mut self) {
        for entry in self.entries.values_mut() {
            entry.known = Known::Nothing;
        }
    }

    /// Takes out those whose absolute time-out has come.
    pub(super) fn end_overdue(&mut self, now: Timestamp) {
        self.entries.retain(|_, entry| {
            let over = is_over(entry.deadline, now);
            if over {
                entry.end(End::Expired);
            }
            !over
        });
    }

    /// Those to be asked for now; they count as being asked for.
    pub(super) fn take_due(&mut self, mode: Mode, now: Timestamp, at: Instant) -> Vec<SessionId> {
        let is_due = |entry: &Entry| is_due(entry.known, mode, entry.expires, now, at);
        // Who is new is asked for alone, so that it hastens nobody else's turn.
        let in_turn = |entry: &Entry| entry.known != Known::Nothing && is_due(entry);
        let turn = self.entries.values().any(in_turn);
        let due = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| is_due(entry) || turn && joins(entry.known, mode, at));
        due.map(|(id, entry)| {
            entry.known = Known::Asking;
            id.clone()
        })
        .collect()
    }

    /// Takes note of what the store said of `id`; `known` is what that makes of a session that lives.
    pub(super) fn answered(
        &mut self,
        id: &SessionId,
        living: Option<Timestamp>,
        known: Known,
        now: Timestamp,
    ) {
        match (self.entries.get_mut(id), living) {
            (None, _) => {}
            (Some(_), None) => self.over(id, now),
            (Some(entry), Some(expires)) => {
                entry.expires = expires;
                // A hint that came meanwhile may be younger than the answer.
                if entry.known == Known::Asking {
                    entry.known = known;
                }
            }
        }
    }

    /// Takes note that the store has not said anything.
    pub(super) fn unanswered(&mut self, id: &SessionId) {
        if let Some(entry) = self.entries.get_mut(id)
            && entry.known == Known::Asking
        {
            entry.known = Known::Nothing;
        }
    }

    /// Tells those who wait for `id` that it is gone.
    pub(super) fn over(&mut self, id: &SessionId, now: Timestamp) {
        if let Some(mut entry) = self.entries.remove(id) {
            let end = why(entry.expires, entry.deadline, now);
            entry.end(end);
        }
    }
}

impl Entry {
    fn end(&mut self, end: End) {
        for (_, waiter) in self.waiters.drain() {
            // Who does not wait any more is about to leave.
            let _ = waiter.send(end);
        }
    }
}
