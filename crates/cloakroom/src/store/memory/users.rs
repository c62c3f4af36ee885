//! Which sessions are whose.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Mutex;

use super::lock;
use super::shard::Slot;
use crate::id::SessionId;

type Part = HashMap<Box<str>, HashSet<SessionId>>;

/// Changed under the lock of the session's shard, so that it says what the shard says.
///
/// In parts, each under a lock of its own: when the table of a million users grows, everybody who
/// signs in would wait for it.
pub(super) struct Users {
    hasher: RandomState,
    parts: Box<[Mutex<Part>]>,
}

impl Users {
    /// An empty index in so many parts, at least one.
    pub(super) fn new(parts: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            parts: (0..parts.max(1)).map(|_| Mutex::default()).collect(),
        }
    }

    fn part(&self, user: &str) -> &Mutex<Part> {
        let parts = self.parts.len() as u128;
        let at = (u128::from(self.hasher.hash_one(user)) * parts) >> 64;
        &self.parts[usize::try_from(at).expect("less than the number of parts")]
    }

    pub(super) fn add(&self, slot: &Slot) {
        if let Some(user) = slot.user() {
            let id = SessionId::from_store(slot.id());
            lock(self.part(user))
                .entry(user.into())
                .or_default()
                .insert(id);
        }
    }

    pub(super) fn remove(&self, slot: &Slot) {
        let Some(user) = slot.user() else { return };
        let mut users = lock(self.part(user));
        let Some(sessions) = users.get_mut(user) else {
            return;
        };
        sessions.remove(&SessionId::from_store(slot.id()));
        if sessions.is_empty() {
            users.remove(user);
        }
    }

    pub(super) fn sessions(&self, user: &str) -> Vec<SessionId> {
        lock(self.part(user))
            .get(user)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Users;

    #[test]
    fn whoever_changes_one_user_s_sessions_holds_up_few_others() {
        let users = Users::new(256);
        let _held = users.part("ada").lock().unwrap();
        let names = (0..1000).map(|n| format!("user{n}"));
        let free = names.filter(|name| users.part(name).try_lock().is_ok());
        assert!(free.count() > 950);
    }
}
