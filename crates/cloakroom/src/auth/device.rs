//! A session as its user sees it: not by its id, but by the device that signed in.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::agent;
use crate::clock::Timestamp;
use crate::policy::Policy;
use crate::record::{Record, StoredRecord};

/// One of a user's sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// Name by which to end it. It is not the id, nothing can be opened with it, and it stays when the id
    /// changes.
    pub handle: String,
    /// `true` if it is the session of this request.
    pub is_current: bool,
    /// Time at which the session began; `None` where its record does not hold it.
    pub created: Option<SystemTime>,
    /// Time at which its user signed in; `None` for a session that another program signed in.
    pub signed_in: Option<SystemTime>,
    /// Time of its last use: as exactly as the policy's `touch_after`, and not before this in the last
    /// stretch before its absolute time-out.
    pub last_seen: SystemTime,
    /// The address that its login came from.
    pub address: Option<IpAddr>,
    /// The User-Agent field of its login: the client's own claim, and no proof.
    pub user_agent: Option<String>,
}

impl Device {
    /// Reads a device from its session's record; `name` is the handle where it has none.
    pub(super) fn of(
        policy: &Policy,
        stored: StoredRecord,
        name: String,
        now: Timestamp,
    ) -> Option<Self> {
        let record = Record::parse(stored.text, policy.settings().record_limit).ok()?;
        let metadata = record.metadata().map(|metadata| {
            let clamped = metadata.clamped(policy.times(), now);
            clamped.map_or_else(|| Arc::clone(metadata), Arc::new)
        });
        let deadline = metadata.as_ref().and_then(|metadata| metadata.deadline());
        if deadline.is_some_and(|deadline| deadline <= now) {
            return None;
        }
        let note = metadata.as_ref().and_then(|metadata| metadata.device());
        let created = metadata.as_ref().map(|metadata| metadata.created());
        let signed_in = metadata.as_ref().and_then(|metadata| metadata.login());
        let lives = record.cookie().max_age();
        let lives = lives.unwrap_or(policy.settings().browser_session_ttl);
        let last_seen = before(stored.expires, lives).min(now);
        Some(Self {
            is_current: false,
            created: created.map(SystemTime::from),
            signed_in: signed_in.map(SystemTime::from),
            last_seen: last_seen
                .max(signed_in.or(created).unwrap_or(last_seen))
                .into(),
            address: note.as_ref().and_then(|note| note.address),
            user_agent: note.as_ref().and_then(|note| note.agent.clone()),
            handle: note.map_or(name, |note| note.handle),
        })
    }

    /// Describes the user agent in words, `Firefox on Linux`, fit to be shown.
    pub fn name(&self) -> String {
        agent::in_words(self.user_agent.as_deref().unwrap_or_default())
    }

    /// Returns the time since which it is its user's, as far as the record holds it.
    pub(super) fn since(&self) -> SystemTime {
        self.signed_in.or(self.created).unwrap_or(self.last_seen)
    }
}

fn before(instant: Timestamp, duration: std::time::Duration) -> Timestamp {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(instant.as_millis().saturating_sub(millis))
}
