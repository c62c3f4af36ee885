//! An attribute of a cookie as a JavaScript value.

use std::borrow::Cow;

use super::write_member;
use crate::record::js;

/// An attribute's value as JavaScript holds it; a header depends on whether it is truthy.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) enum Attribute {
    #[default]
    Undefined,
    Null,
    Bool(bool),
    Text(Cow<'static, str>),
    /// A number, an array or an object, as it was written.
    Other(Box<str>),
}

impl Attribute {
    pub(super) fn parse(json: &str) -> Self {
        match json {
            "null" => Self::Null,
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ => match json
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
            {
                Some(inner) => Self::text(&js::unescape(inner)),
                None => Self::Other(json.into()),
            },
        }
    }

    /// Creates a text; those of nearly all cookies take no memory.
    fn text(text: &str) -> Self {
        let known = ["/", "lax", "strict", "none"];
        let known = known.into_iter().find(|known| *known == text);
        Self::Text(known.map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed))
    }

    /// Returns `true` if the value is truthy in JavaScript.
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::Undefined | Self::Null => false,
            Self::Bool(value) => *value,
            Self::Text(text) => !text.is_empty(),
            Self::Other(json) => json.parse() != Ok(0.0),
        }
    }

    /// Appends it to an open object; not where it is undefined.
    pub(super) fn write(&self, key: &str, json: &mut String) {
        match self {
            Self::Undefined => {}
            Self::Null => write_member(key, "null", json),
            Self::Bool(true) => write_member(key, "true", json),
            Self::Bool(false) => write_member(key, "false", json),
            Self::Text(text) if js::is_plain(text) => {
                write_member(key, "\"", json);
                json.push_str(text);
                json.push('"');
            }
            Self::Text(text) => {
                if let Ok(quoted) = js::stringify(&**text) {
                    write_member(key, &quoted, json);
                }
            }
            Self::Other(other) => write_member(key, other, json),
        }
    }
}

impl From<bool> for Attribute {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}
