//! Whose a record is.

use std::sync::Arc;

use super::json::{self, Bounds};
use super::{Field, name, unescape};

/// Where a record names its user, first found first: keys, or paths of keys with dots.
///
/// `passport.user` is the key `user` inside `passport`, as Passport writes it. A number is its text;
/// of an object, its `id` counts. Default: `userId`, then `passport.user`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserKeys(Arc<[String]>);

impl UserKeys {
    /// The keys to look at, in this order.
    pub fn new(keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }

    /// The keys, each a path whose steps are divided by dots.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The user that a record belongs to; `None` for one that names nobody, or is no JSON object.
    pub fn user_of(&self, record: &str) -> Option<String> {
        self.user_by(|key| member(record, key))
    }

    /// The user whose record has these fields.
    pub(crate) fn user_in(&self, fields: &[Field<'_>]) -> Option<String> {
        self.user_by(|key| Some(fields.iter().find(|field| field.name() == key)?.value))
    }

    /// The user of a session whose keys have these values.
    pub(crate) fn user_by<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        self.paths().find_map(|path| user_at(path, &value_of))
    }
}

impl Default for UserKeys {
    fn default() -> Self {
        Self::new(["userId", "passport.user"])
    }
}

/// The user at one path of keys.
pub(crate) fn user_at<'a>(
    path: &str,
    value_of: impl Fn(&str) -> Option<&'a str>,
) -> Option<String> {
    let mut steps = path.split('.');
    let first = value_of(steps.next()?)?;
    named_by(steps.try_fold(first, member)?)
}

/// The user that a value names: a text, a number, an object by its `id`.
pub(crate) fn named_by(json: &str) -> Option<String> {
    scalar(json).or_else(|| scalar(member(json, "id")?))
}

/// The value of `key` in the object that `json` is.
fn member<'a>(json: &'a str, key: &str) -> Option<&'a str> {
    let members = json::members(
        json,
        Bounds {
            depth: 128,
            members: 8192,
        },
    )?;
    let found = members
        .iter()
        .rev()
        .find(|member| name(json, member) == key)?;
    Some(&json[found.value.range()])
}

fn scalar(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => {
            Some(unescape(&json[1..json.len() - 1]).into_owned()).filter(|user| !user.is_empty())
        }
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
    }
}
