//! A Set-Cookie field as browsers parse it (RFC 6265bis §5.6), with what they leave out.

use std::time::{Duration, SystemTime};

/// The most bytes of an attribute's value; an attribute with a longer one counts as absent (§5.6).
const MAX_ATTRIBUTE: usize = 1024;
/// Attributes that user agents know.
const KNOWN: [&str; 9] = [
    "domain",
    "path",
    "expires",
    "max-age",
    "secure",
    "httponly",
    "samesite",
    "partitioned",
    "priority",
];

/// `SameSite` as it is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SameSite {
    /// Absent, or with a value that is not known.
    Unset,
    None,
    Lax,
    Strict,
}

/// A cookie as its field states it; the value is never printed.
#[derive(Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the attributes that have no value"
)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: String,
    /// `true` if a control character makes browsers refuse the whole field; Chromium refuses a tab within
    /// name and value as well.
    pub(super) has_control: bool,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) partitioned: bool,
    /// The Domain as it is written; empty counts as absent.
    pub(super) domain: Option<String>,
    /// The Path as it is written.
    pub(super) path: Option<String>,
    pub(super) same_site: SameSite,
    /// A value of `SameSite` that browsers do not know.
    pub(super) misspelt: Option<String>,
    /// Seconds of Max-Age.
    pub(super) max_age: Option<i64>,
    pub(super) expires: Option<SystemTime>,
    /// Attributes of time that could not be read.
    pub(super) unreadable: Vec<&'static str>,
    /// Attributes whose values are too long.
    pub(super) too_long: Vec<String>,
    /// Attributes that no browser knows.
    pub(super) unknown: Vec<String>,
}

impl Field {
    /// Parses the text behind `Set-Cookie:`; every text is a field.
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = text.split(';');
        let (name, value) = pair(parts.next().unwrap_or_default());
        let is_control = |c: char| c.is_ascii_control() && c != '\t';
        let mut field = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            has_control: text.contains(is_control) || name.contains('\t') || value.contains('\t'),
            secure: false,
            http_only: false,
            partitioned: false,
            domain: None,
            path: None,
            same_site: SameSite::Unset,
            misspelt: None,
            max_age: None,
            expires: None,
            unreadable: Vec::new(),
            too_long: Vec::new(),
            unknown: Vec::new(),
        };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            field.set(trim(name), trim(value));
        }
        field
    }

    /// Takes an attribute; the last of a name counts.
    fn set(&mut self, name: &str, value: &str) {
        let known = name.to_ascii_lowercase();
        if value.len() > MAX_ATTRIBUTE && KNOWN.contains(&known.as_str()) {
            self.too_long.push(name.to_owned());
            return;
        }
        match known.as_str() {
            "secure" => self.secure = true,
            "httponly" => self.http_only = true,
            "partitioned" => self.partitioned = true,
            "domain" => self.domain = Some(value.to_owned()),
            "path" => self.path = Some(value.to_owned()),
            "samesite" => self.set_same_site(value),
            "max-age" => match seconds(value) {
                Some(seconds) => self.max_age = Some(seconds),
                None => self.unreadable.push("Max-Age"),
            },
            "expires" => match date(value) {
                Some(date) => self.expires = Some(date),
                None => self.unreadable.push("Expires"),
            },
            "priority" | "" => {}
            _ => self.unknown.push(name.to_owned()),
        }
    }

    fn set_same_site(&mut self, value: &str) {
        let known = [
            ("strict", SameSite::Strict),
            ("lax", SameSite::Lax),
            ("none", SameSite::None),
        ];
        let found = known
            .iter()
            .find(|(name, _)| value.eq_ignore_ascii_case(name));
        self.misspelt = found.is_none().then(|| value.to_owned());
        self.same_site = found.map_or(SameSite::Unset, |(_, same_site)| *same_site);
    }

    /// Returns the Domain without its dot, in lower case; `None` where it is absent or empty.
    pub(super) fn bare_domain(&self) -> Option<String> {
        let domain = self.domain.as_deref()?;
        let domain = domain.strip_prefix('.').unwrap_or(domain);
        (!domain.is_empty()).then(|| domain.to_ascii_lowercase())
    }

    /// Returns the Path that counts: one that begins with a slash.
    pub(super) fn own_path(&self) -> Option<&str> {
        self.path.as_deref().filter(|path| path.starts_with('/'))
    }

    /// Returns the prefix of the name, compared without regard to case (§5.7, step 20).
    pub(super) fn prefix(&self) -> Option<&'static str> {
        prefix_of(&self.name)
    }

    /// Returns the time after its arrival at which it ends: `None` when the browser is closed, zero for one
    /// that is deleted.
    pub(super) fn life(&self, now: SystemTime) -> Option<Duration> {
        if let Some(seconds) = self.max_age {
            return Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        }
        let expires = self.expires?;
        Some(expires.duration_since(now).unwrap_or(Duration::ZERO))
    }
}

/// Returns the prefix that a text begins with.
pub(super) fn prefix_of(name: &str) -> Option<&'static str> {
    ["__Host-Http-", "__Host-", "__Http-", "__Secure-"]
        .into_iter()
        .find(|prefix| {
            let start = name.get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        })
}

/// Splits the pair; without an equals sign all of it is the value.
fn pair(text: &str) -> (&str, &str) {
    let (name, value) = text.split_once('=').unwrap_or(("", text));
    (trim(name), trim(value))
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Reads Max-Age: digits, with a minus before them for the past; very large ones are cut.
fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') { -size } else { size })
}

fn date(text: &str) -> Option<SystemTime> {
    let field = format!("a=b; Expires={text}");
    let date = cookie::Cookie::parse(field).ok()?.expires_datetime()?;
    Some(date.into())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{Field, SameSite, prefix_of};

    #[test]
    fn a_field_is_parsed_as_browsers_do() {
        let field = Field::parse(
            " sid = a=b ;SECURE; httponly ; Domain=.Shop.Example; Path=/x; SameSite=none; Max-Age=60",
        );
        assert_eq!((field.name.as_str(), field.value.as_str()), ("sid", "a=b"));
        assert!(field.secure && field.http_only && !field.partitioned);
        assert_eq!(field.bare_domain().as_deref(), Some("shop.example"));
        assert_eq!(field.own_path(), Some("/x"));
        assert_eq!(field.same_site, SameSite::None);
        assert_eq!(field.max_age, Some(60));
    }

    #[test]
    fn the_last_attribute_counts_and_faults_are_kept() {
        let long = "x".repeat(1025);
        let field = Field::parse(&format!(
            "sid=1; Path=/a; Path=b; SameSite=Lax; SameSite=Lacks; Max-Age=1h; Expires=soon; Domain={long}; HttpsOnly"
        ));
        assert_eq!(field.own_path(), None);
        assert_eq!(field.same_site, SameSite::Unset);
        assert_eq!(field.misspelt.as_deref(), Some("Lacks"));
        assert_eq!(field.unreadable, ["Max-Age", "Expires"]);
        assert_eq!(field.too_long, ["Domain"]);
        assert_eq!(field.unknown, ["HttpsOnly"]);
        assert_eq!(field.domain, None);
    }

    #[test]
    fn a_life_is_counted_from_the_arrival() {
        let now = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        #[rustfmt::skip]
        let table = [
            ("a=1",                                                            None),
            ("a=1; Max-Age=9",                                                 Some(9)),
            ("a=1; Max-Age=-9",                                                Some(0)),
            ("a=1; Max-Age=99999999999999999999",                              Some(i64::MAX.cast_unsigned())),
            ("a=1; Expires=Fri, 02 Jan 2026 03:04:09 GMT",                     Some(4)),
            ("a=1; Expires=Friday, 02-Jan-26 03:04:09 GMT",                    Some(4)),
            ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",                     Some(0)),
            ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=10",         Some(10)),
        ];
        for (text, seconds) in table {
            let life = Field::parse(text).life(now);
            assert_eq!(life, seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn nameless_fields_and_prefixes_are_seen() {
        for (text, name, value) in [
            ("x", "", "x"),
            ("=x", "", "x"),
            ("", "", ""),
            ("a=", "a", ""),
        ] {
            let field = Field::parse(text);
            assert_eq!((field.name.as_str(), field.value.as_str()), (name, value));
        }
        assert_eq!(prefix_of("__host-sid"), Some("__Host-"));
        assert_eq!(prefix_of("__Host-Http-sid"), Some("__Host-Http-"));
        assert_eq!(prefix_of("host-sid"), None);
        assert!(Field::parse("a=1\u{1}").has_control);
        assert!(Field::parse("a=1\t2").has_control);
        assert!(!Field::parse("a=1\t;\tPath=/").has_control);
    }
}
