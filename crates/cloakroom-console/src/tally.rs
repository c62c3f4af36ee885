//! The figures of one inventory, counted session by session; where each session is, by its handle.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::SystemTime;

use cloakroom::SessionId;
use cloakroom::manager::FoundSession;

use crate::histogram::Histogram;
use crate::minutes::Minutes;

/// Sessions whose place is remembered: about 150 bytes each.
const MOST_PLACES: usize = 1_000_000;

/// The hash of a handle.
pub(crate) type Place = u64;

/// The figures of an inventory.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) live: u64,
    pub(crate) signed_in: u64,
    pub(crate) unreadable: u64,
    /// Sessions whose record does not say when they began, as Express's do not.
    pub(crate) of_unknown_age: u64,
    /// Sessions of a user whose record does not say when the user signed in.
    pub(crate) of_unknown_login: u64,
    pub(crate) bytes: u64,
    pub(crate) ages: Histogram,
    pub(crate) sizes: Histogram,
    pub(crate) logins: Minutes,
    /// `false` where there were more sessions than places.
    pub(crate) is_complete: bool,
    hasher: RandomState,
    places: HashMap<Place, SessionId>,
    users: HashMap<Box<str>, Vec<Place>>,
}

impl Tally {
    /// Creates an empty one; handles are hashed as those of `before` were, so that the two can be compared.
    pub(crate) fn after(before: Option<&Self>) -> Self {
        Self {
            live: 0,
            signed_in: 0,
            unreadable: 0,
            of_unknown_age: 0,
            of_unknown_login: 0,
            bytes: 0,
            ages: Histogram::of_ages(),
            sizes: Histogram::of_sizes(),
            logins: Minutes::default(),
            is_complete: true,
            hasher: before.map_or_else(RandomState::new, |before| before.hasher.clone()),
            places: HashMap::new(),
            users: HashMap::new(),
        }
    }

    /// Counts a session, once however often a scan returns it.
    pub(crate) fn add(&mut self, found: &FoundSession, now: SystemTime) {
        if !self.remember(found) {
            return;
        }
        let session = &found.summary;
        self.live += 1;
        self.bytes += session.bytes as u64;
        self.sizes.add(session.bytes as u64);
        self.unreadable += u64::from(!session.is_readable);
        match session.created {
            Some(created) => self
                .ages
                .add_age(now.duration_since(created).unwrap_or_default()),
            None => self.of_unknown_age += 1,
        }
        if session.user.is_some() {
            self.signed_in += 1;
            match session.signed_in {
                Some(at) => self.logins.add(at, now, 1),
                None => self.of_unknown_login += 1,
            }
        }
    }

    /// Notes where a session is; `false` if it was noted before.
    fn remember(&mut self, found: &FoundSession) -> bool {
        let place = self.hasher.hash_one(&*found.summary.handle);
        if self.places.contains_key(&place) {
            return false;
        }
        if self.places.len() >= MOST_PLACES {
            self.is_complete = false;
            return true;
        }
        self.places.insert(place, found.id.clone());
        if let Some(user) = &found.summary.user {
            self.users
                .entry(user.as_str().into())
                .or_default()
                .push(place);
        }
        true
    }

    /// Returns the id that a handle had when it was counted.
    pub(crate) fn id_of(&self, handle: &str) -> Option<SessionId> {
        self.places.get(&self.hasher.hash_one(handle)).cloned()
    }

    pub(crate) fn has_user(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// Returns the ids that a user's sessions had.
    pub(crate) fn ids_of(&self, user: &str) -> Vec<SessionId> {
        let places = self.users.get(user).into_iter().flatten();
        places
            .filter_map(|place| self.places.get(place).cloned())
            .collect()
    }

    pub(crate) fn users(&self) -> usize {
        self.users.len()
    }

    /// Returns up to `most` users whose name contains a text, in any case, with the number of their sessions;
    /// those whose name begins with it first.
    pub(crate) fn users_like(&self, text: &str, most: usize) -> Vec<(String, usize)> {
        let text = text.to_lowercase();
        let named = self.users.iter().filter_map(|(user, places)| {
            let at = user.to_lowercase().find(&text)?;
            Some((at > 0, user, places.len()))
        });
        let mut named: Vec<_> = named.collect();
        named.sort_unstable();
        named
            .into_iter()
            .take(most)
            .map(|(_, user, sessions)| (user.to_string(), sessions))
            .collect()
    }

    /// Returns how many sessions of `before` are not in this one; `None` unless both are complete.
    pub(crate) fn gone_since(&self, before: &Self) -> Option<u64> {
        let gone = before
            .places
            .keys()
            .filter(|place| !self.places.contains_key(place))
            .count();
        (self.is_complete && before.is_complete).then_some(gone as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use cloakroom::manager::FoundSession;
    use cloakroom::record::{StoredRecord, UserKeys};
    use cloakroom::{KeyRing, SessionId};

    use super::Tally;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
    }

    fn session(id: &str, rest: &str) -> FoundSession {
        let secrets = KeyRing::new("a secret that is long enough for a ring 7").unwrap();
        let text = format!(r#"{{"cookie":{{"originalMaxAge":3600000}}{rest}}}"#);
        let stored = StoredRecord {
            text: text.as_str().into(),
            expires: (now() + Duration::from_mins(50)).into(),
        };
        let (keys, id) = (UserKeys::default(), SessionId::from_store(id));
        FoundSession::of(&secrets, &keys, id, Some(stored), now()).unwrap()
    }

    #[test]
    fn each_session_is_counted_once_and_by_what_its_record_tells() {
        let mut tally = Tally::after(None);
        let own = session(
            "one",
            r#","userId":"ada","_ck":{"created":999000000,"login":999940000}"#,
        );
        for found in [
            &own,
            &own,
            &session("two", r#","userId":"Adam""#),
            &session("three", ""),
        ] {
            tally.add(found, now());
        }
        assert_eq!(
            (
                tally.live,
                tally.signed_in,
                tally.of_unknown_age,
                tally.of_unknown_login
            ),
            (3, 2, 2, 1)
        );
        assert_eq!(tally.logins.at(now()).iter().sum::<u64>(), 1);
        assert_eq!(tally.id_of(&own.summary.handle), Some(own.id.clone()));
        assert_eq!(tally.id_of("another"), None);
        assert_eq!(tally.ids_of("ada"), [own.id]);
        assert_eq!(
            tally.users_like("DA", 9),
            [("Adam".to_owned(), 1), ("ada".to_owned(), 1)]
        );
        assert_eq!(tally.users_like("ada", 1).len(), 1);
        assert!(tally.users_like("bob", 9).is_empty());
    }

    #[test]
    fn sessions_that_are_gone_are_told_from_those_that_stayed() {
        let mut before = Tally::after(None);
        before.add(&session("one", ""), now());
        before.add(&session("two", ""), now());
        let mut after = Tally::after(Some(&before));
        after.add(&session("two", ""), now());
        after.add(&session("three", ""), now());
        assert_eq!(after.gone_since(&before), Some(1));
        after.is_complete = false;
        assert_eq!(after.gone_since(&before), None);
    }
}
