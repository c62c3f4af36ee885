//! The two keys of a cookie that say how long it lives, read and written as express-session does.

use std::borrow::Cow;

use super::{Attribute, AttributeError};
use crate::clock::Timestamp;

/// The largest whole number up to which a JavaScript number holds them all (ECMA-262, 21.1.2.6).
const EXACT: i64 = (1 << 53) - 1;

/// `originalMaxAge`: what each touch sets the expiry to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    Undefined,
    Null,
    False,
    Millis(i64),
    /// JavaScript's NaN: no date comes of it, and JSON says `null`.
    NotANumber,
}

impl Lifetime {
    pub(super) fn parse(json: &str) -> Self {
        match json {
            "null" => Self::Null,
            "false" => Self::False,
            // A text here makes express-session throw while it ends a response; to us it is no
            // lifetime, and the session lives until the browser closes.
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

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a Date cuts fractions off, `as` saturates"
    )]
    fn from_number(number: f64) -> Self {
        Self::Millis(number as i64)
    }

    /// The expiry of a cookie that is touched at `now`.
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

    /// As reading its JSON gives it.
    pub(super) fn as_read(self) -> Self {
        match self {
            Self::NotANumber => Self::Null,
            other => other,
        }
    }

    pub(super) fn to_json(self) -> Option<Cow<'static, str>> {
        match self {
            Self::Undefined => None,
            Self::Null | Self::NotANumber => Some("null".into()),
            Self::False => Some("false".into()),
            Self::Millis(millis) => Some(millis.to_string().into()),
        }
    }
}

/// `expires`: when the cookie ends.
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
            Attribute::Text(text) => Timestamp::parse_iso(&text).map_or(Self::Invalid, Self::At),
            _ => Self::Undefined,
        }
    }

    pub(super) fn instant(self) -> Option<Timestamp> {
        match self {
            Self::At(timestamp) => Some(timestamp),
            _ => None,
        }
    }

    /// As reading its JSON gives it.
    pub(super) fn as_read(self) -> Self {
        match self {
            Self::Undefined | Self::Invalid => Self::Null,
            other => other,
        }
    }

    pub(super) fn to_json(self) -> Option<Cow<'static, str>> {
        match self {
            Self::Undefined => None,
            Self::Null | Self::Invalid => Some("null".into()),
            Self::False => Some("false".into()),
            Self::At(timestamp) => Some(format!("\"{}\"", timestamp.iso()).into()),
        }
    }
}
