//! An attribute of a cookie as a JavaScript value.

use std::borrow::Cow;

use crate::record::js;

/// An attribute's value as JavaScript holds it; what counts in a header is whether it is truthy.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) enum Attribute {
    #[default]
    Undefined,
    Null,
    Bool(bool),
    Text(Box<str>),
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
                Some(inner) => Self::Text(js::unescape(inner).into()),
                None => Self::Other(json.into()),
            },
        }
    }

    /// Whether JavaScript's `if` would take it.
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::Undefined | Self::Null => false,
            Self::Bool(value) => *value,
            Self::Text(text) => !text.is_empty(),
            Self::Other(json) => json.parse() != Ok(0.0),
        }
    }

    pub(super) fn to_json(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Undefined => None,
            Self::Null => Some("null".into()),
            Self::Bool(true) => Some("true".into()),
            Self::Bool(false) => Some("false".into()),
            Self::Text(text) => js::stringify(&**text).ok().map(Cow::Owned),
            Self::Other(json) => Some((&**json).into()),
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
        Self::Text(text.into())
    }
}
