//! The index of sessions by user.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex};

use hashbrown::HashTable;

use super::lock;
use super::shard::{Slot, spread};
use crate::id::SessionId;

type Part = HashTable<UserEntry>;

/// A user with the ids of their sessions.
struct UserEntry {
    name: Box<str>,
    sessions: HashSet<Arc<str>, foldhash::quality::RandomState>,
}

/// The index, changed under the lock of the session's shard, so that it agrees with the shard.
///
/// It is in parts, each under a lock of its own: when the table of a million users grows, every login would
/// wait for it.
pub(super) struct Users {
    hasher: RandomState,
    parts: Box<[Mutex<Part>]>,
}

impl Users {
    /// Creates an empty index with so many parts, at least one.
    pub(super) fn new(parts: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            parts: (0..parts.max(1)).map(|_| Mutex::default()).collect(),
        }
    }

    fn hash(&self, user: &str) -> u64 {
        self.hasher.hash_one(user)
    }

    fn part(&self, hash: u64) -> &Mutex<Part> {
        let parts = self.parts.len() as u128;
        let at = (u128::from(hash) * parts) >> 64;
        &self.parts[usize::try_from(at).expect("less than the number of parts")]
    }

    pub(super) fn add(&self, slot: &Slot) {
        for user in slot.users() {
            self.add_one(&user, slot.id());
        }
    }

    fn add_one(&self, user: &str, id: &str) {
        let (hash, id) = (self.hash(user), Arc::from(id));
        let mut owners = lock(self.part(hash));
        let is_it = |owner: &UserEntry| *owner.name == *user;
        let rehash = |owner: &UserEntry| spread(self.hash(&owner.name));
        let owner = owners.entry(spread(hash), is_it, rehash);
        let mut owner = owner.or_insert_with(|| UserEntry {
            name: user.into(),
            sessions: HashSet::default(),
        });
        owner.get_mut().sessions.insert(id);
    }

    pub(super) fn remove(&self, slot: &Slot) {
        for user in slot.users() {
            self.remove_one(&user, slot.id());
        }
    }

    pub(super) fn remove_one(&self, user: &str, id: &str) {
        let hash = self.hash(user);
        let mut owners = lock(self.part(hash));
        let owner = owners.find_entry(spread(hash), |owner| *owner.name == *user);
        let Ok(mut owner) = owner else { return };
        owner.get_mut().sessions.remove(id);
        if owner.get().sessions.is_empty() {
            owner.remove();
        }
    }

    pub(super) fn sessions(&self, user: &str) -> Vec<SessionId> {
        let hash = self.hash(user);
        let owners = lock(self.part(hash));
        let owner = owners.find(spread(hash), |owner| *owner.name == *user);
        let ids = owner.into_iter().flat_map(|owner| &owner.sessions);
        ids.map(|id| SessionId::from_store(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Users;

    #[test]
    fn changing_one_user_s_sessions_blocks_few_others() {
        let users = Users::new(256);
        let part = |name: &str| users.part(users.hash(name));
        let _held = part("ada").lock().unwrap();
        let names = (0..1000).map(|n| format!("user{n}"));
        let free = names.filter(|name| part(name).try_lock().is_ok());
        assert!(free.count() > 950);
    }
}
