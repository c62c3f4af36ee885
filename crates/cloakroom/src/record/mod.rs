//! The record of a session in a store: one JSON object, as express-session writes it.
//!
//! `{"cookie":{…},"key":value,…}`: the state of the cookie, and the application's data beside it. A record is
//! kept as its text. Reading finds a key in it, writing replaces just the keys that changed, so that order,
//! number text and unknown keys survive.

mod cookie_state;
mod facts;
mod js;
mod json;
mod metadata;
mod patch;
mod stored;
mod text;
mod user_keys;
mod value;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub(crate) use cookie_state::Attribute;
pub use cookie_state::{AttributeError, CookieState};
pub use facts::RecordFacts;
pub use js::renormalize;
pub(crate) use js::{stringify, unescape, without_lone_surrogates};
pub(crate) use json::is_value;
pub(crate) use metadata::{LifetimeLimits, LoginDevice, Metadata};
pub(crate) use patch::{Patch, member_length, object};
#[cfg(feature = "memory")]
pub(crate) use stored::split;
pub use stored::{NewRecord, StoredRecord};
pub use text::RecordText;
pub use user_keys::UserKeys;
#[cfg(any(feature = "mongodb", feature = "postgres"))]
pub(crate) use user_keys::{DIVIDER, OF_OBJECT};
pub(crate) use user_keys::{Owner, PASSPORT_USER, id_in, index_name, index_names, user_id};
pub use value::ValueError;

use json::{Bounds, Member, Span};

/// The key of the cookie's state in a record.
pub(crate) const COOKIE: &str = "cookie";
/// The key of the library's own metadata in a record; Node keeps it like any other key.
pub(crate) const METADATA_KEY: &str = "_ck";

/// The members of express-session's `Session` object: data of that name would shadow a method, so Node drops
/// it when it loads a record.
const RESERVED: [&str; 22] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "destroy",
    "hasOwnProperty",
    "id",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "regenerate",
    "reload",
    "req",
    "resetMaxAge",
    "save",
    "toLocaleString",
    "toString",
    "touch",
    "valueOf",
    COOKIE,
    METADATA_KEY,
];

/// Returns `true` if an application cannot keep data under `key`.
pub(crate) fn is_reserved(key: &str) -> bool {
    RESERVED.contains(&key)
}

/// Limits of a record, so that one client cannot fill the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLimit {
    /// Bytes of JSON text; 65,536 unless set.
    pub bytes: usize,
    /// Keys beside `cookie`; 512 unless set.
    pub keys: usize,
    /// Arrays and objects inside one another, the record being the first; 64 unless set.
    pub depth: usize,
}

impl Default for RecordLimit {
    fn default() -> Self {
        Self {
            bytes: 65_536,
            keys: 512,
            depth: 64,
        }
    }
}

impl RecordLimit {
    /// Factor of the read limit over the write limit: another writer may have no limit.
    const READ: usize = 16;

    /// Returns the read limit, which is also the write limit where none is set (`Policy::express`).
    pub(crate) fn read(self) -> Self {
        Self {
            bytes: self.bytes.saturating_mul(Self::READ),
            keys: self.keys.saturating_mul(Self::READ),
            depth: self.depth.max(128),
        }
    }
}

/// The reason for which a stored text is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("the record has {bytes} bytes, and at most {most} are read")]
    TooLarge { bytes: usize, most: usize },
    #[error("the record has {keys} keys, and at most {most} are read")]
    TooManyKeys { keys: usize, most: usize },
    #[error("the record is not a JSON object")]
    NotAnObject,
    #[error("the record has no cookie object")]
    NoCookie,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    text: RecordText,
    members: Vec<Member>,
    cookie: CookieState,
    /// The library's metadata in it.
    metadata: Option<Arc<Metadata>>,
    /// `true` if members were left out that a `Session` cannot hold; the next save drops them.
    dropped: bool,
}

impl Record {
    /// Parses a stored text.
    pub(crate) fn parse(text: RecordText, limit: RecordLimit) -> Result<Self, RecordError> {
        let limit = limit.read();
        if text.len() > limit.bytes {
            return Err(RecordError::TooLarge {
                bytes: text.len(),
                most: limit.bytes,
            });
        }
        let bounds = Bounds {
            depth: limit.depth,
            // Cookie and metadata are keys of the text, and none of the application's.
            members: limit.keys.saturating_add(2),
        };
        let is_own = |key: &[u8]| key == COOKIE.as_bytes() || key == METADATA_KEY.as_bytes();
        let found = json::members_with(&text, bounds, is_own);
        let mut found = found.ok_or_else(|| why_unread(&text, limit))?;
        keep_last_of_each(&text, &mut found.own);
        let before = found.own.len();
        let (mut cookie, mut metadata) = (None, None);
        found.own.retain(|member| match &*name(&text, member) {
            COOKIE => cookie.replace(*member).is_none(),
            METADATA_KEY => metadata.replace(*member).is_none(),
            name => !is_reserved(name),
        });
        let cookie = cookie.and_then(|cookie| found.object(&text, &cookie));
        let cookie = CookieState::of(&text, cookie.ok_or(RecordError::NoCookie)?);
        let metadata =
            metadata.and_then(|metadata| Metadata::of(&text, found.object(&text, &metadata)?));
        Ok(Self {
            cookie,
            metadata: metadata.map(Arc::new),
            dropped: found.own.len() < before,
            members: found.own,
            text,
        })
    }

    /// Creates a record of these fields, after `prefixes`, equal to a parsed one.
    pub(crate) fn of(
        prefixes: [&str; 2],
        fields: &[Field<'_>],
        cookie: &CookieState,
        metadata: Option<Arc<Metadata>>,
    ) -> Self {
        let start = prefixes.iter().map(|prefix| prefix.len()).sum::<usize>();
        let mut text = String::with_capacity(start + patch::length(fields));
        text.extend(prefixes);
        let mut members = Vec::with_capacity(fields.len());
        patch::write_object(fields, &mut text, |field, at| {
            members.push(field.member(at - start));
        });
        Self {
            text: RecordText::whole(text, prefixes),
            members,
            cookie: cookie.after_round_trip(),
            metadata,
            dropped: false,
        }
    }

    pub(crate) fn text(&self) -> &RecordText {
        &self.text
    }

    pub(crate) fn cookie(&self) -> &CookieState {
        &self.cookie
    }

    /// Returns the JSON text of `key`'s value, as it is written.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let is_named = |member: &&Member| {
            if member.escaped {
                name(&self.text, member) == key
            } else {
                self.text.as_bytes()[member.key.range()] == *key.as_bytes()
            }
        };
        let member = self.members.iter().find(is_named)?;
        Some(&self.text[member.value.range()])
    }

    /// Returns the library's metadata in it.
    pub(crate) fn metadata(&self) -> Option<&Arc<Metadata>> {
        self.metadata.as_ref()
    }

    /// Returns keys and values as they are written, `cookie` among them, in the order of the text.
    pub(crate) fn members(&self) -> impl Iterator<Item = Field<'_>> {
        self.members.iter().map(|member| Field {
            key: Cow::Borrowed(&self.text[member.key.range()]),
            value: &self.text[member.value.range()],
            escaped: member.escaped,
        })
    }

    /// Returns the number of an application's keys.
    pub(crate) fn count(&self) -> usize {
        let is_own = |key: &&str| self.get(key).is_some();
        self.members.len()
            - [COOKIE, METADATA_KEY]
                .iter()
                .filter(|key| is_own(key))
                .count()
    }

    pub(crate) fn has_reserved_keys(&self) -> bool {
        self.dropped
    }
}

/// A member of a record: the key's text between the quotes, and the value's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) value: &'a str,
    /// `true` if the key holds a backslash, so that its text is not its name.
    escaped: bool,
}

impl<'a> Field<'a> {
    fn new(name: &'a str, value: &'a str) -> Self {
        if js::is_plain(name) {
            return Self::own(name, value);
        }
        let quoted = stringify(name).unwrap_or_else(|_| "\"\"".into());
        Self {
            key: Cow::Owned(quoted[1..quoted.len() - 1].to_owned()),
            value,
            escaped: true,
        }
    }

    fn own(key: &'a str, value: &'a str) -> Self {
        Self {
            key: Cow::Borrowed(key),
            value,
            escaped: false,
        }
    }

    /// Returns its place in a text in which its key begins at `at`.
    fn member(&self, at: usize) -> Member {
        Member {
            key: Span::of(at, self.key.len()),
            value: Span::of(at + self.key.len() + 2, self.value.len()),
            escaped: self.escaped,
        }
    }

    pub(crate) fn name(&self) -> Cow<'_, str> {
        if self.escaped {
            unescape(&self.key)
        } else {
            Cow::Borrowed(&self.key)
        }
    }

    /// Returns `true` if an application sees it.
    pub(crate) fn is_data(&self) -> bool {
        let name = self.name();
        name != COOKIE && name != METADATA_KEY
    }
}

fn name<'a>(text: &'a str, member: &Member) -> Cow<'a, str> {
    let key = &text[member.key.range()];
    if member.escaped {
        unescape(key)
    } else {
        Cow::Borrowed(key)
    }
}

/// Returns the reason for which the members of a text were not found within the limits.
fn why_unread(text: &str, limit: RecordLimit) -> RecordError {
    let bounds = Bounds {
        depth: limit.depth,
        members: usize::MAX,
    };
    let Some(members) = json::members(text, bounds) else {
        return RecordError::NotAnObject;
    };
    let is_own = |member: &&Member| [COOKIE, METADATA_KEY].contains(&&*name(text, member));
    let own = members.iter().filter(is_own).count();
    RecordError::TooManyKeys {
        keys: members.len() - own,
        most: limit.keys,
    }
}

/// Keeps the last value of a repeated key, at the place of the first, as `JSON.parse` does.
fn keep_last_of_each(text: &str, members: &mut Vec<Member>) {
    if !has_repeated_key(text, members) {
        return;
    }
    let mut places = HashMap::new();
    let mut kept: Vec<Member> = Vec::with_capacity(members.len());
    for member in members.iter() {
        let place = *places.entry(name(text, member)).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(earlier) => earlier.value = member.value,
            None => kept.push(*member),
        }
    }
    *members = kept;
}

fn has_repeated_key(text: &str, members: &[Member]) -> bool {
    if members.len() <= 16 && members.iter().all(|member| !member.escaped) {
        let is_repeated = |(index, member): (usize, &Member)| {
            let key = |member: &Member| &text.as_bytes()[member.key.range()];
            let earlier = &members[..index];
            earlier.iter().any(|earlier| key(earlier) == key(member))
        };
        return members.iter().enumerate().any(is_repeated);
    }
    let mut seen = HashSet::with_capacity(members.len());
    !members.iter().all(|member| seen.insert(name(text, member)))
}

#[cfg(test)]
mod tests;
