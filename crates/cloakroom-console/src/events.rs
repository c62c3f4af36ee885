//! Logins and endings as they happen in the application's own process: exact, where the console is mounted in it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use cloakroom::observe::{EndCause, EventSubject, Observer};

use crate::minutes::{MINUTES, Minutes};

/// Counts the logins and endings of a [`Manager`](cloakroom::Manager), for the console's figures by the minute;
/// clones share their counts.
///
/// ```
/// use cloakroom_console::SessionEvents;
/// # use cloakroom::{Manager, MemoryStore, Policy};
///
/// # fn f(policy: Policy) -> (Manager, SessionEvents) {
/// let events = SessionEvents::default();
/// let manager = Manager::new(policy, MemoryStore::new()).observer(events.clone());
/// # (manager, events) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct SessionEvents(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    logins: Minutes,
    ends: Minutes,
}

impl SessionEvents {
    /// Returns the logins and the endings of the last hour.
    pub(crate) fn at(&self, now: SystemTime) -> ([u64; MINUTES], [u64; MINUTES]) {
        self.with(|counts| (counts.logins.at(now), counts.ends.at(now)))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Counts) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for SessionEvents {
    fn signed_in(&self, _: &EventSubject) {
        let now = SystemTime::now();
        self.with(|counts| counts.logins.add(now, now, 1));
    }

    fn ended(&self, _: &EventSubject, _: EndCause, sessions: u64) {
        let now = SystemTime::now();
        self.with(|counts| counts.ends.add(now, now, sessions));
    }
}
