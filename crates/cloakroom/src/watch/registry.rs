//! The waiters for the end of each session.

use std::collections::HashMap;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::schedule::{Delivery, Freshness, is_due, is_over, joins, why};
use super::{EndReason, Waiter, Watched};
use crate::clock::Timestamp;
use crate::id::SessionId;

/// The sessions that are watched, each with its waiters.
#[derive(Default)]
pub(super) struct Registry {
    entries: HashMap<SessionId, WatchedSession>,
    /// `true` while the task that queries the store runs.
    pub(super) running: bool,
    /// `true` if the last task ended early: its store panicked, or its runtime is gone.
    pub(super) failed: bool,
    next: u64,
    /// Waiters to be notified once the registry is unlocked.
    told: Vec<Wakeup>,
}

/// A waiter that is notified of an end; of nothing, where the watch itself ends.
pub(super) struct Wakeup {
    waiter: oneshot::Sender<EndReason>,
    end: Option<EndReason>,
}

impl Wakeup {
    /// Wakes the waiter, which may run the application's code.
    pub(super) fn tell(self) {
        if let Some(end) = self.end {
            // A waiter that was dropped is about to leave.
            let _ = self.waiter.send(end);
        }
    }
}

struct WatchedSession {
    known: Freshness,
    expires: Timestamp,
    deadline: Option<Timestamp>,
    waiters: HashMap<u64, oneshot::Sender<EndReason>>,
}

impl Registry {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn enter(&mut self, watched: &Watched) -> Waiter {
        let (sender, end) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        let new = || WatchedSession {
            known: Freshness::Unknown,
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
        let left = entry.waiters.remove(&number);
        let told = left.map(|waiter| Wakeup { waiter, end: None });
        self.told.extend(told);
        if entry.waiters.is_empty() {
            self.entries.remove(id);
        }
    }

    /// Drops all entries without an answer: those that still wait register again.
    pub(super) fn clear(&mut self) {
        for (_, entry) in self.entries.drain() {
            let waiters = entry.waiters.into_values();
            let told = waiters.map(|waiter| Wakeup { waiter, end: None });
            self.told.extend(told);
        }
    }

    pub(super) fn look_at(&mut self, id: &SessionId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.known = Freshness::Unknown;
        }
    }

    pub(super) fn look_at_all(&mut self) {
        for entry in self.entries.values_mut() {
            entry.known = Freshness::Unknown;
        }
    }

    /// Ends the sessions whose absolute time-out has come.
    pub(super) fn end_overdue(&mut self, now: Timestamp) {
        let over = |_: &SessionId, entry: &mut WatchedSession| is_over(entry.deadline, now);
        for (_, entry) in self.entries.extract_if(over) {
            self.told.extend(entry.end(EndReason::Expired));
        }
    }

    /// Returns the sessions to be queried now, and marks them as in flight.
    pub(super) fn take_due(
        &mut self,
        mode: Delivery,
        now: Timestamp,
        at: Instant,
    ) -> Vec<SessionId> {
        let is_due = |entry: &WatchedSession| is_due(entry.known, mode, entry.expires, now, at);
        // New ones are queried alone, so that they hasten no other's turn.
        let in_turn = |entry: &WatchedSession| entry.known != Freshness::Unknown && is_due(entry);
        let turn = self.entries.values().any(in_turn);
        let due = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| is_due(entry) || turn && joins(entry.known, mode, at));
        due.map(|(id, entry)| {
            entry.known = Freshness::InFlight;
            id.clone()
        })
        .collect()
    }

    /// Notes the store's answer for `id`; `known` is the freshness of a session that lives.
    pub(super) fn answered(
        &mut self,
        id: &SessionId,
        living: Option<Timestamp>,
        known: Freshness,
        now: Timestamp,
    ) {
        match (self.entries.get_mut(id), living) {
            (None, _) => {}
            (Some(_), None) => self.over(id, now),
            (Some(entry), Some(expires)) => {
                entry.expires = expires;
                // An invalidation that came meanwhile may be younger than the answer.
                if entry.known == Freshness::InFlight {
                    entry.known = known;
                }
            }
        }
    }

    /// Notes that the store has not answered.
    pub(super) fn unanswered(&mut self, id: &SessionId) {
        if let Some(entry) = self.entries.get_mut(id)
            && entry.known == Freshness::InFlight
        {
            entry.known = Freshness::Unknown;
        }
    }

    /// Notifies the waiters of `id` that it is gone.
    pub(super) fn over(&mut self, id: &SessionId, now: Timestamp) {
        if let Some(entry) = self.entries.remove(id) {
            let end = why(entry.expires, entry.deadline, now);
            self.told.extend(entry.end(end));
        }
    }

    /// Takes the waiters to be notified.
    pub(super) fn take_told(&mut self) -> Vec<Wakeup> {
        std::mem::take(&mut self.told)
    }
}

impl WatchedSession {
    fn end(self, end: EndReason) -> impl Iterator<Item = Wakeup> {
        let waiters = self.waiters.into_values();
        waiters.map(move |waiter| Wakeup {
            waiter,
            end: Some(end),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn watched(id: &SessionId) -> Watched {
        Watched {
            id: id.clone(),
            expires: NOW.after(Duration::from_mins(1)),
            deadline: None,
        }
    }

    fn due(registry: &mut Registry, mode: Delivery) -> usize {
        registry.take_due(mode, NOW, Instant::now()).len()
    }

    #[tokio::test]
    async fn an_invalidation_before_the_answer_is_not_lost() {
        let (mut registry, id) = (Registry::default(), SessionId::random());
        let mut waiter = registry.enter(&watched(&id));
        let lives = Some(NOW.after(Duration::from_mins(2)));
        assert_eq!(due(&mut registry, Delivery::Push), 1);
        assert_eq!(
            due(&mut registry, Delivery::Push),
            0,
            "the query is in flight"
        );
        registry.look_at(&id);
        registry.answered(&id, lives, Freshness::Subscribed(Instant::now()), NOW);
        assert_eq!(
            due(&mut registry, Delivery::Push),
            1,
            "it may have ended since"
        );
        registry.answered(&id, lives, Freshness::Subscribed(Instant::now()), NOW);
        assert_eq!(due(&mut registry, Delivery::Push), 0);
        registry.look_at_all();
        assert_eq!(due(&mut registry, Delivery::Push), 1);
        registry.unanswered(&id);
        assert_eq!(due(&mut registry, Delivery::Push), 1, "no answer has come");
        assert!(waiter.end.try_recv().is_err());
        registry.answered(&id, None, Freshness::Subscribed(Instant::now()), NOW);
        registry.take_told().into_iter().for_each(Wakeup::tell);
        assert_eq!(waiter.end.try_recv(), Ok(EndReason::Ended));
        assert!(registry.is_empty());
    }

    #[test]
    fn a_dropped_waiter_leaves_no_entry() {
        let (mut registry, id) = (Registry::default(), SessionId::random());
        let numbers: Vec<u64> = (0..3)
            .map(|_| registry.enter(&watched(&id)).number)
            .collect();
        for number in numbers {
            assert!(!registry.is_empty());
            registry.leave(&id, number);
        }
        assert!(registry.is_empty());
        registry.leave(&id, 7);
        registry.over(&id, NOW);
    }

    #[test]
    fn the_answer_decides_the_end_reason() {
        let (mut registry, id) = (Registry::default(), SessionId::random());
        let mut waiter = registry.enter(&watched(&id));
        assert_eq!(due(&mut registry, Delivery::Polling), 1);
        // Its lifetime was shortened meanwhile.
        let soon = Some(NOW.after(Duration::from_secs(5)));
        registry.answered(&id, soon, Freshness::Polled(Instant::now()), NOW);
        registry.over(&id, NOW.after(Duration::from_secs(6)));
        registry.take_told().into_iter().for_each(Wakeup::tell);
        assert_eq!(waiter.end.try_recv(), Ok(EndReason::Expired));
    }
}
