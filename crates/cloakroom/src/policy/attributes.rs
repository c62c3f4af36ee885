//! The attributes of a session's cookie, as a policy and a handler set them.

use std::time::{Duration, SystemTime};

use crate::clock::Timestamp;
use crate::record::{Attribute, AttributeError, CookieState};

/// The condition under which a cookie carries `Secure`, and may then be sent over TLS only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secure {
    /// On every cookie; over a connection that is not secure no cookie is sent at all.
    #[default]
    Always,
    /// On cookies of sessions that a secure request began; kept for the session's lifetime.
    Auto,
    /// On no cookie.
    ///
    /// # Security
    ///
    /// The cookie then travels over plain connections, where it can be read.
    Never,
}

/// `SameSite`: the requests from other sites that carry the cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// On none.
    Strict,
    /// On top-level navigation by safe methods.
    #[default]
    Lax,
    /// On all; user agents demand `Secure` with it.
    None,
    /// `None` where the request that began the session was secure, `Lax` elsewhere.
    Auto,
    /// The attribute is left out, and user agents decide.
    Unset,
}

/// `Priority`: the order in which a full cookie jar evicts cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Evicted first.
    Low,
    /// The user agents' default.
    Medium,
    /// Evicted last.
    High,
}

impl SameSite {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Strict => Some("strict"),
            Self::Lax => Some("lax"),
            Self::None => Some("none"),
            Self::Auto => Some("auto"),
            Self::Unset => None,
        }
    }
}

impl Priority {
    fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Changes the attributes of one session's cookie; they are kept in its record.
#[derive(Debug)]
pub struct CookieMut<'a> {
    state: &'a mut CookieState,
    now: Timestamp,
}

impl<'a> CookieMut<'a> {
    pub(crate) fn new(state: &'a mut CookieState, now: Timestamp) -> Self {
        Self { state, now }
    }

    /// Sets the longest time between two requests of the session; `None`: until the browser closes.
    ///
    /// A time that a JavaScript `Date` cannot express is cut to the longest that one always can, some 137,000
    /// years.
    pub fn max_age(&mut self, max_age: Option<Duration>) {
        self.state.set_max_age(max_age, self.now);
    }

    /// Sets the instant at which the cookie ends; the time until then is its new lifetime, so that later
    /// requests move it on. An instant that a JavaScript `Date` cannot express becomes the last that it can.
    pub fn expires(&mut self, expires: Option<SystemTime>) {
        self.state
            .set_expires(expires.map(Timestamp::from), self.now);
    }

    /// Sets `HttpOnly`: scripts cannot read the cookie.
    pub fn http_only(&mut self, http_only: bool) {
        self.assign("httpOnly", http_only.into());
    }

    /// Sets `Secure`: the cookie is for secure connections only.
    pub fn secure(&mut self, secure: bool) {
        self.assign("secure", secure.into());
    }

    /// Sets `Partitioned`: each top-level site has a cookie jar of its own (CHIPS).
    pub fn partitioned(&mut self, partitioned: bool) {
        self.assign("partitioned", partitioned.into());
    }

    /// Sets the path that the cookie is for.
    pub fn path(&mut self, path: &str) {
        self.assign("path", path.into());
    }

    /// Sets the domain whose hosts get the cookie; `None`: this host only.
    pub fn domain(&mut self, domain: Option<&str>) {
        self.assign(
            "domain",
            domain.map_or(Attribute::Undefined, Attribute::from),
        );
    }

    /// Sets the priority; `None`: the user agent's default.
    pub fn priority(&mut self, priority: Option<Priority>) {
        let name = priority.map(Priority::name);
        self.assign(
            "priority",
            name.map_or(Attribute::Undefined, Attribute::from),
        );
    }

    /// Sets `SameSite`. [`SameSite::Auto`] is resolved for new sessions, by the policy.
    pub fn same_site(&mut self, same_site: SameSite) {
        let name = same_site.name();
        self.assign(
            "sameSite",
            name.map_or(Attribute::Undefined, Attribute::from),
        );
    }

    /// Sets an attribute as a JavaScript assignment to `session.cookie` would: the name as Express spells it
    /// (`maxAge`, `sameSite`), the value as JSON.
    ///
    /// # Errors
    ///
    /// [`AttributeError`], as for [`CookieState::set`]: the cookie stays as it was.
    pub fn assign_json(&mut self, name: &str, json: &str) -> Result<(), AttributeError> {
        self.state.set(name, json, self.now)
    }

    pub(super) fn secure_policy(&mut self, secure: Secure, is_secure: bool) {
        match secure {
            Secure::Always => self.secure(true),
            Secure::Auto => self.secure(is_secure),
            Secure::Never => {}
        }
    }

    pub(super) fn same_site_policy(&mut self, same_site: SameSite, is_secure: bool) {
        self.same_site(same_site);
        self.resolve_auto(is_secure);
    }

    /// Replaces `auto` by the value for the connection.
    pub(super) fn resolve_auto(&mut self, is_secure: bool) {
        let auto = Attribute::from("auto");
        if *self.state.secure() == auto {
            self.secure(is_secure);
        }
        if *self.state.same_site() == auto {
            self.same_site(if is_secure {
                SameSite::None
            } else {
                SameSite::Lax
            });
        }
    }

    fn assign(&mut self, name: &str, value: Attribute) {
        let attribute = self.state.attribute_mut(name);
        *attribute.expect("the names above are those of attributes") = value;
    }
}
