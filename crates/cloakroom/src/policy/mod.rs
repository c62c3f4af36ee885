//! The policy of an application's sessions; contradictory settings do not build.

mod attributes;
mod build;
mod describe;
mod presets;
mod proxy;
mod site_data;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use attributes::{CookieMut, Priority, SameSite, Secure};
pub use build::{PolicyBuilder, PolicyError};
pub(crate) use proxy::Insecurity;
pub use proxy::TrustedProxy;
pub use site_data::SiteData;

use crate::clock::Timestamp;
use crate::cookie::{CookieName, KeyRing, fits_cookie};
use crate::id::{IdGrammar, SessionId};
use crate::record::{CookieState, LifetimeLimits, RecordLimit, UserKeys, index_name};

/// The fate of the record when a handler drops its session ([`Session::unset`]).
///
/// [`Session::unset`]: crate::session::Session::unset
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unset {
    /// The record stays as it was; changes of this request are discarded.
    #[default]
    Keep,
    /// The record is deleted.
    Destroy,
}

/// The outcome of a request whose session the store fails to return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreError {
    /// 503: a user who is signed in is never taken for one who is not.
    #[default]
    Unavailable,
    /// A session without data, which is not saved and whose cookie is left alone.
    Anonymous,
}

/// The `Cache-Control` of a response that depends on a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CachePolicy {
    /// `no-store` where the handler set none; `private` added where it did.
    #[default]
    NoStore,
    /// `private` in both cases: the client's own browser may store it.
    Private,
    /// Unchanged, as in Express.
    ///
    /// # Security
    ///
    /// A shared cache may then serve one client's Set-Cookie to the next.
    Untouched,
}

/// The lifetime of a session's cookie at the user agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieLife {
    /// As long as its session's: until the absolute time-out, because the server alone enforces the idle
    /// time-out; without one until the idle time-out, and it is sent again whenever that is moved in the
    /// store. `Max-Age` is sent beside `Expires`, for user agents with a wrong clock.
    #[default]
    Session,
    /// As in express-session: until the idle time-out, and it is sent again when the session changed. A user
    /// who only reads is signed out.
    Express,
}

/// The session of a request whose cookies name two sessions that are both live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuplicateCookies {
    /// The first, in the user agent's order: that of the longest path.
    #[default]
    First,
    /// Neither: a session without data, which is not stored, and no cookie.
    Reject,
}

/// The outcome of a login when its user has as many sessions as the policy allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtLimit {
    /// It succeeds, and the session with the oldest login ends.
    EndOldest,
    /// It fails: [`SessionError::TooManySessions`](crate::SessionError::TooManySessions).
    Refuse,
}

/// The data of a request that a policy's functions get for its new session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestInfo {
    /// The path of the request, whatever router it was nested in.
    pub path: String,
    /// The Host field, or the authority of the request's URI.
    pub host: Option<String>,
    /// `true` if the request came over TLS, to this server or to a trusted proxy.
    pub is_secure: bool,
    /// The client's address, as far as it can be trusted: see [`TrustedProxy::client`].
    pub address: Option<IpAddr>,
    /// The User-Agent field, cut after 256 bytes.
    pub user_agent: Option<String>,
    /// The reason for which the request is not secure, as far as the adapter found out.
    pub(crate) insecurity: Option<Insecurity>,
}

impl RequestInfo {
    /// Sets the User-Agent field, up to the length that is kept.
    pub fn set_user_agent(&mut self, field: &[u8]) {
        let field = &field[..field.len().min(LONGEST_USER_AGENT)];
        let text = String::from_utf8_lossy(field);
        self.user_agent = Some(text.chars().filter(|c| !c.is_control()).collect());
    }
}

/// Length in bytes that is kept: browsers send at most about 200.
const LONGEST_USER_AGENT: usize = 256;

/// The fault of an id of the application's generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdFault {
    #[error("`id_generator` draws ids that `id_grammar` refuses: change one of them")]
    Grammar,
    #[error(
        "`id_generator` draws ids so long that browsers drop their cookie: its name and value have 4,096 bytes together"
    )]
    TooLong,
}

/// The paths under which requests have a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MatchPath {
    Everywhere,
    /// Under the cookie's own path, as in Express.
    CookiePath,
    Under(Box<str>),
}

type GenerateId = Arc<dyn Fn(&RequestInfo) -> String + Send + Sync>;
type EditCookie = Arc<dyn Fn(&RequestInfo, &mut CookieMut<'_>) + Send + Sync>;

/// The settings of one session layer; made by [`Policy::builder`], cheap to clone.
#[derive(Clone)]
pub struct Policy(Arc<Settings>);

#[derive(Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "express-session's options, as they are named"
)]
pub(crate) struct Settings {
    pub(crate) name: CookieName,
    pub(crate) keys: KeyRing,
    pub(crate) resave: bool,
    pub(crate) save_uninitialized: bool,
    pub(crate) rolling: bool,
    pub(crate) unset: Unset,
    pub(crate) trusted_proxy: TrustedProxy,
    pub(crate) id_generator: Option<GenerateId>,
    pub(crate) id_grammar: IdGrammar,
    /// `None`: the cookie lives until the browser closes.
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) browser_session_ttl: Duration,
    pub(crate) absolute_timeout: Option<Duration>,
    pub(crate) renewal_timeout: Option<Duration>,
    /// `None`: a twentieth of the session's idle time-out.
    pub(crate) touch_after: Option<Duration>,
    pub(crate) secure: Secure,
    pub(crate) same_site: SameSite,
    pub(crate) http_only: bool,
    pub(crate) path: Box<str>,
    pub(crate) match_path: MatchPath,
    pub(crate) domain: Option<Box<str>>,
    pub(crate) priority: Option<Priority>,
    pub(crate) partitioned: bool,
    pub(crate) edit_cookie: Option<EditCookie>,
    pub(crate) on_store_error: OnStoreError,
    pub(crate) store_timeout: Duration,
    pub(crate) clear_cookie_on_destroy: bool,
    pub(crate) cookie_life: CookieLife,
    pub(crate) duplicate_cookies: DuplicateCookies,
    pub(crate) record_limit: RecordLimit,
    /// `true` if `record_limit` bounds writes; otherwise the read limit does.
    pub(crate) limits_writes: bool,
    pub(crate) hash_ids_at_rest: bool,
    pub(crate) cache: CachePolicy,
    pub(crate) user_keys: UserKeys,
    pub(crate) note_devices: bool,
    pub(crate) clear_on_login: bool,
    pub(crate) max_sessions: Option<(usize, AtLimit)>,
    pub(crate) remember_at_most: Option<Duration>,
    /// The value of `Clear-Site-Data` beside a cookie that is cleared.
    pub(crate) clear_site_data: Option<String>,
    pub(crate) max_sockets_per_session: usize,
    pub(crate) max_sockets_per_address: usize,
    /// The realm of this one of several layers over one store.
    pub(crate) realm: Option<Box<str>>,
}

impl Policy {
    /// Starts from the defaults, each with its reason at the method that changes it.
    pub fn builder(keys: KeyRing) -> PolicyBuilder {
        PolicyBuilder::new(keys)
    }

    /// Starts from express-session's behaviour with only a secret, `resave: false` and
    /// `saveUninitialized: false`: for an application that shares its sessions with Express.
    ///
    /// Cookies live until the browser closes and records for a day; `Secure` and `SameSite` are
    /// not sent; nothing but the application's keys is kept in a record, unless a login here has to note
    /// when it was and whose (`_ck`, a keyed fingerprint; the device as well where
    /// [`note_devices`](PolicyBuilder::note_devices) asks for it); every request that loads
    /// its session touches it; any text may be an id.
    pub fn express(keys: KeyRing) -> PolicyBuilder {
        PolicyBuilder::express(keys)
    }

    /// Returns the cookie's name.
    pub fn name(&self) -> &CookieName {
        &self.0.name
    }

    /// Returns the secrets, which may be rotated while serving.
    pub fn keys(&self) -> &KeyRing {
        &self.0.keys
    }

    /// Returns `true` if a request for `path` has a session at all: if it is under
    /// [`match_path`](PolicyBuilder::match_path), by default everywhere (RFC 6265 §5.1.4, where `/foo` covers
    /// `/foo/bar` and not `/foobar`).
    ///
    /// `/` also covers targets that are no path: `OPTIONS *`, and the authority that CONNECT names.
    pub fn covers(&self, path: &str) -> bool {
        match &self.0.match_path {
            MatchPath::Everywhere => true,
            MatchPath::CookiePath => is_under(path, &self.0.path),
            MatchPath::Under(prefix) => is_under(path, prefix),
        }
    }

    /// Returns `true` if a login notes the device, so that an adapter must pass its user agent.
    pub fn notes_devices(&self) -> bool {
        self.0.note_devices
    }

    /// Returns the limit of records that are written.
    pub(crate) fn write_limit(&self) -> RecordLimit {
        let limit = self.0.record_limit;
        if self.0.limits_writes {
            limit
        } else {
            limit.read()
        }
    }

    /// Returns the realm that this layer's sessions belong to: see [`PolicyBuilder::realm`].
    pub fn realm(&self) -> Option<&str> {
        self.0.realm.as_deref()
    }

    /// Returns the limits for the times in a session's record.
    pub(crate) fn times(&self) -> LifetimeLimits {
        LifetimeLimits {
            absolute: self.0.absolute_timeout,
            remembered: self.0.remember_at_most,
        }
    }

    /// Returns the name of a user of this layer in the store's index.
    pub(crate) fn index_name<'a>(&self, user: &'a str) -> Cow<'a, str> {
        index_name(self.realm(), user)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }

    /// Returns `true` if a function of this policy takes the request, so that an adapter must describe more
    /// of it than its client and its security.
    pub fn wants_request(&self) -> bool {
        self.0.id_generator.is_some() || self.0.edit_cookie.is_some()
    }

    /// Generates the id of a new session.
    pub(crate) fn draw_id(&self, request: &RequestInfo) -> SessionId {
        match &self.0.id_generator {
            None => SessionId::random(),
            Some(generate) => SessionId::from_store(&generate(request)),
        }
    }

    /// Returns the reason for which no request could bring an id of the application's generator back, `None`
    /// where one can.
    pub(crate) fn fault_of(&self, id: &SessionId) -> Option<IdFault> {
        self.0.id_generator.as_ref()?;
        if !self.0.id_grammar.allows(id.expose()) {
            return Some(IdFault::Grammar);
        }
        (!fits_cookie(&self.0.name, id.expose())).then_some(IdFault::TooLong)
    }

    /// Returns the cookie of a session that begins now. `auto` is resolved here, once and for all.
    pub(crate) fn new_cookie(&self, request: &RequestInfo, now: Timestamp) -> CookieState {
        let settings = &*self.0;
        let mut state = CookieState::default();
        let mut cookie = CookieMut::new(&mut state, now);
        cookie.max_age(settings.idle_timeout);
        cookie.http_only(settings.http_only);
        cookie.path(&settings.path);
        cookie.secure_policy(settings.secure, request.is_secure);
        cookie.same_site_policy(settings.same_site, request.is_secure);
        if let Some(domain) = &settings.domain {
            cookie.domain(Some(domain));
        }
        if let Some(priority) = settings.priority {
            cookie.priority(Some(priority));
        }
        if settings.partitioned {
            cookie.partitioned(true);
        }
        if let Some(edit) = &settings.edit_cookie {
            edit(request, &mut cookie);
            cookie.resolve_auto(request.is_secure);
        }
        state
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.name)
            .field("keys", &self.keys)
            .field("idle_timeout", &self.idle_timeout)
            .field("absolute_timeout", &self.absolute_timeout)
            .field("secure", &self.secure)
            .field("same_site", &self.same_site)
            .field("remember_at_most", &self.remember_at_most)
            .field("max_sockets_per_session", &self.max_sockets_per_session)
            .field("max_sockets_per_address", &self.max_sockets_per_address)
            .finish_non_exhaustive()
    }
}

fn is_under(path: &str, prefix: &str) -> bool {
    prefix == "/" || path_matches(path, prefix)
}

/// Matches a path by RFC 6265 §5.1.4; an empty cookie path is `/`.
pub(crate) fn path_matches(path: &str, cookie_path: &str) -> bool {
    match path.strip_prefix(cookie_path) {
        Some(rest) => rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'),
        None => cookie_path.is_empty(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
