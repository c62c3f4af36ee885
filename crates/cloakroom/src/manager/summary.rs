//! A session as an operator sees it: by its handle and what its record tells, never by its id.

use std::net::IpAddr;
use std::time::SystemTime;

use crate::auth;
use crate::clock::Timestamp;
use crate::cookie::KeyRing;
use crate::id::SessionId;
use crate::record::{Field, Record, RecordLimit, RecordText, StoredRecord, UserKeys};

/// A session as an operator sees it.
///
/// Its handle is the one that [`Device::handle`](crate::auth::Device::handle) has, where the secrets are those of
/// the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSummary {
    /// Name by which to end it; nothing can be opened with it.
    pub handle: String,
    /// The user who is signed in; `None` for nobody.
    pub user: Option<String>,
    /// Time at which the session began; `None` where its record does not hold it, as Express's do not.
    pub created: Option<SystemTime>,
    /// Time at which its user signed in; `None` for a session that another program signed in.
    pub signed_in: Option<SystemTime>,
    /// Time of its last use, from its expiry and its life; `None` where it has no life.
    pub last_seen: Option<SystemTime>,
    /// Time at which it ends, unless it is used before; its absolute time-out included.
    pub expires: SystemTime,
    /// The address that its login came from.
    pub address: Option<IpAddr>,
    /// The User-Agent field of its login: the client's own claim, and no proof.
    pub user_agent: Option<String>,
    /// Bytes of its record.
    pub bytes: usize,
    /// The application's keys in it, in the order of the record.
    pub keys: Vec<String>,
    /// `false` if its record cannot be read: its visitor is anonymous, and it can be ended.
    pub is_readable: bool,
    /// `true` if one of the secrets is the one under which its user signed in, `false` if none is; `None` where
    /// its record does not tell, as Express's do not. One session alone proves little: another program may have
    /// signed in another user since.
    pub fits_secret: Option<bool>,
    /// The handles that it has by every secret.
    handles: Vec<String>,
}

impl SessionSummary {
    /// Summarizes a record that a store returned under `id`; `None` for one whose absolute time-out has
    /// passed at `now`, and which no request can open any more.
    pub fn of(
        secrets: &KeyRing,
        user_keys: &UserKeys,
        id: &SessionId,
        stored: &StoredRecord,
        now: SystemTime,
    ) -> Option<Self> {
        let Ok(record) = Record::parse(stored.text.clone(), RecordLimit::default()) else {
            return Some(Self {
                expires: stored.expires.into(),
                bytes: stored.text.len(),
                ..Self::unreadable(secrets, id)
            });
        };
        let metadata = record.metadata();
        let deadline = metadata.and_then(|metadata| metadata.deadline());
        if deadline.is_some_and(|deadline| deadline <= Timestamp::from(now)) {
            return None;
        }
        let device = metadata.and_then(|metadata| metadata.device());
        let life = record.cookie().max_age();
        let user = user_keys.user_of(&stored.text);
        let noted = metadata.and_then(|metadata| metadata.last());
        let fits = |(user, noted): (&String, &str)| {
            let own = secrets.fingerprints_of(user);
            own.iter().any(|own| own == noted)
        };
        let mut handles = secrets.keyed_hashes(id.expose());
        let by_id = handles.first().cloned().unwrap_or_default();
        handles.extend(device.as_ref().map(|device| device.handle.clone()));
        let expires = deadline.map_or(stored.expires, |deadline| deadline.min(stored.expires));
        Some(Self {
            handle: device
                .as_ref()
                .map_or(by_id, |device| device.handle.clone()),
            fits_secret: user.as_ref().zip(noted).map(fits),
            user,
            created: metadata.map(|metadata| metadata.created().into()),
            signed_in: metadata.and_then(|metadata| Some(metadata.login()?.into())),
            last_seen: life.map(|life| seen(stored.expires.into(), life, now)),
            expires: expires.into(),
            address: device.as_ref().and_then(|device| device.address),
            user_agent: device.and_then(|device| device.agent),
            bytes: stored.text.len(),
            keys: keys(&record),
            is_readable: true,
            handles,
        })
    }

    /// Summarizes a session whose record cannot be read.
    pub fn unreadable(secrets: &KeyRing, id: &SessionId) -> Self {
        let handles = secrets.keyed_hashes(id.expose());
        Self {
            handle: handles.first().cloned().unwrap_or_default(),
            user: None,
            created: None,
            signed_in: None,
            last_seen: None,
            expires: SystemTime::UNIX_EPOCH,
            address: None,
            user_agent: None,
            bytes: 0,
            keys: Vec::new(),
            is_readable: false,
            fits_secret: None,
            handles,
        }
    }

    /// Returns `true` if this is a handle of the session, by the newest secret or an older one.
    pub fn is_called(&self, handle: &str) -> bool {
        self.handles.iter().any(|own| own == handle)
    }

    /// Describes the user agent in words, `Firefox on Linux`.
    pub fn device(&self) -> String {
        auth::in_words(self.user_agent.as_deref().unwrap_or_default())
    }

    /// Returns the JSON value of a key in a record, or of a path of keys with dots.
    pub fn value_in(text: &RecordText, path: &str) -> Option<serde_json::Value> {
        let record: serde_json::Value = serde_json::from_str(text).ok()?;
        let mut steps = path.split('.');
        steps
            .try_fold(&record, |value, key| value.get(key))
            .cloned()
    }
}

fn seen(expires: SystemTime, life: std::time::Duration, now: SystemTime) -> SystemTime {
    expires.checked_sub(life).unwrap_or(expires).min(now)
}

fn keys(record: &Record) -> Vec<String> {
    let data = record.members().filter(Field::is_data);
    data.map(|field| field.name().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::SessionSummary;
    use crate::clock::Timestamp;
    use crate::cookie::KeyRing;
    use crate::id::SessionId;
    use crate::record::{StoredRecord, UserKeys};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn summary(text: &str, expires: i64, now: u64) -> Option<SessionSummary> {
        let secrets = KeyRing::new("a secret that is long enough for a ring 7").unwrap();
        let stored = StoredRecord {
            text: text.into(),
            expires: Timestamp::from_millis(expires * 1000),
        };
        let id = SessionId::from_store("an id");
        SessionSummary::of(&secrets, &UserKeys::default(), &id, &stored, at(now))
    }

    #[test]
    fn a_record_of_express_tells_user_and_last_use() {
        let text = r#"{"cookie":{"originalMaxAge":60000},"userId":7,"cart":[]}"#;
        let summary = summary(text, 100, 50).unwrap();
        assert_eq!(summary.user.as_deref(), Some("7"));
        assert_eq!(summary.last_seen, Some(at(40)));
        assert_eq!((summary.created, summary.keys.len()), (None, 2));
        assert!(summary.is_called(&summary.handle.clone()) && !summary.is_called("other"));
        assert!(!format!("{summary:?}").contains("an id"));
    }

    #[test]
    fn a_session_beyond_its_deadline_is_none_and_an_unreadable_one_is_there() {
        let own = r#"{"cookie":{},"_ck":{"created":1000,"deadline":60000}}"#;
        let live = summary(own, 100, 50).unwrap();
        assert_eq!((live.created, live.expires), (Some(at(1)), at(60)));
        assert_eq!(summary(own, 100, 60), None);
        let odd = summary("ciphertext", 100, 50).unwrap();
        assert!(!odd.is_readable && odd.bytes == 10 && odd.expires == at(100));
    }
}
