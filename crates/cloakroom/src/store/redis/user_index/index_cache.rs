//! A bounded cache of the indexes of users; all of it may be dropped at any time.

use std::hash::BuildHasher as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use foldhash::HashMap;
use foldhash::quality::RandomState;

use crate::id::SessionId;
use crate::util::lock;

/// Longer than any login is under way.
const ABSENT_FOR: Duration = Duration::from_mins(1);
/// Bound on the entries of each kind.
const REMEMBERED: usize = 128 * 1024;

#[derive(Default)]
pub(crate) struct IndexCache {
    /// Seeded in each process, and never exposed: no collision can be provoked.
    hasher: RandomState,
    /// The instant until which each session, by its fingerprint, is in its user's index.
    entered: Mutex<Generations<i64>>,
    /// The session's fingerprint under its user, by a hash of its text; `None` for an anonymous one.
    owners: Mutex<Generations<Option<SessionFingerprint>>>,
    absent: Mutex<HashMap<u64, Instant>>,
}

/// The hash of a session and its user.
type SessionFingerprint = u64;

/// Two maps, of which the older is dropped when the younger is full.
struct Generations<V> {
    young: HashMap<u64, V>,
    old: HashMap<u64, V>,
}

impl IndexCache {
    /// Returns `true` if a session is known to stand in its user's index until then.
    pub(crate) fn covers(&self, user: &str, id: &SessionId, until: i64) -> bool {
        self.is_entered(self.mark(user, id), until)
    }

    /// Returns `true` if that is known of a session by its text, which was read before; or if it is known to
    /// be anonymous.
    pub(crate) fn knows(&self, id: &SessionId, text: &str, until: i64) -> bool {
        let owner = lock(&self.owners).get(self.mark(text, id));
        owner.is_some_and(|owner| owner.is_none_or(|mark| self.is_entered(mark, until)))
    }

    pub(crate) fn note(&self, user: &str, id: &SessionId, until: i64) {
        lock(&self.entered).insert(self.mark(user, id), until);
    }

    /// Remembers the user of a session with this text; one of several users is looked up again each time.
    pub(crate) fn note_owners(&self, id: &SessionId, text: &str, users: &[String]) {
        let owner = match users {
            [] => None,
            [user] => Some(self.mark(user, id)),
            _ => return,
        };
        lock(&self.owners).insert(self.mark(text, id), owner);
    }

    pub(crate) fn forget(&self, user: &str, id: &SessionId) {
        lock(&self.entered).remove(self.mark(user, id));
    }

    /// Drops what is known of the indexes: another server may have lost it.
    pub(crate) fn forget_entries(&self) {
        *lock(&self.entered) = Generations::default();
    }

    /// Drops the owners: under other keys each session may belong to another user.
    pub(crate) fn forget_owners(&self) {
        *lock(&self.owners) = Generations::default();
    }

    /// Returns those that were absent a while ago as well.
    pub(crate) fn absent_for_long<'a>(
        &self,
        index: &str,
        absent: &[&'a SessionId],
    ) -> Vec<&'a SessionId> {
        let mut since = lock(&self.absent);
        let now = Instant::now();
        if since.len() + absent.len() > REMEMBERED {
            since.retain(|_, first| now.duration_since(*first) < 2 * ABSENT_FOR);
        }
        let is_long = |id: &&SessionId| {
            let first = *since.entry(self.mark(index, id)).or_insert(now);
            now.duration_since(first) >= ABSENT_FOR
        };
        absent.iter().copied().filter(is_long).collect()
    }

    fn is_entered(&self, mark: SessionFingerprint, until: i64) -> bool {
        let known = lock(&self.entered).get(mark);
        known.is_some_and(|known| known >= until)
    }

    fn mark(&self, of: &str, id: &SessionId) -> SessionFingerprint {
        self.hasher.hash_one((of, id.expose()))
    }
}

impl<V: Copy> Generations<V> {
    fn get(&self, key: u64) -> Option<V> {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    fn insert(&mut self, key: u64, value: V) {
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    fn remove(&mut self, key: u64) {
        self.young.remove(&key);
        self.old.remove(&key);
    }
}

impl<V> Default for Generations<V> {
    fn default() -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::IndexCache;
    use crate::id::SessionId;

    #[test]
    fn failed_index_entry_is_retried_although_the_text_is_cached() {
        let (seen, id) = (IndexCache::default(), SessionId::from_store("a"));
        seen.note_owners(&id, "text", &["ada".to_owned()]);
        assert!(!seen.knows(&id, "text", 10), "it is not entered yet");
        seen.note("ada", &id, 20);
        assert!(seen.knows(&id, "text", 10));
        assert!(!seen.knows(&id, "text", 21), "not for that long");
        seen.forget("ada", &id);
        assert!(!seen.knows(&id, "text", 10));
    }

    #[test]
    fn another_text_or_another_key_may_name_another_user() {
        let (seen, id) = (IndexCache::default(), SessionId::from_store("a"));
        seen.note_owners(&id, "text", &[]);
        assert!(seen.knows(&id, "text", i64::MAX), "it is anonymous");
        assert!(!seen.knows(&id, "another text", 0));
        assert!(!seen.knows(&SessionId::from_store("b"), "text", 0));
        seen.forget_owners();
        assert!(!seen.knows(&id, "text", 0));
    }
}
