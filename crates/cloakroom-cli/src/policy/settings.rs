//! The settings of a policy as they are written in a file, and the policy that they build.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use cloakroom::policy::{
    AtLimit, CachePolicy, CookieLife, DuplicateCookies, OnStoreError, PolicyBuilder, PolicyError,
    Priority, TrustedProxy, Unset,
};
use cloakroom::record::RecordLimit;
use cloakroom::{KeyRing, Policy, SameSite, Secure};
use serde::{Deserialize, Deserializer};

use crate::problem::Problem;

/// Longest file of settings, in bytes.
const LONGEST_FILE: u64 = 1 << 20;
/// A secret that no server has: the policy is only looked at.
const NO_SECRET: &str = "a policy that is only looked at needs one, too";

/// The settings that were given; the others are the library's. Names are those of the library's methods.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "express-session's options, as they are named"
)]
pub(super) struct Settings {
    pub(super) express: bool,
    pub(super) preset: Option<Preset>,
    pub(super) name: Option<String>,
    pub(super) idle_timeout: Option<Time>,
    /// Cookies that end with the browser; the time between two requests.
    pub(super) browser_session: Option<Time>,
    /// `"none"`: sessions that are used live for ever.
    pub(super) absolute_timeout: Option<Time>,
    pub(super) renewal_timeout: Option<Time>,
    pub(super) touch_after: Option<Time>,
    pub(super) store_timeout: Option<Time>,
    pub(super) remember_at_most: Option<Time>,
    pub(super) secure: Option<Named<Secure>>,
    pub(super) same_site: Option<Named<SameSite>>,
    pub(super) http_only: Option<bool>,
    pub(super) path: Option<String>,
    pub(super) match_path: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) priority: Option<Named<Priority>>,
    pub(super) partitioned: bool,
    pub(super) rolling: bool,
    pub(super) resave: bool,
    pub(super) save_uninitialized: bool,
    pub(super) unset: Option<Named<Unset>>,
    pub(super) trusted_proxy: Vec<String>,
    pub(super) cookie_life: Option<Named<CookieLife>>,
    pub(super) duplicate_cookies: Option<Named<DuplicateCookies>>,
    pub(super) on_store_error: Option<Named<OnStoreError>>,
    pub(super) cache: Option<Named<CachePolicy>>,
    pub(super) clear_cookie_on_destroy: Option<bool>,
    pub(super) hash_ids_at_rest: bool,
    pub(super) record_limit_bytes: Option<usize>,
    pub(super) record_limit_keys: Option<usize>,
    pub(super) record_limit_depth: Option<usize>,
    pub(super) user_keys: Option<Vec<String>>,
    pub(super) note_devices: Option<bool>,
    pub(super) clear_on_login: bool,
    pub(super) max_sessions: Option<usize>,
    /// The outcome of a login beyond `max_sessions`.
    pub(super) at_limit: Option<Named<AtLimit>>,
    pub(super) realm: Option<String>,
    pub(super) no_realm: bool,
}

/// Time-outs of NIST SP 800-63B-4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Preset {
    Aal1,
    Aal2,
    Aal3,
}

/// A length of time: text with units, or seconds, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Option<Duration>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Seconds(u64),
        }
        match Written::deserialize(deserializer)? {
            Written::Seconds(seconds) => Ok(Self(Some(Duration::from_secs(seconds)))),
            Written::Text(text) if text == "none" => Ok(Self(None)),
            Written::Text(text) => match humantime::parse_duration(&text) {
                Ok(time) => Ok(Self(Some(time))),
                Err(_) => Err(serde::de::Error::custom(
                    "a time is a number with its unit, such as \"30m\", \"24h\", or \"none\"",
                )),
            },
        }
    }
}

/// A setting with a name for each of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<T>(pub(super) T);

/// The names of a setting's values.
pub(super) trait Names: Sized + Copy + PartialEq + 'static {
    const NAMES: &'static [(&'static str, Self)];
}

impl<'de, T: Names> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let found = T::NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&text));
        found.map(|(_, value)| Self(*value)).ok_or_else(|| {
            let names: Vec<&str> = T::NAMES.iter().map(|(name, _)| *name).collect();
            serde::de::Error::custom(format!("\"{text}\" is none of {}", names.join(", ")))
        })
    }
}

macro_rules! names {
    ($($of:ty: $($name:literal = $value:expr),+;)+) => {$(
        impl Names for $of {
            const NAMES: &'static [(&'static str, Self)] = &[$(($name, $value)),+];
        }
    )+};
}

names! {
    Secure: "always" = Secure::Always, "auto" = Secure::Auto, "never" = Secure::Never;
    SameSite: "strict" = SameSite::Strict, "lax" = SameSite::Lax, "none" = SameSite::None,
        "auto" = SameSite::Auto, "unset" = SameSite::Unset;
    Priority: "low" = Priority::Low, "medium" = Priority::Medium, "high" = Priority::High;
    Unset: "keep" = Unset::Keep, "destroy" = Unset::Destroy;
    CookieLife: "session" = CookieLife::Session, "express" = CookieLife::Express;
    DuplicateCookies: "first" = DuplicateCookies::First, "reject" = DuplicateCookies::Reject;
    OnStoreError: "unavailable" = OnStoreError::Unavailable, "anonymous" = OnStoreError::Anonymous;
    CachePolicy: "no_store" = CachePolicy::NoStore, "private" = CachePolicy::Private,
        "untouched" = CachePolicy::Untouched;
    AtLimit: "end_oldest" = AtLimit::EndOldest, "refuse" = AtLimit::Refuse;
}

impl Settings {
    /// Reads a file and the settings that go before it.
    ///
    /// # Errors
    ///
    /// A usage error in one line that names the setting.
    pub(super) fn read(file: Option<&Path>, set: &[String]) -> Result<Self, Problem> {
        let mut table = match file {
            Some(path) => parse(&text_of(path)?, &path.display().to_string())?,
            None => toml::Table::new(),
        };
        for setting in set {
            let (name, value) = setting.split_once('=').ok_or_else(|| {
                Problem::usage(format!(
                    "--set {setting}: write NAME=VALUE, as idle_timeout=30m"
                ))
            })?;
            table.insert(name.trim().to_owned(), value_of(value.trim()));
        }
        Self::of(table)
    }

    fn of(table: toml::Table) -> Result<Self, Problem> {
        table.try_into().map_err(|error: toml::de::Error| {
            let message = error.message().replace('\n', " ");
            Problem::usage(format!(
                "the settings cannot be read: {message}; `cloakroom policy describe` has their names"
            ))
        })
    }

    /// Builds the policy.
    ///
    /// # Errors
    ///
    /// The library's own, for settings that contradict each other.
    pub(super) fn build(&self) -> Result<Policy, PolicyError> {
        let keys = KeyRing::new(NO_SECRET).expect("it is long enough");
        let builder = if self.express {
            Policy::express(keys)
        } else {
            Policy::builder(keys)
        };
        let builder = self.times(builder);
        let builder = self.cookie(builder);
        self.sessions(builder).build()
    }

    fn times(&self, mut builder: PolicyBuilder) -> PolicyBuilder {
        builder = match self.preset {
            Some(Preset::Aal1) => builder.aal1(),
            Some(Preset::Aal2) => builder.aal2(),
            Some(Preset::Aal3) => builder.aal3(),
            None => builder,
        };
        builder = match self.absolute_timeout {
            Some(Time(Some(timeout))) => builder.absolute_timeout(timeout),
            Some(Time(None)) => builder.no_absolute_timeout(),
            None => builder,
        };
        builder = set(
            builder,
            time(self.idle_timeout),
            PolicyBuilder::idle_timeout,
        );
        builder = set(
            builder,
            time(self.browser_session),
            PolicyBuilder::browser_session,
        );
        builder = set(
            builder,
            time(self.renewal_timeout),
            PolicyBuilder::renewal_timeout,
        );
        builder = set(builder, time(self.touch_after), PolicyBuilder::touch_after);
        builder = set(
            builder,
            time(self.store_timeout),
            PolicyBuilder::store_timeout,
        );
        set(
            builder,
            time(self.remember_at_most),
            PolicyBuilder::remember_at_most,
        )
    }

    fn cookie(&self, mut builder: PolicyBuilder) -> PolicyBuilder {
        builder = set(builder, self.name.as_deref(), PolicyBuilder::name);
        builder = set(builder, named(self.secure), PolicyBuilder::secure);
        builder = set(builder, named(self.same_site), PolicyBuilder::same_site);
        builder = set(builder, self.http_only, PolicyBuilder::http_only);
        builder = set(builder, self.path.as_deref(), PolicyBuilder::path);
        builder = set(
            builder,
            self.match_path.as_deref(),
            PolicyBuilder::match_path,
        );
        builder = set(builder, self.domain.as_deref(), PolicyBuilder::domain);
        builder = set(builder, named(self.priority), PolicyBuilder::priority);
        builder = set(builder, named(self.cookie_life), PolicyBuilder::cookie_life);
        builder = set(
            builder,
            named(self.duplicate_cookies),
            PolicyBuilder::duplicate_cookies,
        );
        builder = set(builder, named(self.cache), PolicyBuilder::cache);
        builder.partitioned(self.partitioned).rolling(self.rolling)
    }

    fn sessions(&self, mut builder: PolicyBuilder) -> PolicyBuilder {
        builder = set(builder, named(self.unset), PolicyBuilder::unset);
        builder = set(
            builder,
            named(self.on_store_error),
            PolicyBuilder::on_store_error,
        );
        builder = set(
            builder,
            self.clear_cookie_on_destroy,
            PolicyBuilder::clear_cookie_on_destroy,
        );
        builder = set(builder, self.note_devices, PolicyBuilder::note_devices);
        builder = set(builder, self.user_keys.clone(), PolicyBuilder::user_keys);
        builder = set(builder, self.realm.clone(), PolicyBuilder::realm);
        let proxies = self.trusted_proxy.iter().map(String::as_str);
        if let Ok(proxies) = TrustedProxy::networks(proxies)
            && !self.trusted_proxy.is_empty()
        {
            builder = builder.trusted_proxy(proxies);
        }
        if let Some(limit) = self.record_limit() {
            builder = builder.record_limit(limit);
        }
        if let Some(most) = self.max_sessions {
            builder =
                builder.max_sessions(most, named(self.at_limit).unwrap_or(AtLimit::EndOldest));
        }
        if self.no_realm {
            builder = builder.no_realm();
        }
        builder
            .resave(self.resave)
            .save_uninitialized(self.save_uninitialized)
            .hash_ids_at_rest(self.hash_ids_at_rest)
            .clear_on_login(self.clear_on_login)
    }
}

impl Settings {
    /// Returns the limit of records, if any part of it was given.
    fn record_limit(&self) -> Option<RecordLimit> {
        let (bytes, keys, depth) = (
            self.record_limit_bytes,
            self.record_limit_keys,
            self.record_limit_depth,
        );
        let default = RecordLimit::default();
        bytes.or(keys).or(depth).map(|_| RecordLimit {
            bytes: bytes.unwrap_or(default.bytes),
            keys: keys.unwrap_or(default.keys),
            depth: depth.unwrap_or(default.depth),
        })
    }
}

fn time(time: Option<Time>) -> Option<Duration> {
    time.and_then(|time| time.0)
}

fn named<T>(named: Option<Named<T>>) -> Option<T> {
    named.map(|named| named.0)
}

/// Applies a setting that was given.
fn set<T>(
    builder: PolicyBuilder,
    value: Option<T>,
    apply: impl FnOnce(PolicyBuilder, T) -> PolicyBuilder,
) -> PolicyBuilder {
    match value {
        Some(value) => apply(builder, value),
        None => builder,
    }
}

/// Reads a value of the command line: TOML, or a bare word as text.
fn value_of(text: &str) -> toml::Value {
    let parsed = format!("value = {text}").parse::<toml::Table>();
    let value = parsed.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn parse(text: &str, name: &str) -> Result<toml::Table, Problem> {
    text.parse::<toml::Table>().map_err(|error| {
        let line = error.span().map_or(1, |span| {
            text[..span.start.min(text.len())].lines().count().max(1)
        });
        let message = error.message().replace('\n', " ");
        Problem::usage(format!(
            "{name}, line {line}, is no TOML ({message}): write for example idle_timeout = \"30m\""
        ))
    })
}

fn text_of(path: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin()
            .take(LONGEST_FILE)
            .read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Problem::failed(format!(
            "{} cannot be read ({error}): give a TOML file of settings",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Settings, Time};

    fn read(set: &[&str]) -> Result<Settings, String> {
        let set: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
        Settings::read(None, &set).map_err(|problem| problem.message().to_owned())
    }

    #[test]
    fn settings_are_read_from_files_and_flags_and_flags_go_before() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "idle_timeout = \"30m\"\nname = \"sid\"\nuser_keys = [\"uid\"]\n",
        )
        .unwrap();
        let settings = Settings::read(Some(file.path()), &["idle_timeout=1h".to_owned()]).unwrap();
        assert_eq!(
            settings.idle_timeout,
            Some(Time(Some(Duration::from_hours(1))))
        );
        assert_eq!(settings.name.as_deref(), Some("sid"));
        assert_eq!(settings.user_keys.as_deref(), Some(&["uid".to_owned()][..]));
        assert!(settings.build().is_ok());
        let none = read(&[
            "absolute_timeout=none",
            "touch_after=0",
            "rolling=true",
            "secure=auto",
        ]);
        assert!(none.unwrap().build().is_ok());
    }

    #[test]
    fn a_setting_that_cannot_be_read_is_named_in_one_line() {
        for (set, part) in [
            (&["idle_timeuot=1h"][..], "idle_timeuot"),
            (&["idle_timeout=soon"], "unit"),
            (&["secure=yes"], "always, auto, never"),
            (&["rolling"], "NAME=VALUE"),
            (&["rolling=maybe"], "boolean"),
        ] {
            let said = read(set).unwrap_err();
            assert!(said.contains(part) && !said.contains('\n'), "{said}");
        }
    }

    #[test]
    fn a_file_that_is_no_toml_names_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "rolling = true\nidle_timeout = 30m\n").unwrap();
        let problem = Settings::read(Some(file.path()), &[]).err().unwrap();
        assert!(
            problem.message().contains("line 2"),
            "{}",
            problem.message()
        );
    }
}
