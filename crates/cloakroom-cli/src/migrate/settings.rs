//! The flags of `cloakroom migrate`, and what they come to.

use std::path::PathBuf;
use std::time::Duration;

use cloakroom::store::{AnyStore, StoreOptions};

use crate::problem::Problem;

/// The flags; without `Debug`, because a URL may hold a password.
#[derive(clap::Args)]
#[command(
    after_help = "A command that was killed goes on where it was: run it again with the same FROM, TO and --state.\n\
Exit codes: 0 all sessions are moved; 1 it could not be carried out; 2 the command was typed wrongly; 4 done, \
with sessions that were not moved."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct MigrateOptions {
    /// Store to move sessions from: sqlite:PATH, redis://…, postgres://…, mongodb://…
    ///
    /// `CLOAKROOM_FROM` and `CLOAKROOM_TO` are the better place for URLs with passwords: other users of the machine
    /// can see what is typed.
    #[arg(value_name = "FROM", env = "CLOAKROOM_FROM", hide_env_values = true)]
    pub(super) from: Option<String>,

    /// Store to move them to; a table or file that is missing is created
    #[arg(value_name = "TO", env = "CLOAKROOM_TO", hide_env_values = true)]
    pub(super) to: Option<String>,

    /// Keep the target up to date until the cut-over: Enter, or SIGUSR1
    #[arg(long)]
    pub(super) follow: bool,

    /// Make the last pass now: the target serves, and the command was killed while it followed
    #[arg(long, conflicts_with = "follow")]
    pub(super) cutover: bool,

    /// Journal of the move, a file of its owner's alone
    #[arg(long, value_name = "PATH", default_value = "cloakroom-migrate.db")]
    pub(super) state: PathBuf,

    /// File of the sessions that were not moved: handle and reason [default: the journal's path and `.rejects`]
    #[arg(long, value_name = "PATH")]
    pub(super) rejects: Option<PathBuf>,

    /// Treat sessions without an end so: `keep`, `skip`, or the life that they get, such as `24h`
    #[arg(long, value_name = "LIFE", default_value = "keep", value_parser = endless)]
    pub(super) endless: Endless,

    /// Ids at the target: `same`, or `hash` where its application hashes ids at rest and the source's does not
    #[arg(long, value_name = "FORM", default_value = "same", value_parser = ids)]
    pub(super) ids: Ids,

    /// Read so many sessions a second at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rate: Option<u32>,

    /// Write so many sessions at the same time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: u16,

    /// Be ready once a pass moves less than this share of all sessions
    #[arg(long, value_name = "SHARE", default_value = "0.01%", value_parser = share)]
    pub(super) settle: f64,

    /// Compare both stores at the end, or before the switch with --follow: all sessions, or a share of them
    #[arg(long, value_name = "SAMPLE", num_args = 0..=1, require_equals = true, default_missing_value = "100%",
          value_parser = share)]
    pub(super) verify: Option<f64>,

    /// Read the source, count what would be moved, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Move into a store that has sessions already
    #[arg(long)]
    pub(super) merge: bool,

    /// End so many sessions in a pass, if so many are gone at the source [default: 100, or a tenth of all]
    #[arg(long, value_name = "N")]
    allow_ends: Option<u64>,

    /// Print JSON on a terminal as well
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    names: Names,

    /// Keys under which a session names its user, by comma [default: userId,passport.user]
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    pub(super) user_keys: Vec<String>,

    /// A file of the secrets whose handles are written, one a line, the newest first
    /// [default: the environment's `SESSION_SECRET`]
    #[arg(long, value_name = "FILE", env = "SESSION_SECRET_FILE")]
    pub(super) secret_file: Option<PathBuf>,

    /// A file to which the act is appended, a line of JSON [default: standard error]
    #[arg(long, value_name = "FILE", env = "CLOAKROOM_AUDIT")]
    pub(super) audit: Option<PathBuf>,

    /// The reason of the act, for the audit
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

/// The options of both stores that their URLs do not carry.
#[derive(clap::Args)]
struct Names {
    /// Prefix of the source's keys in Redis [default: sess:]
    #[arg(long, value_name = "PREFIX")]
    from_prefix: Option<String>,
    /// Source's table in PostgreSQL, collection in MongoDB [default: session, sessions]
    #[arg(long, value_name = "NAME")]
    from_table: Option<String>,
    /// Schema of the source's table in PostgreSQL
    #[arg(long, value_name = "NAME")]
    from_schema: Option<String>,
    /// Express writes to the source as well
    #[arg(long)]
    from_mixed_fleet: bool,
    /// Prefix of the target's keys in Redis [default: sess:]
    #[arg(long, value_name = "PREFIX")]
    to_prefix: Option<String>,
    /// Target's table in PostgreSQL, collection in MongoDB [default: session, sessions]
    #[arg(long, value_name = "NAME")]
    to_table: Option<String>,
    /// Schema of the target's table in PostgreSQL
    #[arg(long, value_name = "NAME")]
    to_schema: Option<String>,
    /// Express writes to the target as well
    #[arg(long)]
    to_mixed_fleet: bool,
}

/// The treatment of sessions without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endless {
    Keep,
    Skip,
    For(Duration),
}

/// The form of ids at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    Same,
    Hash,
}

/// The settings of a pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) endless: Endless,
    pub(super) ids: Ids,
    pub(super) rate: Option<u32>,
    pub(super) in_flight: usize,
    pub(super) allow_ends: Option<u64>,
}

/// One end of the move, as it was typed.
pub(super) struct Place<'a> {
    pub(super) url: &'a str,
    pub(super) options: StoreOptions,
}

impl MigrateOptions {
    pub(super) fn settings(&self) -> Settings {
        Settings {
            endless: self.endless,
            ids: self.ids,
            rate: self.rate,
            in_flight: usize::from(self.in_flight),
            allow_ends: self.allow_ends,
        }
    }

    /// Returns source and target.
    ///
    /// # Errors
    ///
    /// A usage error if one is missing, or both are one.
    pub(super) fn places(&self) -> Result<(Place<'_>, Place<'_>), Problem> {
        let names = &self.names;
        let options = |prefix: &Option<String>, table: &Option<String>, schema: &Option<String>| {
            let mut options = StoreOptions::new();
            options.prefix.clone_from(prefix);
            options.table.clone_from(table);
            options.schema.clone_from(schema);
            options
        };
        let from = options(&names.from_prefix, &names.from_table, &names.from_schema);
        let to = options(&names.to_prefix, &names.to_table, &names.to_schema);
        let from = Place {
            url: typed(self.from.as_deref(), "FROM")?,
            options: from.must_exist(true).mixed_fleet(names.from_mixed_fleet),
        };
        let to = Place {
            url: typed(self.to.as_deref(), "TO")?,
            options: to.mixed_fleet(names.to_mixed_fleet),
        };
        if from.identity() == to.identity() {
            let mend = "give another URL, or another --to-prefix or --to-table";
            return Err(Problem::usage(format!(
                "FROM and TO are the same store: {mend}"
            )));
        }
        Ok((from, to))
    }
}

fn typed<'a>(url: Option<&'a str>, name: &str) -> Result<&'a str, Problem> {
    let url = url.ok_or_else(|| {
        let known = AnyStore::SCHEMES[1..].join(", ");
        Problem::usage(format!(
            "{name} is missing: give a URL or set CLOAKROOM_{name}, one of {known}"
        ))
    })?;
    if url.contains("near=") {
        return Err(Problem::usage(format!(
            "{name} has a near cache: leave `near` out of its URL"
        )));
    }
    Ok(url)
}

impl Place<'_> {
    /// Returns a text that is the same for one store, whatever its password: for a digest, never to be shown.
    pub(super) fn identity(&self) -> String {
        let StoreOptions {
            prefix,
            table,
            schema,
            ..
        } = &self.options;
        format!(
            "{}\u{1f}{prefix:?}\u{1f}{table:?}\u{1f}{schema:?}",
            without_login(self.url)
        )
    }
}

/// Returns a URL without user and password, which change while a store stays.
fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let place = before.rsplit_once('@').map_or(before, |(_, place)| place);
    let place = place.trim_end_matches('/');
    let kept = query.split('&').filter(|pair| {
        !pair.is_empty() && !pair.starts_with("password=") && !pair.starts_with("user=")
    });
    let kept: Vec<&str> = kept.collect();
    format!("{scheme}://{place}?{}", kept.join("&"))
}

fn endless(text: &str) -> Result<Endless, String> {
    match text {
        "keep" => Ok(Endless::Keep),
        "skip" => Ok(Endless::Skip),
        text => humantime::parse_duration(text)
            .ok()
            .filter(|life| !life.is_zero())
            .map(Endless::For)
            .ok_or_else(|| "write keep, skip, or a time such as 24h".to_owned()),
    }
}

fn ids(text: &str) -> Result<Ids, String> {
    match text {
        "same" => Ok(Ids::Same),
        "hash" => Ok(Ids::Hash),
        "plain" => Err(
            "ids that are hashed at rest cannot be turned back: let the target's application hash ids as well, and write same"
                .to_owned(),
        ),
        _ => Err("write same or hash".to_owned()),
    }
}

/// Parses a share: `0.01%`, `100%`.
fn share(text: &str) -> Result<f64, String> {
    let number = text
        .strip_suffix('%')
        .and_then(|text| text.trim().parse::<f64>().ok());
    number
        .filter(|number| (0.0..=100.0).contains(number))
        .map(|number| number / 100.0)
        .ok_or_else(|| "write a share from 0% to 100%, such as 0.01%".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Endless, endless, ids, share, without_login};

    #[test]
    fn shares_and_lives_are_read_or_refused_with_an_example() {
        for (text, expected) in [
            ("100%", Some(1.0)),
            ("0.01%", Some(0.0001)),
            ("5 %", Some(0.05)),
        ] {
            assert_eq!(share(text).ok(), expected, "{text}");
        }
        for text in ["", "5", "101%", "-1%", "x%", "NaN%"] {
            assert!(share(text).unwrap_err().contains("such as"), "{text}");
        }
        assert_eq!(endless("keep"), Ok(Endless::Keep));
        assert_eq!(endless("24h"), Ok(Endless::For(Duration::from_hours(24))));
        for text in ["", "0s", "soon"] {
            assert!(endless(text).unwrap_err().contains("24h"), "{text}");
        }
        assert!(ids("plain").unwrap_err().contains("cannot be turned back"));
    }

    #[test]
    fn a_store_is_known_by_its_place_and_not_by_its_password() {
        #[rustfmt::skip]
        let table = [
            ("redis://h:1/0",                  "redis://user:a@b@h:1/0",             true),
            ("redis://h:1/0",                  "redis://h:1/1",                      false),
            ("postgres://u:one@h/d",           "postgres://u:two@h/d",               true),
            ("postgres://h/d?sslmode=require", "postgres://h/d?password=x&sslmode=require", true),
            ("postgres:///d?host=/a",          "postgres:///d?host=/b",              false),
            ("sqlite:/a",                      "sqlite:/b",                          false),
        ];
        for (one, other, same) in table {
            let [one, other] = [one, other].map(without_login);
            assert_eq!(one == other, same, "{one} {other}");
            assert!(!other.contains("two") && !other.contains("password"));
        }
    }
}
