//! The library's own metadata in a record (`_ck`): when the session began, when it must end.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::num::ParseIntError;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::js;
use super::json::Member;
use crate::clock::Timestamp;

/// The device that a user signed in from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoginDevice {
    /// Name of the session in its user's list; it stays when the id changes.
    pub(crate) handle: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
}

/// The value of the key `_ck`; times in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    created: i64,
    /// Time at which the session ends, however often it is touched.
    deadline: Option<i64>,
    /// Time of the last change of its id.
    renewed: Option<i64>,
    /// Time of its user's login.
    login: Option<i64>,
    /// The device of the last login, as it is written: few requests read it, and one that cannot be parsed
    /// must not take the deadline with it.
    device: Option<Box<str>>,
    /// The realm that the session belongs to, where realms are separate.
    realm: Option<Box<str>>,
    /// A keyed fingerprint of the user who signed in last: it stays when other writers sign that user out.
    last: Option<Box<str>>,
    /// The impersonator, by name, and a keyed fingerprint of both users.
    by: Option<Box<(String, String)>>,
    /// The session's own absolute time-out, in milliseconds, where it is remembered.
    remember: Option<i64>,
}

/// A policy's limits for a session's times, for [`Metadata::clamped`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct LifetimeLimits {
    pub(crate) absolute: Option<Duration>,
    /// The longest time for which a session may be remembered; `None` where none may.
    pub(crate) remembered: Option<Duration>,
}

/// Tolerance for the clock of another server that is ahead.
const SKEW: Duration = Duration::from_mins(1);
/// Tolerance for a server's clock that was set back since a session began.
const SET_BACK: Duration = Duration::from_hours(1);
/// The earliest instant of JavaScript's dates: an earlier one is no time.
const EARLIEST: i64 = -8_640_000_000_000_000;
/// The beginning of metadata that does not state it: replaced by now where it is read.
const UNKNOWN: i64 = i64::MAX;

impl Metadata {
    pub(crate) fn new(
        created: Timestamp,
        deadline: Option<Timestamp>,
        realm: Option<&str>,
    ) -> Self {
        Self {
            created: created.as_millis(),
            deadline: deadline.map(Timestamp::as_millis),
            realm: realm.map(Into::into),
            ..Self::default()
        }
    }

    /// Returns the metadata within its bounds, where another writer exceeded them: nothing began in the
    /// future, the session ends within the policy's absolute time-out, or the time that it may be remembered,
    /// and a login in the future is none.
    pub(crate) fn clamped(&self, times: LifetimeLimits, now: Timestamp) -> Option<Self> {
        let latest = now.after(SKEW).as_millis();
        let possible = EARLIEST..=now.after(SET_BACK).as_millis();
        let created = if possible.contains(&self.created) {
            self.created
        } else {
            now.as_millis()
        };
        let until = |timeout| Timestamp::from_millis(created).after(timeout).as_millis();
        let remembered = self.remembered_within(times);
        let deadline = match remembered.or(times.absolute).map(until) {
            Some(bound) => Some(self.deadline.map_or(bound, |own| own.min(bound))),
            None => self.deadline,
        };
        let login = self.login.filter(|login| *login <= latest);
        let renewed = self.renewed.filter(|renewed| *renewed <= latest);
        let remember = remembered.map(length);
        let is_same = (created, deadline, login, renewed, remember)
            == (
                self.created,
                self.deadline,
                self.login,
                self.renewed,
                self.remember,
            );
        (!is_same).then(|| Self {
            created,
            deadline,
            renewed,
            login,
            remember,
            ..self.clone()
        })
    }

    /// Returns the time for which the session is remembered, as far as a policy allows.
    fn remembered_within(&self, times: LifetimeLimits) -> Option<Duration> {
        let own = Duration::from_millis(self.remember?.try_into().ok()?);
        Some(own.min(times.remembered?))
    }

    #[cfg(test)]
    fn parse(json: &str) -> Option<Self> {
        let members = super::json::members(json, super::json::Bounds::default())?;
        Self::of(json, &members)
    }

    /// Reads metadata whose members were found in `text`; invalid metadata counts as missing, and the next
    /// save writes it. Its realm counts in any case.
    pub(super) fn of(text: &str, members: &[Member]) -> Option<Self> {
        let read = Self::read(text, members);
        if read.is_some() {
            return read;
        }
        let realm = |member: &&Member| &text[member.key.range()] == "realm";
        let realm = members.iter().rev().find(realm)?;
        let realm = string(&text[realm.value.range()])?;
        Some(Self {
            created: UNKNOWN,
            realm: Some(realm.into()),
            ..Self::default()
        })
    }

    fn read(text: &str, members: &[Member]) -> Option<Self> {
        let (mut metadata, mut created) = (Self::default(), None);
        let (mut by, mut proof) = (None, None);
        for member in members {
            let value = &text[member.value.range()];
            match &text[member.key.range()] {
                "created" => created = millis(value).ok()?,
                "deadline" => metadata.deadline = millis(value).ok()?,
                "renewed" => metadata.renewed = millis(value).ok()?,
                "login" => metadata.login = millis(value).ok()?,
                "remember" => metadata.remember = millis(value).unwrap_or(None),
                "device" => metadata.device = Some(value.into()),
                "realm" => metadata.realm = string(value).map(Into::into),
                "last" => metadata.last = string(value).map(Into::into),
                "by" => by = string(value),
                "proof" => proof = string(value),
                _ => {}
            }
        }
        metadata.created = created?;
        metadata.by = by.map(|by| Box::new((by, proof.unwrap_or_default())));
        Some(metadata)
    }

    pub(crate) fn to_json(&self) -> String {
        let device = self.device.as_deref().unwrap_or_default();
        let mut json = String::with_capacity(160 + device.len());
        for (key, value) in [
            ("{\"created\":", Some(self.created)),
            (",\"deadline\":", self.deadline),
            (",\"renewed\":", self.renewed),
            (",\"login\":", self.login),
            (",\"remember\":", self.remember),
        ] {
            if let Some(value) = value {
                json.push_str(key);
                // Writing to a String cannot fail.
                let _ = write!(json, "{value}");
            }
        }
        if !device.is_empty() {
            json.push_str(",\"device\":");
            json.push_str(device);
        }
        let (by, proof) = self.by.as_deref().map_or((None, None), |(by, proof)| {
            (Some(by.as_str()), Some(proof.as_str()))
        });
        for (key, value) in [
            (",\"realm\":", self.realm.as_deref()),
            (",\"last\":", self.last.as_deref()),
            (",\"by\":", by),
            (",\"proof\":", proof),
        ] {
            if let Some(quoted) = value.and_then(|value| js::stringify(value).ok()) {
                json.push_str(key);
                json.push_str(&quoted);
            }
        }
        json.push('}');
        json
    }

    pub(crate) fn created(&self) -> Timestamp {
        Timestamp::from_millis(self.created)
    }

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.deadline.map(Timestamp::from_millis)
    }

    /// Returns the time at which its present id was generated.
    pub(crate) fn renewed(&self) -> Timestamp {
        Timestamp::from_millis(self.renewed.unwrap_or(self.created))
    }

    pub(crate) fn login(&self) -> Option<Timestamp> {
        self.login.map(Timestamp::from_millis)
    }

    pub(crate) fn device(&self) -> Option<LoginDevice> {
        let note: LoginDevice = serde_json::from_str(self.device.as_deref()?).ok()?;
        is_handle(&note.handle).then_some(note)
    }

    /// Returns the realm that the session belongs to.
    pub(crate) fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// Returns the keyed fingerprint of the user who signed in last.
    pub(crate) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    pub(crate) fn note_last(&mut self, fingerprint: Option<String>) {
        self.last = fingerprint.map(String::into_boxed_str);
    }

    /// Returns the impersonator, with a keyed fingerprint of both users.
    pub(crate) fn by(&self) -> Option<(&str, &str)> {
        let (by, proof) = self.by.as_deref()?;
        Some((by, proof))
    }

    pub(crate) fn note_by(&mut self, by: Option<(String, String)>) {
        self.by = by.map(Box::new);
    }

    /// Starts a new lifetime, as a login does (NIST SP 800-63B-4 §5.2); a changed id alone does not. The time
    /// of a remembered session starts again, too.
    pub(crate) fn begin(&mut self, now: Timestamp, deadline: Option<Timestamp>) {
        self.created = now.as_millis();
        self.deadline = deadline.map(Timestamp::as_millis);
        self.by = None;
        if let Some(timeout) = self.remembered() {
            self.remember(timeout);
        }
    }

    /// Returns the time for which the session is remembered, where it is.
    pub(crate) fn remembered(&self) -> Option<Duration> {
        self.remember?.try_into().ok().map(Duration::from_millis)
    }

    /// Gives the session an absolute time-out of its own, from its beginning.
    pub(crate) fn remember(&mut self, timeout: Duration) {
        self.remember = Some(length(timeout));
        self.deadline = Some(self.created().after(timeout).as_millis());
    }

    /// Returns the session to the policy's time-outs, from its next [`begin`](Self::begin) on.
    pub(crate) fn forget(&mut self) {
        self.remember = None;
    }

    pub(crate) fn note_login(&mut self, now: Timestamp, device: Option<&LoginDevice>) {
        self.login = Some(now.as_millis());
        self.device = device
            .and_then(|device| js::stringify(device).ok())
            .map(String::into_boxed_str);
    }

    pub(crate) fn renew(&mut self, now: Timestamp) {
        self.renewed = Some(now.as_millis());
    }
}

/// Returns a duration in milliseconds.
fn length(timeout: Duration) -> i64 {
    timeout.as_millis().try_into().unwrap_or(i64::MAX)
}

/// Returns `true` if pages may put a handle into a URL unescaped: another writer may have set it.
fn is_handle(handle: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&handle.len()) && handle.bytes().all(is_token)
}

/// Parses a JSON string; `None` for any other value, and for an empty string.
fn string(value: &str) -> Option<String> {
    super::user_keys::text(value).filter(|text| !text.is_empty())
}

/// Parses an integer, or `null`.
fn millis(value: &str) -> Result<Option<i64>, ParseIntError> {
    match value {
        "null" => Ok(None),
        value => value.parse().map(Some),
    }
}

#[cfg(test)]
mod tests;
