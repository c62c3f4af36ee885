//! The records in the stores after a sequence, compared byte for byte but for the moments in them.

use std::collections::BTreeMap;
use std::fmt;

use super::instant::iso_millis;

/// The two labs write one after the other.
const EXPIRES_TOLERANCE_MS: u64 = 3000;
/// express-session reads the clock twice for `originalMaxAge` and now and then loses a millisecond.
const MAX_AGE_TOLERANCE_MS: u64 = 3;

/// The records that one sequence left behind on one side.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The records by the name of their session.
    pub(super) named: BTreeMap<String, Record>,
    /// The records of sessions whose id never reached the client, by their masked text.
    pub(super) unnamed: Vec<Record>,
}

impl Records {
    pub(super) fn agree_with(&self, other: &Self) -> bool {
        self.agree_by(other, Record::agrees_with)
    }

    /// Returns `true` if no record differs in more than the life of its cookie, which `other` has written.
    pub(super) fn agree_but_for_lives(&self, other: &Self) -> bool {
        self.agree_by(other, Record::agrees_but_for_a_life)
    }

    fn agree_by(&self, other: &Self, agree: fn(&Record, &Record) -> bool) -> bool {
        let pairs = self.named.values().zip(other.named.values());
        let unnamed = self.unnamed.iter().zip(&other.unnamed);
        self.named.keys().eq(other.named.keys())
            && self.unnamed.len() == other.unnamed.len()
            && pairs.chain(unnamed).all(|(a, b)| agree(a, b))
    }
}

impl fmt::Display for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self
            .named
            .iter()
            .map(|(name, record)| format!("{name} {}", record.text));
        let unnamed = self
            .unnamed
            .iter()
            .map(|record| format!("(id unknown) {}", record.text));
        f.write_str(&named.chain(unnamed).collect::<Vec<_>>().join("\n"))
    }
}

/// A record's text, and the same with its moments masked.
#[derive(Debug)]
pub(super) struct Record {
    text: String,
    pub(super) masked: String,
    max_age: Option<i64>,
    expires: Option<i64>,
}

impl Record {
    pub(super) fn new(text: String) -> Self {
        let (masked, max_age) = mask(&text, "\"originalMaxAge\":", ",", |number| {
            number.parse().ok()
        });
        let (masked, expires) = mask(&masked, "\"expires\":\"", "\"", iso_millis);
        Self {
            text,
            masked,
            max_age,
            expires,
        }
    }

    /// Returns `true` if the two agree, or if nothing but the cookie's life differs and `other` has one.
    fn agrees_but_for_a_life(&self, other: &Self) -> bool {
        self.agrees_with(other)
            || (other.expires.is_some() && without_life(&self.text) == without_life(&other.text))
    }

    fn agrees_with(&self, other: &Self) -> bool {
        self.masked == other.masked
            && within(self.max_age, other.max_age, MAX_AGE_TOLERANCE_MS)
            && within(self.expires, other.expires, EXPIRES_TOLERANCE_MS)
    }
}

/// Takes the first values of the two attributes that say how long a cookie lives out of a record.
fn without_life(text: &str) -> String {
    let mut text = text.to_owned();
    for attribute in ["\"originalMaxAge\":", "\"expires\":"] {
        let Some(at) = text.find(attribute) else {
            continue;
        };
        let start = at + attribute.len();
        let length = text[start..].find([',', '}']).unwrap_or(0);
        text.replace_range(start..start + length, "~");
    }
    text
}

/// Replaces what stands between `before` and `after` by `~` where it can be read.
fn mask(
    text: &str,
    before: &str,
    after: &str,
    read: fn(&str) -> Option<i64>,
) -> (String, Option<i64>) {
    let found = text.find(before).and_then(|at| {
        let start = at + before.len();
        let end = start + text[start..].find(after)?;
        Some((start, end, read(&text[start..end])?))
    });
    match found {
        Some((start, end, value)) => (format!("{}~{}", &text[..start], &text[end..]), Some(value)),
        None => (text.to_owned(), None),
    }
}

fn within(a: Option<i64>, b: Option<i64>, tolerance: u64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.abs_diff(b) <= tolerance,
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(max_age: &str, expires: &str, rest: &str) -> Record {
        let cookie = format!(r#"{{"originalMaxAge":{max_age},"expires":{expires},"path":"/"}}"#);
        Record::new(format!(r#"{{"2":1,"cookie":{cookie},{rest}}}"#))
    }

    #[test]
    fn moments_may_differ_a_little_and_nothing_else() {
        let left = record("60000", r#""2026-01-02T03:04:05.678Z""#, r#""a":1"#);
        #[rustfmt::skip]
        let table = [
            (true, "59997", r#""2026-01-02T03:04:08.678Z""#, r#""a":1"#),
            (false, "59996", r#""2026-01-02T03:04:05.678Z""#, r#""a":1"#),
            (false, "60000", r#""2026-01-02T03:04:08.679Z""#, r#""a":1"#),
            (false, "60000", "null", r#""a":1"#),
            (false, "null", r#""2026-01-02T03:04:05.678Z""#, r#""a":1"#),
            (false, "60000", r#""2026-01-02T03:04:05.678Z""#, r#""a":1.0"#),
        ];
        for (agrees, max_age, expires, rest) in table {
            let right = record(max_age, expires, rest);
            assert_eq!(left.agrees_with(&right), agrees, "{}", right.text);
        }
    }

    #[test]
    fn a_life_that_one_side_wrote_is_told_from_other_differences() {
        let left = record("null", "null", r#""a":1"#);
        let instant = r#""2026-01-02T03:04:05.678Z""#;
        #[rustfmt::skip]
        let table = [
            (true,  "3600000", instant, r#""a":1"#),
            (true,  "null",    "null",  r#""a":1"#),
            (false, "3600000", instant, r#""a":2"#),
            (false, "3600000", "null",  r#""a":1"#),
        ];
        for (agrees, max_age, expires, rest) in table {
            let right = record(max_age, expires, rest);
            assert_eq!(left.agrees_but_for_a_life(&right), agrees, "{}", right.text);
        }
        // Nothing explains a life that only Express has written.
        let right = record("3600000", instant, r#""a":1"#);
        assert!(!right.agrees_but_for_a_life(&left));
    }

    #[test]
    fn a_session_too_many_is_a_difference() {
        let one = || record("null", "null", r#""a":1"#);
        let named = Records {
            named: [("s1".to_owned(), one())].into(),
            unnamed: Vec::new(),
        };
        let both = Records {
            named: [("s1".to_owned(), one())].into(),
            unnamed: vec![one()],
        };
        assert!(named.agree_with(&named) && both.agree_with(&both));
        assert!(!named.agree_with(&both));
    }
}
