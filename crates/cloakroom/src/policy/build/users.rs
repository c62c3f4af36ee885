//! The settings that concern users and their logins.

use std::time::Duration;

use super::{PolicyBuilder, Realm};
use crate::cookie::CookieName;
use crate::policy::AtLimit;
use crate::record::UserKeys;

impl PolicyBuilder {
    /// Sets the keys by which a record names its user, for the index of each user's sessions: see
    /// [`UserKeys`]. Default: `userId`, then `passport.user`.
    pub fn user_keys(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.user_keys = UserKeys::new(keys);
        self
    }

    /// Sets the realm that this layer's sessions belong to: of several layers over one store, each sees only
    /// its own sessions, and its own users, whatever secret they share.
    ///
    /// Default: the cookie's name where it is set by [`name`](Self::name), so that the value of one cookie
    /// opens nothing as another; none for `connect.sid` and for [`Policy::express`](crate::Policy::express),
    /// whose records Express reads and writes. The realm is kept in the record. A record of another realm is
    /// as if absent, neither opened nor ended; one without a realm, such as Express's, opens only where the
    /// policy has none.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Realm::Set(Some(realm.into().into_boxed_str()));
        self
    }

    /// Accepts the sessions without a realm, such as Express's, although the cookie's name is set.
    ///
    /// # Security
    ///
    /// Two layers without a realm over one store and one secret are one: the value of either's cookie opens
    /// the session in both.
    pub fn no_realm(mut self) -> Self {
        self.realm = Realm::Set(None);
        self
    }

    /// Notes user agent and address at a login, so that users can tell their sessions apart.
    ///
    /// Default: true, with [`Policy::express`](super::super::Policy::express) false. Both are kept in the session's
    /// record and deleted with it; `false` keeps neither.
    pub fn note_devices(mut self, note_devices: bool) -> Self {
        self.settings.note_devices = note_devices;
        self
    }

    /// Discards at each login the session's earlier data, an anonymous cart included.
    ///
    /// Default: false. Data of another user is discarded in either case.
    pub fn clear_on_login(mut self, clear_on_login: bool) -> Self {
        self.settings.clear_on_login = clear_on_login;
        self
    }

    /// Limits the live sessions of one user, and sets the outcome of a login beyond that.
    ///
    /// Default: no limit. [`Session::login`](crate::Session::login) enforces it, which then lists the user's
    /// sessions in the store and stores its own before it returns; sessions that another program signs in
    /// count, and are limited by the next login here.
    pub fn max_sessions(mut self, most: usize, at_limit: AtLimit) -> Self {
        self.settings.max_sessions = Some((most, at_limit));
        self
    }

    /// Allows [`Session::remember`](crate::Session::remember) to give a session a time-out of its own, and
    /// bounds it.
    ///
    /// Default: not allowed. NIST SP 800-63B-4 §2.1.3 has 30 days at AAL1, and nothing beyond the absolute
    /// time-out above.
    pub fn remember_at_most(mut self, most: Duration) -> Self {
        self.settings.remember_at_most = Some(most);
        self
    }

    /// Limits the open sockets (`LiveUpgrade`, socket.io) of one session in this process.
    ///
    /// Default: 64, more than a user has tabs. The next handshake gets 429. A session that is not stored
    /// counts by its address alone.
    pub fn max_sockets_per_session(mut self, most: usize) -> Self {
        self.settings.max_sockets_per_session = most;
        self
    }

    /// Limits the open sockets of one client address, or one IPv6 network of 64 bits, in this process.
    ///
    /// Default: 2,048, an office behind one address. The next handshake gets 429. Behind a proxy that
    /// [`trusted_proxy`](Self::trusted_proxy) does not name, all clients have the proxy's address; where the
    /// server does not know its peers' addresses, nothing is counted.
    pub fn max_sockets_per_address(mut self, most: usize) -> Self {
        self.settings.max_sockets_per_address = most;
        self
    }
}

impl Realm {
    /// Returns the realm of a policy whose cookie has this name.
    pub(super) fn resolve(self, name: &CookieName) -> Option<Box<str>> {
        match self {
            Self::OfName if *name == CookieName::default() => None,
            Self::OfName => Some(name.as_str().into()),
            Self::Set(realm) => realm,
        }
    }
}
