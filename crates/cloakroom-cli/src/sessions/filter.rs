//! The filter of sessions: the same flags for a listing, a count, an export and an ending.

use std::time::{Duration, SystemTime};

use cloakroom::manager::SessionSummary;
use cloakroom::record::RecordText;
use serde_json::Value;

/// The conditions that sessions have to match; each flag narrows them.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct Filter {
    /// Those of this user
    #[arg(long, value_name = "USER")]
    pub(super) user: Option<String>,

    /// Those that began this long ago, or longer: `3d`, `12h`; where a record tells
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) older: Option<Duration>,

    /// Those that were not used for this long
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) idle: Option<Duration>,

    /// Those that end within this time
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) expires_before: Option<Duration>,

    /// Those that signed in from a user agent with this text in it
    #[arg(long, value_name = "TEXT")]
    pub(super) agent: Option<String>,

    /// Those in whose record a key, or a path of keys with dots, has this value; repeatable
    #[arg(long = "where", value_name = "KEY=VALUE", value_parser = condition)]
    pub(super) conditions: Vec<(String, String)>,

    /// Those of nobody
    #[arg(long, conflicts_with = "user")]
    pub(super) anonymous: bool,

    /// Those whose record cannot be read
    #[arg(long, conflicts_with_all = ["user", "anonymous", "agent", "conditions"])]
    pub(super) unreadable: bool,
}

fn condition(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, such as role=admin"),
    }
}

impl Filter {
    /// Returns `true` if every session matches.
    pub(super) fn is_empty(&self) -> bool {
        self.words().is_empty()
    }

    /// Decides if a session matches.
    pub(super) fn matches(
        &self,
        session: &SessionSummary,
        text: Option<&RecordText>,
        now: SystemTime,
    ) -> bool {
        let ago = |limit: Duration| now.checked_sub(limit);
        let before = |at: Option<SystemTime>, limit: Option<Duration>| match limit {
            None => true,
            Some(limit) => at.is_some_and(|at| ago(limit).is_some_and(|limit| at <= limit)),
        };
        let ends = |limit: Duration| {
            now.checked_add(limit)
                .is_some_and(|limit| session.expires <= limit)
        };
        let agent = session
            .user_agent
            .as_deref()
            .unwrap_or_default()
            .to_lowercase();
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
                .is_none_or(|text| agent.contains(&text.to_lowercase()))
            && self.conditions.iter().all(has)
            && !(self.anonymous && (session.user.is_some() || !session.is_readable))
            && !(self.unreadable && session.is_readable)
    }

    /// Returns the flags as they were typed, for the audit; values of keys are left out.
    pub(super) fn words(&self) -> String {
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
            flag("anonymous", self.anonymous),
            flag("unreadable", self.unreadable),
        ];
        let conditions = self
            .conditions
            .iter()
            .map(|(key, _)| format!("--where {key}=…"));
        words
            .into_iter()
            .flatten()
            .chain(conditions)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// Returns `true` if a value of a record is the one that was typed: as JSON, or as a text.
fn is(found: &Value, typed: &str) -> bool {
    match found {
        Value::String(text) => text == typed,
        found => serde_json::from_str::<Value>(typed).is_ok_and(|typed| *found == typed),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use clap::Parser;
    use cloakroom::manager::SessionSummary;
    use cloakroom::record::{StoredRecord, UserKeys};
    use cloakroom::{KeyRing, SessionId};

    use super::Filter;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        filter: Filter,
    }

    #[test]
    fn each_flag_narrows() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let text = r#"{"cookie":{"originalMaxAge":3600000},"userId":"7","role":"admin","n":1,"a":{"b":true},
            "_ck":{"created":990000000,"device":{"handle":"h","agent":"Mozilla/5.0 Firefox/140"}}}"#;
        let stored = StoredRecord {
            text: text.into(),
            // Used 600 s ago.
            expires: (now + Duration::from_mins(50)).into(),
        };
        let secrets = KeyRing::new("a secret that is long enough for a ring 7").unwrap();
        let id = SessionId::from_store("id");
        let session =
            SessionSummary::of(&secrets, &UserKeys::default(), &id, &stored, now).unwrap();
        #[rustfmt::skip]
        let table = [
            ("", true), ("--older 2h", true), ("--older 3h", false), ("--idle 10m", true), ("--idle 11m", false),
            ("--expires-before 50m", true), ("--expires-before 49m", false), ("--agent firefox", true),
            ("--agent chrome", false), ("--where role=admin", true), ("--where role=Admin", false),
            ("--where n=1", true), ("--where n=2", false), ("--where a.b=true", true), ("--where a.c=true", false),
            ("--where role=admin --where n=2", false), ("--anonymous", false), ("--unreadable", false),
        ];
        for (flags, expected) in table {
            let typed = std::iter::once("x").chain(flags.split_whitespace());
            let filter = Typed::parse_from(typed).filter;
            assert_eq!(
                filter.matches(&session, Some(&stored.text), now),
                expected,
                "{flags}"
            );
            assert_eq!(filter.is_empty(), flags.is_empty());
            assert!(!filter.words().contains("admin"), "{}", filter.words());
        }
        for wrong in [
            "--where role",
            "--where =x",
            "--older soon",
            "--anonymous --user 7",
        ] {
            let typed = std::iter::once("x").chain(wrong.split_whitespace());
            assert!(Typed::try_parse_from(typed).is_err(), "{wrong}");
        }
    }
}
