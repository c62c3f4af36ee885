//! The filter of sessions: the same flags for a listing, a count, an export and an ending.

use std::time::Duration;

use cloakroom::manager::SessionFilter;

/// The conditions that sessions have to match; each flag narrows them.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct Filter {
    /// Those of this user
    #[arg(long, help_heading = "Filter", value_name = "USER")]
    pub(super) user: Option<String>,

    /// Those that began this long ago, or longer: `3d`, `12h`; where a record tells
    #[arg(long, help_heading = "Filter", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) older: Option<Duration>,

    /// Those that were not used for this long
    #[arg(long, help_heading = "Filter", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) idle: Option<Duration>,

    /// Those that end within this time
    #[arg(long, help_heading = "Filter", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) expires_before: Option<Duration>,

    /// Those that signed in from a user agent with this text in it
    #[arg(long, help_heading = "Filter", value_name = "TEXT")]
    pub(super) agent: Option<String>,

    /// Those in whose record a key, or a path of keys with dots, has this value; repeatable
    #[arg(long = "where", help_heading = "Filter", value_name = "KEY=VALUE", value_parser = condition)]
    pub(super) conditions: Vec<(String, String)>,

    /// Those in which a user is signed in
    #[arg(long, help_heading = "Filter", conflicts_with_all = ["anonymous", "unreadable"])]
    pub(super) signed_in: bool,

    /// Those of nobody
    #[arg(long, help_heading = "Filter", conflicts_with = "user")]
    pub(super) anonymous: bool,

    /// Those whose record cannot be read
    #[arg(long, help_heading = "Filter", conflicts_with_all = ["user", "anonymous", "agent", "conditions"])]
    pub(super) unreadable: bool,
}

fn condition(text: &str) -> Result<(String, String), &'static str> {
    SessionFilter::condition(text).ok_or("write KEY=VALUE, such as role=admin")
}

impl Filter {
    /// Creates the filter of a user's sessions.
    pub(super) fn of_user(user: &str) -> Self {
        Self {
            user: Some(user.to_owned()),
            ..Self::default()
        }
    }

    /// Returns the conditions.
    pub(super) fn of(&self) -> SessionFilter {
        SessionFilter {
            user: self.user.clone(),
            older: self.older,
            idle: self.idle,
            expires_before: self.expires_before,
            agent: self.agent.clone(),
            conditions: self.conditions.clone(),
            signed_in: self.signed_in,
            anonymous: self.anonymous,
            unreadable: self.unreadable,
        }
    }

    /// Returns `true` if every session matches.
    pub(super) fn is_empty(&self) -> bool {
        self.of().is_empty()
    }

    /// Returns the flags as they were typed, for the audit; values of keys are left out.
    pub(super) fn words(&self) -> String {
        self.of().words()
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
            ("--where role=admin --where n=2", false), ("--anonymous", false), ("--signed-in", true), ("--unreadable", false),
        ];
        for (flags, expected) in table {
            let typed = std::iter::once("x").chain(flags.split_whitespace());
            let filter = Typed::parse_from(typed).filter;
            assert_eq!(
                filter.of().matches(&session, Some(&stored.text), now),
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
