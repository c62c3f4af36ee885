//! The filter of sessions: the same conditions for a listing, a count, an export and an ending.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::manager::SessionSummary;
use crate::record::RecordText;

/// The conditions that sessions have to match; each narrows them, and none at all matches every session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Those of this user, by the store's index.
    pub user: Option<String>,
    /// Those that began this long ago, or longer; where a record tells.
    pub older: Option<Duration>,
    /// Those that were not used for this long.
    pub idle: Option<Duration>,
    /// Those that end within this time.
    pub expires_before: Option<Duration>,
    /// Those that signed in from a user agent with this text in it, in any case.
    pub agent: Option<String>,
    /// Those in whose record a key, or a path of keys with dots, has this value.
    pub conditions: Vec<(String, String)>,
    /// Those in which a user is signed in.
    pub signed_in: bool,
    /// Those of nobody.
    pub anonymous: bool,
    /// Those whose record cannot be read.
    pub unreadable: bool,
}

impl SessionFilter {
    /// Creates the filter of a user's sessions.
    pub fn of_user(user: impl Into<String>) -> Self {
        Self {
            user: Some(user.into()),
            ..Self::default()
        }
    }

    /// Returns `true` if every session matches.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Decides if a session matches; its user is the store's matter ([`SessionScan`](super::SessionScan)).
    pub fn matches(
        &self,
        session: &SessionSummary,
        text: Option<&RecordText>,
        now: SystemTime,
    ) -> bool {
        let before = |at: Option<SystemTime>, limit: Option<Duration>| match limit {
            None => true,
            Some(limit) => {
                at.is_some_and(|at| now.checked_sub(limit).is_some_and(|limit| at <= limit))
            }
        };
        let ends = |limit: Duration| {
            now.checked_add(limit)
                .is_some_and(|limit| session.expires <= limit)
        };
        let has = |(key, value): &(String, String)| {
            text.and_then(|text| SessionSummary::value_in(text, key))
                .is_some_and(|found| is(&found, value))
        };
        before(session.created, self.older)
            && before(session.last_seen, self.idle)
            && self.expires_before.is_none_or(ends)
            && self
                .agent
                .as_ref()
                .is_none_or(|text| has_agent(session, text))
            && self.conditions.iter().all(has)
            && !(self.signed_in && session.user.is_none())
            && !(self.anonymous && (session.user.is_some() || !session.is_readable))
            && !(self.unreadable && session.is_readable)
    }

    /// Returns the conditions as flags of `cloakroom sessions`, for the audit; values of keys are left out.
    pub fn words(&self) -> String {
        let time = |name: &str, time: Option<Duration>| {
            time.map(|time| format!("--{name} {}", humantime::format_duration(time)))
        };
        let flag = |name: &str, is_set: bool| is_set.then(|| format!("--{name}"));
        let words = [
            self.user.as_ref().map(|user| format!("--user {user}")),
            time("older", self.older),
            time("idle", self.idle),
            time("expires-before", self.expires_before),
            self.agent.as_ref().map(|agent| format!("--agent {agent}")),
            flag("signed-in", self.signed_in),
            flag("anonymous", self.anonymous),
            flag("unreadable", self.unreadable),
        ];
        let conditions = self
            .conditions
            .iter()
            .map(|(key, _)| format!("--where {key}=…"));
        let words: Vec<String> = words.into_iter().flatten().chain(conditions).collect();
        words.join(" ")
    }

    /// Parses a condition `KEY=VALUE`; `None` without a key.
    pub fn condition(text: &str) -> Option<(String, String)> {
        let (key, value) = text.split_once('=')?;
        (!key.is_empty()).then(|| (key.to_owned(), value.to_owned()))
    }
}

fn has_agent(session: &SessionSummary, text: &str) -> bool {
    let agent = session.user_agent.as_deref().unwrap_or_default();
    agent.to_lowercase().contains(&text.to_lowercase())
}

/// Returns `true` if a value of a record is the one that was typed: as JSON, or as a text.
fn is(found: &Value, typed: &str) -> bool {
    match found {
        Value::String(text) => text == typed,
        found => serde_json::from_str::<Value>(typed).is_ok_and(|typed| *found == typed),
    }
}
