//! A policy under construction: safe defaults, one method for each setting, all checked at the end.

use std::fmt;
use std::time::Duration;

use super::{
    CachePolicy, CookieLife, DuplicateCookies, MatchPath, OnStoreError, Policy, RequestInfo,
    SameSite, Secure, Settings, TrustedProxy, Unset,
};
use crate::cookie::{CookieName, KeyRing};
use crate::id::IdGrammar;
use crate::record::{RecordLimit, UserKeys};

/// Unchecked settings; made by [`Policy::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PolicyBuilder {
    pub(super) settings: Settings,
    name: Result<CookieName, PolicyError>,
    realm: Realm,
}

/// The source of a policy's realm.
#[derive(Clone, Debug)]
enum Realm {
    /// The cookie's name, where it is not Express's.
    OfName,
    Set(Option<Box<str>>),
}

/// Settings that contradict each other, or that no cookie can express; its `Debug` is its text, for a `main`
/// that returns it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// See [`CookieName::parse`].
    #[error("a cookie name is made of letters, digits and !#$%&'*+-.^_`|~")]
    Name,
    /// Browsers drop a cookie whose name and value are longer than 4,096 bytes together.
    #[error("the cookie's name is too long: with its value it has at most 4,096 bytes")]
    NameTooLong,
    /// No cookie would ever be accepted.
    #[error("`id_grammar` refuses our own ids of 32 characters: set `id_generator` as well")]
    IdGrammar,
    /// The prefix requires a cookie of one host.
    #[error("a `__Host-` cookie has no domain: remove `domain`, or the prefix")]
    HostPrefixWithDomain,
    /// The prefix requires a cookie for the whole host.
    #[error("a `__Host-` cookie has the path `/`: remove `path`, or the prefix")]
    HostPrefixWithPath,
    /// The prefix requires `Secure`.
    #[error("a cookie with this prefix is always Secure: use `Secure::Always`, or drop the prefix")]
    PrefixWithoutSecure,
    /// The prefix requires `HttpOnly`.
    #[error("a cookie with this prefix is HttpOnly: remove `http_only(false)`, or the prefix")]
    PrefixWithoutHttpOnly,
    /// User agents drop such a cookie.
    #[error("SameSite=None needs Secure: use `Secure::Always`, or `SameSite::Lax`")]
    SameSiteNoneWithoutSecure,
    /// User agents drop such a cookie.
    #[error("a partitioned cookie needs Secure: use `Secure::Always`")]
    PartitionedWithoutSecure,
    /// A domain is labels of letters, digits and hyphens.
    #[error("the domain is not one that a cookie can have")]
    Domain,
    /// A path begins with a slash, and holds visible ASCII without `;` and `<`.
    #[error("the path must begin with `/` and hold visible ASCII without `;` and `<`")]
    Path,
    /// A time-out of zero, or of no whole number of seconds.
    #[error("a time-out is at least a second")]
    TimeoutTooShort,
    /// A date so far ahead that no cookie can express it.
    #[error("a time-out is at most 100 years")]
    TimeoutTooLong,
    /// A realm is a text of visible characters.
    #[error("a realm is a text without control characters: use `no_realm` for none")]
    Realm,
    /// No user could sign in.
    #[error("a user needs at least one session: raise `max_sessions`")]
    NoSession,
    /// The session would end before it could be idle that long.
    #[error(
        "the absolute time-out, 24 hours unless it is set, is shorter than the idle time-out: raise it by `absolute_timeout`, or use `no_absolute_timeout`"
    )]
    AbsoluteShorterThanIdle,
    /// A path begins with a slash, and holds visible ASCII.
    #[error("`match_path` must begin with `/`")]
    MatchPath,
    /// Sessions in use would end.
    #[error("`touch_after` must be shorter than the idle time-out")]
    TouchAfterTooLong,
}

impl fmt::Debug for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PolicyBuilder {
    pub(super) fn new(keys: KeyRing) -> Self {
        let settings = Settings {
            name: CookieName::default(),
            keys,
            resave: false,
            save_uninitialized: false,
            rolling: false,
            unset: Unset::Keep,
            trusted_proxy: TrustedProxy::None,
            id_generator: None,
            id_grammar: IdGrammar::default(),
            idle_timeout: Some(Duration::from_mins(30)),
            browser_session_ttl: Duration::from_hours(24),
            absolute_timeout: Some(Duration::from_hours(24)),
            renewal_timeout: None,
            touch_after: None,
            secure: Secure::Always,
            same_site: SameSite::Lax,
            http_only: true,
            path: "/".into(),
            match_path: MatchPath::Everywhere,
            domain: None,
            priority: None,
            partitioned: false,
            edit_cookie: None,
            on_store_error: OnStoreError::Unavailable,
            store_timeout: Duration::from_secs(2),
            clear_cookie_on_destroy: true,
            cookie_life: CookieLife::Session,
            duplicate_cookies: DuplicateCookies::First,
            record_limit: RecordLimit::default(),
            limits_writes: true,
            hash_ids_at_rest: false,
            cache: CachePolicy::NoStore,
            user_keys: UserKeys::default(),
            note_devices: true,
            clear_on_login: false,
            max_sessions: None,
            remember_at_most: None,
            clear_site_data: None,
            max_sockets_per_session: 64,
            max_sockets_per_address: 2_048,
            realm: None,
        };
        Self {
            name: Ok(settings.name.clone()),
            settings,
            realm: Realm::OfName,
        }
    }

    pub(super) fn express(keys: KeyRing) -> Self {
        let mut builder = Self::new(keys)
            .match_cookie_path()
            .browser_session(Duration::from_hours(24))
            .no_absolute_timeout()
            .touch_after(Duration::ZERO)
            .secure(Secure::Never)
            .same_site(SameSite::Unset)
            .id_grammar(IdGrammar::any())
            .cookie_life(CookieLife::Express)
            .note_devices(false)
            .no_realm();
        builder.settings.limits_writes = false;
        builder
    }

    /// Sets the cookie's name. Default: `connect.sid`, as in Express.
    ///
    /// A name that starts with `__Host-` or `__Secure-` makes user agents check the requirements of the
    /// prefix (RFC 6265bis §4.1.3).
    #[doc(alias = "key")]
    pub fn name(mut self, name: &str) -> Self {
        self.name = CookieName::parse(name).map_err(|_| PolicyError::Name);
        self
    }

    /// Sets `resave`: a session that was loaded is written back unchanged. Default: no; Express's own
    /// default, yes, resurrects sessions that another request destroyed.
    pub fn resave(mut self, resave: bool) -> Self {
        self.settings.resave = resave;
        self
    }

    /// Sets `save_uninitialized`: a new session is stored although it has no data. Default: no, so that bots
    /// and health checks fill no store.
    #[doc(alias = "saveUninitialized")]
    pub fn save_uninitialized(mut self, save_uninitialized: bool) -> Self {
        self.settings.save_uninitialized = save_uninitialized;
        self
    }

    /// Sets `rolling`: the cookie is sent with every response to a request that carried it. Default: no, it
    /// is sent when the session changed.
    pub fn rolling(mut self, rolling: bool) -> Self {
        self.settings.rolling = rolling;
        self
    }

    /// Sets the fate of the record when a handler drops its session. Default: [`Unset::Keep`].
    pub fn unset(mut self, unset: Unset) -> Self {
        self.settings.unset = unset;
        self
    }

    /// Sets the proxies whose `X-Forwarded-Proto` and `X-Forwarded-For` are trusted. Default: none.
    ///
    /// Networks need the peer's address: with axum serve with
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    #[doc(alias = "proxy")]
    pub fn trusted_proxy(mut self, trusted_proxy: TrustedProxy) -> Self {
        self.settings.trusted_proxy = trusted_proxy;
        self
    }

    /// Sets the generator of ids. Default: 24 random bytes in base64url, 32 characters.
    ///
    /// # Security
    ///
    /// An id that can be guessed is a session that can be stolen, signature or not: the generator must supply
    /// 128 random bits (OWASP ASVS 7.2.3).
    ///
    /// Its ids must pass [`Self::id_grammar`], and fit into a cookie of 4,096 bytes with its name and the
    /// signature (RFC 6265bis §5.7): a session under another is an error, and is not stored.
    #[doc(alias = "genid")]
    pub fn id_generator(
        mut self,
        generate: impl Fn(&RequestInfo) -> String + Send + Sync + 'static,
    ) -> Self {
        self.settings.id_generator = Some(std::sync::Arc::new(generate));
        self
    }

    /// Sets the grammar of ids. Default: 20 to 128 characters of `A-Z a-z 0-9 - _`.
    pub fn id_grammar(mut self, id_grammar: IdGrammar) -> Self {
        self.settings.id_grammar = id_grammar;
        self
    }

    /// Sets the longest time between two requests of one session. The server enforces it; the cookie's own
    /// lifetime is [`cookie_life`](Self::cookie_life).
    ///
    /// Default: 30 minutes, the upper figure in OWASP's Session Management Cheat Sheet for
    /// low-risk applications.
    #[doc(alias = "maxAge")]
    #[doc(alias = "inactivity timeout")]
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.settings.idle_timeout = Some(idle_timeout);
        self
    }

    /// Makes cookies that live until the browser closes; `ttl` is then the longest time between
    /// two requests. Express keeps such records for a day.
    ///
    /// `ttl` also applies to records of other writers without an expiry of their own; it is a day unless set.
    pub fn browser_session(mut self, ttl: Duration) -> Self {
        self.settings.idle_timeout = None;
        self.settings.browser_session_ttl = ttl;
        self
    }

    /// Sets the longest lifetime of a session, used or not; it is kept in the record, and only a login moves
    /// it, which starts a new lifetime. Default: 24 hours (NIST SP 800-63B-4 §2.2.3; OWASP ASVS 7.3.2).
    pub fn absolute_timeout(mut self, absolute_timeout: Duration) -> Self {
        self.settings.absolute_timeout = Some(absolute_timeout);
        self
    }

    /// Lets a session that is used live for ever, as in Express.
    pub fn no_absolute_timeout(mut self) -> Self {
        self.settings.absolute_timeout = None;
        self
    }

    /// Sets the age at which a session's id is renewed automatically. Default: never.
    ///
    /// Concurrent requests with the old id go on in the same session for a minute, and get no cookie.
    pub fn renewal_timeout(mut self, renewal_timeout: Duration) -> Self {
        self.settings.renewal_timeout = Some(renewal_timeout);
        self
    }

    /// Sets the part of its idle time-out that a session must have used up before its expiry is moved in the
    /// store. Default: a twentieth, one write in many reads; zero moves it with every request, as Express
    /// does.
    pub fn touch_after(mut self, touch_after: Duration) -> Self {
        self.settings.touch_after = Some(touch_after);
        self
    }

    /// Sets the outcome of a request while the store is down. Default: [`OnStoreError::Unavailable`].
    pub fn on_store_error(mut self, on_store_error: OnStoreError) -> Self {
        self.settings.on_store_error = on_store_error;
        self
    }

    /// Sets the time-out of one operation of the store. Default: 2 seconds.
    ///
    /// It covers a save with all its retries after concurrent changes; a logout everywhere, which may read
    /// many sessions, has ten times as long. After five operations in a row that timed out the circuit
    /// breaker opens: the next are rejected at once, until a probe, one each half second, is answered.
    pub fn store_timeout(mut self, store_timeout: Duration) -> Self {
        self.settings.store_timeout = store_timeout;
        self
    }

    /// Sets the clearing of the cookie of a session that is destroyed. Default: yes.
    pub fn clear_cookie_on_destroy(mut self, clear: bool) -> Self {
        self.settings.clear_cookie_on_destroy = clear;
        self
    }

    /// Sets the lifetime of the cookie at the user agent. Default: [`CookieLife::Session`], so that no user
    /// who returns within the idle time-out is signed out before the absolute one. [`Policy::express`] has
    /// [`CookieLife::Express`].
    pub fn cookie_life(mut self, cookie_life: CookieLife) -> Self {
        self.settings.cookie_life = cookie_life;
        self
    }

    /// Sets the session of a request whose cookies name two live sessions. Default:
    /// [`DuplicateCookies::First`].
    ///
    /// # Security
    ///
    /// An attacker on a sibling domain may set a cookie of the same name that names a session of its own
    /// (cookie tossing). Only the prefix `__Host-` of the [name](Self::name) prevents it; to reject both
    /// gives the client no session until the other cookie is gone.
    pub fn duplicate_cookies(mut self, duplicate_cookies: DuplicateCookies) -> Self {
        self.settings.duplicate_cookies = duplicate_cookies;
        self
    }

    /// Sets the limits of a record. Default: 64 KiB, 512 keys, 64 levels; with
    /// [`Policy::express`](crate::Policy::express) whatever may be read, 1 MiB, 8,192 keys and 128 levels,
    /// since Express has no limit.
    ///
    /// Sixteen times as much is read, and 128 levels: another writer may have no limit. A record beyond that
    /// is replaced by a fresh session, with a warning that names its size.
    pub fn record_limit(mut self, record_limit: RecordLimit) -> Self {
        self.settings.record_limit = record_limit;
        self.settings.limits_writes = true;
        self
    }

    /// Sets the hashing of ids at rest: the store gets the SHA-256 of an id instead of the id. Default: no,
    /// because Node must find the record; on, a stolen copy of the store names no usable session.
    pub fn hash_ids_at_rest(mut self, hash_ids_at_rest: bool) -> Self {
        self.settings.hash_ids_at_rest = hash_ids_at_rest;
        self
    }

    /// Sets the `Cache-Control` of responses. Default: [`CachePolicy::NoStore`].
    pub fn cache(mut self, cache: CachePolicy) -> Self {
        self.settings.cache = cache;
        self
    }

    /// Checks the settings against each other.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], whose text says what to change.
    pub fn build(self) -> Result<Policy, PolicyError> {
        let name = self.name?;
        let settings = Settings {
            realm: self.realm.resolve(&name),
            name,
            ..self.settings
        };
        check::prefix(&settings)?;
        check::attributes(&settings)?;
        check::times(&settings)?;
        check::users(&settings)?;
        check::ids(&settings)?;
        Ok(Policy(std::sync::Arc::new(settings)))
    }
}

mod attributes;
mod check;
mod users;
