//! The two keys of a cookie's lifetime, read and written as express-session does.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Attribute, AttributeError, write_member};
use crate::clock::Timestamp;

/// The largest integer up to which a JavaScript number holds them all (ECMA-262, 21.1.2.6).
const EXACT: i64 = (1 << 53) - 1;

/// Half the range of a JavaScript `Date` from 1970, in milliseconds: some 137,000 years.
const LONGEST: i64 = 4_320_000_000_000_000;

/// `originalMaxAge`: the lifetime that each touch starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    Undefined,
    Null,
    False,
    Millis(i64),
    /// JavaScript's NaN: it gives no date, and is `null` in JSON.
    NotANumber,
}

impl Lifetime {
    pub(super) fn parse(json: &str) -> Self {
        match json {
            "null" => Self::Null,
            "false" => Self::False,
            // A text here makes express-session throw while it ends a response; here it is no lifetime, and
            // the session lives until the browser closes.
            _ => match json.parse() {
                // A double holds it exactly.
                Ok(millis) if (-EXACT..=EXACT).contains(&millis) => Self::Millis(millis),
                _ => json
                    .parse::<f64>()
                    .map_or(Self::Undefined, Self::from_number),
            },
        }
    }

    pub(super) fn assigned(json: &str) -> Result<Self, AttributeError> {
        match json {
            "null" => Ok(Self::Null),
            "false" => Ok(Self::False),
            _ => json
                .parse::<f64>()
                .map(Self::from_number)
                .map_err(|_| AttributeError::MaxAge),
        }
    }

    /// Returns a length, cut to the longest that a date can express at any time.
    pub(super) fn of(length: Duration) -> Self {
        let millis = i64::try_from(length.as_millis()).unwrap_or(LONGEST);
        Self::Millis(millis.min(LONGEST))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a Date cuts fractions off, `as` saturates"
    )]
    fn from_number(number: f64) -> Self {
        Self::Millis(number as i64)
    }

    /// Returns the expiry of a cookie that is touched at `now`.
    pub(super) fn from(self, now: Timestamp) -> Expiry {
        match self {
            Self::Undefined => Expiry::Undefined,
            Self::Null => Expiry::Null,
            Self::False => Expiry::False,
            Self::NotANumber => Expiry::Invalid,
            Self::Millis(millis) => now
                .as_millis()
                .checked_add(millis)
                .and_then(Timestamp::checked)
                .map_or(Expiry::Invalid, Expiry::At),
        }
    }

    /// Returns the value after a round trip through JSON.
    pub(super) fn after_round_trip(self) -> Self {
        match self {
            Self::NotANumber => Self::Null,
            other => other,
        }
    }

    /// Appends it to an open object; not where it is undefined.
    pub(super) fn write(self, json: &mut String) {
        let mut member = |value| write_member(r#","originalMaxAge":"#, value, json);
        match self {
            Self::Undefined => {}
            Self::Null | Self::NotANumber => member("null"),
            Self::False => member("false"),
            Self::Millis(millis) => {
                member("");
                // Writing to a String cannot fail.
                let _ = write!(json, "{millis}");
            }
        }
    }
}

/// `expires`: the instant at which the cookie ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    Undefined,
    Null,
    False,
    At(Timestamp),
    /// A JavaScript `Date` out of range.
    Invalid,
}

impl Expiry {
    pub(super) fn parse(json: &str) -> Self {
        match Attribute::parse(json) {
            Attribute::Null => Self::Null,
            Attribute::Bool(false) => Self::False,
            Attribute::Text(text) => Timestamp::parse_date(&text).map_or(Self::Invalid, Self::At),
            _ => Self::Undefined,
        }
    }

    /// Parses an assigned value: one that is no instant is an error.
    pub(super) fn assigned(json: &str) -> Result<Self, AttributeError> {
        match Self::parse(json.trim_ascii()) {
            Self::Undefined | Self::Invalid => Err(AttributeError::Expires),
            expiry => Ok(expiry),
        }
    }

    pub(super) fn instant(self) -> Option<Timestamp> {
        match self {
            Self::At(timestamp) => Some(timestamp),
            _ => None,
        }
    }

    /// Returns the value after a round trip through JSON.
    pub(super) fn after_round_trip(self) -> Self {
        match self {
            Self::Undefined | Self::Invalid => Self::Null,
            other => other,
        }
    }

    /// Appends it to an open object; not where it is undefined.
    pub(super) fn write(self, json: &mut String) {
        let mut member = |value| write_member(r#","expires":"#, value, json);
        match self {
            Self::Undefined => {}
            Self::Null | Self::Invalid => member("null"),
            Self::False => member("false"),
            Self::At(timestamp) => {
                member("\"");
                timestamp.write_iso(json);
                json.push('"');
            }
        }
    }
}
