//! The names of keys.

use super::RedisOptions;
use crate::id::SessionId;

/// Prefixes of the keys beside sessions: tombstones of destroyed ids, and retired ids.
const MARKS: [&str; 2] = ["tomb:{", "retired:{"];

/// Builds keys from ids and users.
pub(super) struct RedisKeys {
    prefix: String,
    user_prefix: String,
    is_cluster: bool,
}

impl RedisKeys {
    pub(super) fn new(options: &RedisOptions, is_cluster: bool) -> Self {
        Self {
            prefix: options.prefix.clone(),
            user_prefix: options.user_prefix.clone(),
            is_cluster,
        }
    }

    /// Returns `true` if the keys of one command may lie on several servers.
    pub(super) fn are_spread(&self) -> bool {
        self.is_cluster
    }

    /// Returns the prefix of all keys of sessions.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn session(&self, id: &SessionId) -> String {
        [&self.prefix, id.expose()].concat()
    }

    /// Returns the key of a destroyed session's tombstone.
    pub(super) fn tomb(&self, id: &SessionId) -> String {
        self.beside("tomb", id)
    }

    /// Returns the key of a retired id's note.
    pub(super) fn retired(&self, id: &SessionId) -> String {
        self.beside("retired", id)
    }

    /// Returns a key in the slot of a session's, whatever the id contains.
    fn beside(&self, name: &str, id: &SessionId) -> String {
        let key = self.session(id);
        match hash_tag(&key) {
            Some(tag) => format!("{name}:{{{tag}}}:{key}"),
            None => format!("{name}:{{{key}}}"),
        }
    }

    /// Returns the key of the set of a user's session ids.
    pub(super) fn index(&self, user: &str) -> String {
        format!("{}{user}:sessions", self.user_prefix)
    }

    /// Returns the key that exists while a user's sessions are ended and may not change their ids.
    pub(super) fn fence(&self, user: &str) -> String {
        format!("{}{user}:ending", self.user_prefix)
    }

    /// Returns the pattern of all keys of sessions; in connect-redis a prefix with `[` in it finds nothing.
    pub(super) fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.prefix.len() + 1);
        for character in self.prefix.chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern + "*"
    }

    /// Returns the id in a key that a scan has found; `None` for a tombstone or note that matches because the
    /// prefix is empty, or begins like theirs.
    pub(super) fn id(&self, key: &str) -> Option<SessionId> {
        let id = key.strip_prefix(&self.prefix)?;
        let is_mark = |mark: &&str| {
            let rest = mark.strip_prefix(&self.prefix);
            rest.is_some_and(|rest| !rest.is_empty() && id.starts_with(rest))
        };
        let is_other = MARKS.iter().any(is_mark);
        (!is_other).then(|| SessionId::from_store(id))
    }
}

/// Returns the part of a key that decides its slot, if it is not the whole key.
fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::{RedisKeys, RedisOptions};
    use crate::id::SessionId;

    #[test]
    fn keys_are_connect_redis_s_and_tombstones_share_the_session_s_slot() {
        let table = [
            ("sess:", "abc", "sess:abc", "tomb:{sess:abc}", "sess:*"),
            ("{a}s:", "b", "{a}s:b", "tomb:{a}:{a}s:b", "{a}s:*"),
            ("a*[1]:", "b", "a*[1]:b", "tomb:{a*[1]:b}", r"a\*\[1\]:*"),
            ("", "abc", "abc", "tomb:{abc}", "*"),
            ("tomb:", "abc", "tomb:abc", "tomb:{tomb:abc}", "tomb:*"),
            ("r", "abc", "rabc", "tomb:{rabc}", "r*"),
        ];
        for (prefix, id, session, tomb, pattern) in table {
            let keys = RedisKeys::new(&RedisOptions::default().prefix(prefix), false);
            let id = SessionId::from_store(id);
            assert_eq!(keys.session(&id), session);
            assert_eq!(keys.tomb(&id), tomb);
            assert_eq!(keys.pattern(), pattern);
            assert_eq!(keys.id(session), Some(id.clone()));
            assert_eq!(keys.id(tomb), None);
            let retired = tomb.replacen("tomb", "retired", 1);
            assert_eq!(keys.retired(&id), retired);
            assert_eq!(keys.id(&retired), None);
        }
        assert_eq!(
            RedisKeys::new(&RedisOptions::default(), false).index("7"),
            "user:7:sessions"
        );
    }
}
