//! Which sessions are whose.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use super::lock;
use super::shard::Slot;
use crate::id::SessionId;

/// Changed under the lock of the session's shard, so that it says what the shard says.
#[derive(Default)]
pub(super) struct Users(Mutex<HashMap<Box<str>, HashSet<SessionId>>>);

impl Users {
    pub(super) fn add(&self, slot: &Slot) {
        if let Some(user) = slot.user() {
            let id = SessionId::from_store(slot.id());
            lock(&self.0).entry(user.into()).or_default().insert(id);
        }
    }

    pub(super) fn remove(&self, slot: &Slot) {
        let Some(user) = slot.user() else { return };
        let mut users = lock(&self.0);
        let Some(sessions) = users.get_mut(user) else {
            return;
        };
        sessions.remove(&SessionId::from_store(slot.id()));
        if sessions.is_empty() {
            users.remove(user);
        }
    }

    pub(super) fn sessions(&self, user: &str) -> Vec<SessionId> {
        lock(&self.0)
            .get(user)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}
