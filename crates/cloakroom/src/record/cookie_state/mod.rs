//! The `cookie` object of a record: a session's own attributes and expiry, as express-session keeps them.

mod attribute;
mod attributes;
mod expiry;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub(crate) use self::attribute::Attribute;

use self::attributes::Attributes;
use self::expiry::{Expiry, Lifetime};
use super::json::{self, Member};
use super::name;
use crate::clock::Timestamp;

/// Attributes and expiry of one session's cookie, kept in its record.
///
/// A new session takes them from the policy; after that its record decides, whatever the policy says
/// meanwhile (express-session behaves so, and both sides read the same record). Attributes that a foreign
/// writer left out stay left out, and `false` stays `false`.
#[derive(Clone, Debug, PartialEq)]
pub struct CookieState {
    original_max_age: Lifetime,
    expires: Expiry,
    /// A touch moves the expiry and keeps these, so that copies share them.
    attributes: Arc<Attributes>,
}

impl CookieState {
    #[cfg(test)]
    pub(crate) fn parse(json: &str) -> Option<Self> {
        let members = json::members(json, json::Bounds::default())?;
        Some(Self::of(json, &members))
    }

    /// Reads the `cookie` of a record, whose members were found in `text`, as express-session's
    /// `createSession` does. Keys that no cookie has are dropped.
    pub(crate) fn of(text: &str, members: &[Member]) -> Self {
        let (mut original_max_age, mut expires) = (Lifetime::Undefined, Expiry::Null);
        let mut attributes = Attributes::default();
        for member in members {
            let value = &text[member.value.range()];
            match &*name(text, member) {
                "originalMaxAge" => original_max_age = Lifetime::parse(value),
                "expires" => expires = Expiry::parse(value),
                key => {
                    if let Some(attribute) = attributes.named(key) {
                        *attribute = Attribute::parse(value);
                    }
                }
            }
        }
        Self {
            original_max_age,
            expires,
            attributes: Arc::new(attributes),
        }
    }

    /// Returns the state after a round trip through JSON: undefined attributes are left out, and have their
    /// defaults again.
    pub(crate) fn after_round_trip(&self) -> Self {
        let mut read = Self {
            original_max_age: self.original_max_age.after_round_trip(),
            expires: self.expires.after_round_trip(),
            attributes: Arc::clone(&self.attributes),
        };
        let Attributes {
            http_only, path, ..
        } = &*self.attributes;
        if [http_only, path].contains(&&Attribute::Undefined) {
            Arc::make_mut(&mut read.attributes).fill_in();
        }
        read
    }

    /// Returns the text that express-session writes: keys in its order, undefined ones left out.
    pub(crate) fn to_json(&self) -> String {
        let mut json = String::with_capacity(160);
        let attributes = &*self.attributes;
        json.push('{');
        self.original_max_age.write(&mut json);
        attributes.write_first(&mut json);
        self.expires.write(&mut json);
        attributes.write_second(&mut json);
        json.push('}');
        json
    }

    /// Starts the lifetime again, as each request does.
    pub(crate) fn touch(&mut self, now: Timestamp) {
        self.set_lifetime(self.original_max_age, now);
    }

    /// Returns its expiry if it was touched at `now`; `None`: when the browser closes.
    pub(crate) fn expires_if_touched(&self, now: Timestamp) -> Option<Timestamp> {
        self.original_max_age.from(now).instant()
    }

    /// Returns the longest time between two requests of the session; `None` until the browser closes.
    pub fn max_age(&self) -> Option<Duration> {
        match self.original_max_age {
            Lifetime::Millis(millis) => {
                Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
            }
            _ => None,
        }
    }

    /// Sets the longest time between two requests of the session, from `now`; `None`: until the browser
    /// closes.
    pub(crate) fn set_max_age(&mut self, max_age: Option<Duration>, now: Timestamp) {
        let lifetime = max_age.map_or(Lifetime::Null, Lifetime::of);
        self.set_lifetime(lifetime, now);
    }

    /// Sets the instant at which the cookie ends, and with it the lifetime.
    pub(crate) fn set_expires(&mut self, expires: Option<Timestamp>, now: Timestamp) {
        self.set_expiry(expires.map_or(Expiry::Null, Expiry::At), now);
    }

    /// Caps the expiry at `deadline`; the lifetime stays.
    pub(crate) fn cap_expiry(&mut self, deadline: Option<Timestamp>) {
        if let (Expiry::At(expires), Some(deadline)) = (self.expires, deadline) {
            self.expires = Expiry::At(expires.min(deadline));
        }
    }

    /// Returns the cookie's expiry in the record; `None`: when the browser closes.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        self.expires.instant()
    }

    /// Returns `true` if it has `expires` once it was touched at `now`: Express sends a changed session's
    /// cookie again only then.
    pub(crate) fn has_expires_if_touched(&self, now: Timestamp) -> bool {
        !matches!(
            self.original_max_age.from(now),
            Expiry::Undefined | Expiry::Null
        )
    }

    /// Returns the `Expires` attribute: an instant, none, or a date that no header can express.
    pub(crate) fn expires_attribute(&self) -> Result<Option<Timestamp>, ()> {
        match self.expires {
            Expiry::At(timestamp) => Ok(Some(timestamp)),
            Expiry::Invalid => Err(()),
            _ => Ok(None),
        }
    }

    /// Sets an attribute as a JavaScript assignment to `session.cookie` would: `name` as Express
    /// spells it, the value as JSON; a name that no cookie has is ignored.
    ///
    /// `maxAge` takes milliseconds, `expires` an ISO 8601 text as `Date.parse` does: a date, in UTC, or
    /// date and time with `Z` or an offset. Both take `null` and `false`.
    ///
    /// # Errors
    ///
    /// The cookie stays as it was. [`AttributeError::MaxAge`] for a `maxAge` that is a text or `true`,
    /// [`AttributeError::TooLong`] for one that ends beyond the last date, [`AttributeError::Expires`] for an
    /// `expires` that is no instant, [`AttributeError::NotJson`] for a value that is no JSON.
    pub fn set(
        &mut self,
        name: &str,
        json: &str,
        now: impl Into<Timestamp>,
    ) -> Result<(), AttributeError> {
        if !json::is_value(json, 8) {
            return Err(AttributeError::NotJson);
        }
        let now = now.into();
        match name {
            "maxAge" => {
                let lifetime = Lifetime::assigned(json.trim_ascii())?;
                if lifetime.from(now) == Expiry::Invalid {
                    return Err(AttributeError::TooLong);
                }
                self.set_lifetime(lifetime, now);
            }
            "expires" => self.set_expiry(Expiry::assigned(json)?, now),
            name => {
                if let Some(attribute) = self.attribute_mut(name) {
                    *attribute = Attribute::parse(json.trim_ascii());
                }
            }
        }
        Ok(())
    }

    fn set_lifetime(&mut self, lifetime: Lifetime, now: Timestamp) {
        self.set_expiry(lifetime.from(now), now);
    }

    /// Sets the expiry. Express derives `originalMaxAge` from `expires` whenever that is set.
    fn set_expiry(&mut self, expiry: Expiry, now: Timestamp) {
        self.expires = expiry;
        self.original_max_age = match expiry {
            Expiry::Undefined => Lifetime::Undefined,
            Expiry::Null => Lifetime::Null,
            Expiry::Invalid => Lifetime::NotANumber,
            Expiry::False => Lifetime::False,
            Expiry::At(at) => Lifetime::Millis(at.as_millis() - now.as_millis()),
        };
    }

    /// Returns the attribute of that name in Express; `None` where a cookie has none.
    pub(crate) fn attribute_mut(&mut self, name: &str) -> Option<&mut Attribute> {
        Arc::make_mut(&mut self.attributes).named(name)
    }
}

impl Default for CookieState {
    /// Returns Express's defaults: `Path=/`, `HttpOnly`, until the browser closes.
    fn default() -> Self {
        static ATTRIBUTES: LazyLock<Arc<Attributes>> = LazyLock::new(Arc::default);
        Self {
            original_max_age: Lifetime::Null,
            expires: Expiry::Null,
            attributes: Arc::clone(&ATTRIBUTES),
        }
    }
}

/// Appends a member to an object that was begun; `key` is its text from the comma before to the colon.
fn write_member(key: &str, value: &str, json: &mut String) {
    let is_first = json.as_bytes().last() == Some(&b'{');
    json.push_str(if is_first { &key[1..] } else { key });
    json.push_str(value);
}

/// The reason for which an attribute could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// `maxAge` takes milliseconds as a number, `null` or `false`.
    #[error("maxAge must be a number or Date")]
    MaxAge,
    /// `expires` takes a date, or date and time with `Z` or an offset, in ISO 8601; `null` or `false`.
    #[error("expires must be a date, or a date and time with Z or an offset, in ISO 8601")]
    Expires,
    /// A `maxAge` that ends beyond the last date, which is in the year 275760.
    #[error("maxAge ends beyond the last date of JavaScript")]
    TooLong,
    /// The value is no JSON.
    #[error("the value of a cookie attribute must be JSON")]
    NotJson,
}
