//! The settings that concern users and their logins.

use std::time::Duration;

use super::{PolicyBuilder, Realm};
use crate::cookie::CookieName;
use crate::policy::AtLimit;
use crate::record::UserKeys;

impl PolicyBuilder {
    /// Sets where a record names its user, for the index of each user's sessions: see [`UserKeys`].
    /// Default: `userId`, then `passport.user`.
    pub fn user_keys(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.user_keys = UserKeys::new(keys);
        self
    }

    /// Sets the realm that this layer's sessions belong to: of several layers over one store, each knows
    /// its own sessions alone, and its own users, whatever secret they share.
    ///
    /// Default: the cookie's name where it is set by [`name`](Self::name), so that the value of one
    /// cookie opens nothing as another; none for `connect.sid` and for
    /// [`Policy::express`](crate::Policy::express), whose records Express reads and writes. The realm is
    /// kept in the record. A record of another realm is as if absent, neither opened nor ended; one
    /// without a realm, Express's for one, opens only where the policy has none.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Realm::Set(Some(realm.into().into_boxed_str()));
        self
    }

    /// Takes the sessions that belong to no realm, Express's, under a cookie's name of one's own.
    ///
    /// # Security
    ///
    /// Two layers without a realm over one store and one secret are one: the value of either's cookie
    /// opens the session in both.
    pub fn no_realm(mut self) -> Self {
        self.realm = Realm::Set(None);
        self
    }

    /// Notes at a login from where it came: user agent and address, so that users can tell their
    /// sessions apart.
    ///
    /// Default: true, with [`Policy::express`](super::super::Policy::express) false. Both are kept in the session's record and go with it; `false` keeps neither.
    pub fn note_devices(mut self, note_devices: bool) -> Self {
        self.settings.note_devices = note_devices;
        self
    }

    /// Drops at each login what the session held before, a visitor's cart included.
    ///
    /// Default: false. Data of another user goes in either case.
    pub fn clear_on_login(mut self, clear_on_login: bool) -> Self {
        self.settings.clear_on_login = clear_on_login;
        self
    }

    /// Bounds the live sessions of one user, and says what becomes of a login beyond that.
    ///
    /// Default: no bound. It is kept by [`Session::login`](crate::Session::login), which then asks
    /// the store for the user's sessions and stores its own before it returns; what another program
    /// signs in counts, and is bounded by the next login here.
    pub fn max_sessions(mut self, most: usize, at_limit: AtLimit) -> Self {
        self.settings.max_sessions = Some((most, at_limit));
        self
    }

    /// Lets [`Session::remember`](crate::Session::remember) give a session time-outs of its own, and
    /// bounds them.
    ///
    /// Default: nobody is remembered. NIST SP 800-63B-4 §2.1.3 has 30 days at AAL1, and nothing beyond the
    /// absolute time-out above.
    pub fn remember_at_most(mut self, most: Duration) -> Self {
        self.settings.remember_at_most = Some(most);
        self
    }

    /// Bounds the sockets (`LiveUpgrade`, socket.io) that one session holds open in this process.
    ///
    /// Default: 64, more than anybody has tabs. The next handshake is answered with 429. A session that
    /// is not stored counts by its address alone.
    pub fn max_sockets_per_session(mut self, most: usize) -> Self {
        self.settings.max_sockets_per_session = most;
        self
    }

    /// Bounds the sockets that one client address, or one IPv6 network of 64 bits, holds open in this
    /// process.
    ///
    /// Default: 2,048, an office behind one address. The next handshake is answered with 429. Behind a
    /// proxy that [`trusted_proxy`](Self::trusted_proxy) does not name, all clients have the proxy's
    /// address; where the server does not know its peers' addresses, nothing is counted.
    pub fn max_sockets_per_address(mut self, most: usize) -> Self {
        self.settings.max_sockets_per_address = most;
        self
    }
}

impl Realm {
    /// The realm of a policy whose cookie has this name.
    pub(super) fn resolve(self, name: &CookieName) -> Option<Box<str>> {
        match self {
            Self::OfName if *name == CookieName::default() => None,
            Self::OfName => Some(name.as_str().into()),
            Self::Set(realm) => realm,
        }
    }
}
