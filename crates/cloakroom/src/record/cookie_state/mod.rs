//! The `cookie` object of a record: a session's own attributes and expiry, as express-session keeps them.

mod attribute;
mod expiry;

use std::borrow::Cow;
use std::time::Duration;

pub(crate) use self::attribute::Attribute;

use self::expiry::{Expiry, Lifetime};
use super::json::{self, Member};
use super::name;
use crate::clock::Timestamp;

/// Attributes and expiry of one session's cookie, kept in its record.
///
/// A new session takes them from the policy; after that its record rules, whatever the policy
/// says meanwhile (express-session behaves so, and both sides read the same record). What a
/// foreign writer left out stays left out, and `false` stays `false`.
#[derive(Clone, Debug, PartialEq)]
pub struct CookieState {
    original_max_age: Lifetime,
    expires: Expiry,
    partitioned: Attribute,
    priority: Attribute,
    secure: Attribute,
    http_only: Attribute,
    domain: Attribute,
    path: Attribute,
    same_site: Attribute,
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
        let mut cookie = Self {
            original_max_age: Lifetime::Undefined,
            expires: Expiry::Null,
            ..Self::default()
        };
        for member in members {
            let value = &text[member.value.range()];
            match &*name(text, member) {
                "originalMaxAge" => cookie.original_max_age = Lifetime::parse(value),
                "expires" => cookie.expires = Expiry::parse(value),
                key => {
                    if let Some(attribute) = cookie.attribute_mut(key) {
                        *attribute = Attribute::parse(value);
                    }
                }
            }
        }
        cookie
    }

    /// As reading its JSON would give it: what is undefined is left out, and has its default again.
    pub(crate) fn as_read(&self) -> Self {
        let defaults = Self::default();
        let or = |attribute: &Attribute, default: Attribute| match attribute {
            Attribute::Undefined => default,
            attribute => attribute.clone(),
        };
        Self {
            original_max_age: self.original_max_age.as_read(),
            expires: self.expires.as_read(),
            http_only: or(&self.http_only, defaults.http_only),
            path: or(&self.path, defaults.path),
            ..self.clone()
        }
    }

    /// The text that express-session writes: keys in its order, what is undefined left out.
    pub(crate) fn to_json(&self) -> String {
        let mut json = String::with_capacity(112);
        let mut member = |key: &str, value: Option<Cow<'_, str>>| {
            if let Some(value) = value {
                json.push(if json.is_empty() { '{' } else { ',' });
                json.extend(["\"", key, "\":", &*value]);
            }
        };
        member("originalMaxAge", self.original_max_age.to_json());
        member("partitioned", self.partitioned.to_json());
        member("priority", self.priority.to_json());
        member("expires", self.expires.to_json());
        member("secure", self.secure.to_json());
        member("httpOnly", self.http_only.to_json());
        member("domain", self.domain.to_json());
        member("path", self.path.to_json());
        member("sameSite", self.same_site.to_json());
        if json.is_empty() {
            "{}".into()
        } else {
            json + "}"
        }
    }

    /// Starts the lifetime anew, as each request does.
    pub(crate) fn touch(&mut self, now: Timestamp) {
        self.set_lifetime(self.original_max_age, now);
    }

    /// When it would end if it was touched at `now`; `None`: when the browser closes.
    pub(crate) fn expires_if_touched(&self, now: Timestamp) -> Option<Timestamp> {
        self.original_max_age.from(now).instant()
    }

    /// How long the session lives between two requests; `None` until the browser closes.
    pub fn max_age(&self) -> Option<Duration> {
        match self.original_max_age {
            Lifetime::Millis(millis) => {
                Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
            }
            _ => None,
        }
    }

    /// Sets how long the session lives between two requests, from `now`; `None`: until the browser
    /// closes.
    pub(crate) fn set_max_age(&mut self, max_age: Option<Duration>, now: Timestamp) {
        let lifetime = max_age.map_or(Lifetime::Null, |age| {
            Lifetime::Millis(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
        });
        self.set_lifetime(lifetime, now);
    }

    /// Sets the instant at which the cookie ends, and with it the lifetime.
    pub(crate) fn set_expires(&mut self, expires: Option<Timestamp>, now: Timestamp) {
        self.set_expiry(expires.map_or(Expiry::Null, Expiry::At), now);
    }

    /// Moves the end forward to `deadline` where it lies later; the lifetime stays.
    pub(crate) fn end_by(&mut self, deadline: Option<Timestamp>) {
        if let (Expiry::At(expires), Some(deadline)) = (self.expires, deadline) {
            self.expires = Expiry::At(expires.min(deadline));
        }
    }

    /// When the cookie ends, as the record says; `None`: when the browser closes.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        self.expires.instant()
    }

    /// Whether `expires` is there: Express sends a changed session's cookie again only then.
    pub(crate) fn has_expires(&self) -> bool {
        !matches!(self.expires, Expiry::Undefined | Expiry::Null)
    }

    /// The `Expires` attribute: an instant, none, or a date that no header can say.
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
    /// `maxAge` takes milliseconds, `expires` an ISO 8601 text; both take `null` and `false`.
    ///
    /// # Errors
    ///
    /// [`AttributeError::MaxAge`] for a `maxAge` that is a text or `true`,
    /// [`AttributeError::NotJson`] for a value that is no JSON.
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
            "maxAge" => self.set_lifetime(Lifetime::assigned(json)?, now),
            "expires" => self.set_expiry(Expiry::parse(json), now),
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

    /// Express derives `originalMaxAge` from `expires` whenever that is set.
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

    pub(crate) fn attribute_mut(&mut self, name: &str) -> Option<&mut Attribute> {
        Some(match name {
            "partitioned" => &mut self.partitioned,
            "priority" => &mut self.priority,
            "secure" => &mut self.secure,
            "httpOnly" => &mut self.http_only,
            "domain" => &mut self.domain,
            "path" => &mut self.path,
            "sameSite" => &mut self.same_site,
            _ => return None,
        })
    }

    pub(crate) fn partitioned(&self) -> &Attribute {
        &self.partitioned
    }

    pub(crate) fn priority(&self) -> &Attribute {
        &self.priority
    }

    pub(crate) fn secure(&self) -> &Attribute {
        &self.secure
    }

    pub(crate) fn http_only(&self) -> &Attribute {
        &self.http_only
    }

    pub(crate) fn domain(&self) -> &Attribute {
        &self.domain
    }

    pub(crate) fn path(&self) -> &Attribute {
        &self.path
    }

    pub(crate) fn same_site(&self) -> &Attribute {
        &self.same_site
    }
}

impl Default for CookieState {
    /// Express's defaults: `Path=/`, `HttpOnly`, until the browser closes.
    fn default() -> Self {
        Self {
            original_max_age: Lifetime::Null,
            expires: Expiry::Null,
            partitioned: Attribute::Undefined,
            priority: Attribute::Undefined,
            secure: Attribute::Undefined,
            http_only: Attribute::Bool(true),
            domain: Attribute::Undefined,
            path: "/".into(),
            same_site: Attribute::Undefined,
        }
    }
}

/// Why an attribute could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// `maxAge` takes milliseconds as a number, `null` or `false`.
    #[error("maxAge must be a number or Date")]
    MaxAge,
    /// The value is no JSON.
    #[error("the value of a cookie attribute must be JSON")]
    NotJson,
}
