//! What an application decides once about its sessions; what contradicts itself does not build.

mod attributes;
mod build;
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

/// What happens to the record when a handler drops its session ([`Session::unset`]).
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

/// What a request gets whose session the store cannot give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreError {
    /// 503: a visitor who is signed in is never taken for one who is not.
    #[default]
    Unavailable,
    /// A session without data, which is not saved and whose cookie is left alone.
    Anonymous,
}

/// What `Cache-Control` a response gets that depends on a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CachePolicy {
    /// `no-store` where the handler said nothing; `private` added where it did.
    #[default]
    NoStore,
    /// `private` in both cases: the visitor's own browser may keep it.
    Private,
    /// Left alone, as in Express.
    ///
    /// # Security
    ///
    /// A shared cache may then hand one visitor's Set-Cookie to the next.
    Untouched,
}

/// How long a session's cookie lives at the user agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieLife {
    /// As long as its session can: until the absolute time-out, because the server alone decides how
    /// long a session may rest; without one until the idle time-out, and it is sent again whenever
    /// that is moved in the store. `Max-Age` stands beside `Expires`, for user agents with a wrong
    /// clock.
    #[default]
    Session,
    /// As in express-session: until the idle time-out, and it is sent again when the session changed.
    /// A visitor who only reads is signed out.
    Express,
}

/// What a request gets whose cookies name two sessions that are both live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuplicateCookies {
    /// The first, as the user agent sends them: that of the longest path.
    #[default]
    First,
    /// Neither: a session without data, which is not stored, and no cookie.
    Reject,
}

/// What becomes of a login when its user has as many sessions as the policy allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtLimit {
    /// It succeeds, and the session whose login is longest ago ends.
    EndOldest,
    /// It fails: [`SessionError::TooManySessions`](crate::SessionError::TooManySessions).
    Refuse,
}

/// What functions of a policy may know of the request that a session is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestInfo {
    /// The path that was asked for, whatever router it was nested in.
    pub path: String,
    /// The Host field, or the authority of the request's URI.
    pub host: Option<String>,
    /// Whether the request came over TLS, to this server or to a trusted proxy.
    pub is_secure: bool,
    /// The client's address, as far as it can be trusted: see [`TrustedProxy::client`].
    pub address: Option<IpAddr>,
    /// The User-Agent field, cut after 256 bytes.
    pub user_agent: Option<String>,
    /// Why the request is not secure, as far as the adapter found out.
    pub(crate) insecurity: Option<Insecurity>,
}

impl RequestInfo {
    /// Takes a User-Agent field, as much of it as is kept.
    pub fn set_user_agent(&mut self, field: &[u8]) {
        let field = &field[..field.len().min(LONGEST_USER_AGENT)];
        let text = String::from_utf8_lossy(field);
        self.user_agent = Some(text.chars().filter(|c| !c.is_control()).collect());
    }
}

/// What browsers send has at most about 200 bytes.
const LONGEST_USER_AGENT: usize = 256;

/// What is wrong with an id of the application's generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdFault {
    #[error("`id_generator` draws ids that `id_grammar` refuses: change one of them")]
    Grammar,
    #[error(
        "`id_generator` draws ids so long that browsers drop their cookie: its name and value have 4,096 bytes together"
    )]
    TooLong,
}

/// Which requests have a session, by the path that they ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MatchPath {
    Everywhere,
    /// Where the cookie's own path leads, as in Express.
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
    /// Whether `record_limit` bounds what is written; otherwise what may be read does.
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
    /// Which of several layers over one store this is.
    pub(crate) realm: Option<Box<str>>,
}

impl Policy {
    /// Starts from the defaults, each with its reason at the method that changes it.
    pub fn builder(keys: KeyRing) -> PolicyBuilder {
        PolicyBuilder::new(keys)
    }

    /// Starts from what express-session does when it is given a secret only, `resave: false` and
    /// `saveUninitialized: false`: for an application that shares its sessions with Express.
    ///
    /// Cookies live until the browser closes and records for a day; `Secure` and `SameSite` are
    /// not sent; nothing but the application's keys is kept in a record, unless a login here has to note
    /// when it was and whose (`_ck`, a keyed fingerprint; the device as well where
    /// [`note_devices`](PolicyBuilder::note_devices) asks for it); every request that asks
    /// for its session touches it; any text may be an id.
    pub fn express(keys: KeyRing) -> PolicyBuilder {
        PolicyBuilder::express(keys)
    }

    /// The cookie's name.
    pub fn name(&self) -> &CookieName {
        &self.0.name
    }

    /// The secrets, which may be exchanged while serving.
    pub fn keys(&self) -> &KeyRing {
        &self.0.keys
    }

    /// Returns whether a request for `path` has a session at all: it lies under
    /// [`match_path`](PolicyBuilder::match_path), by default everywhere (RFC 6265 §5.1.4, where `/foo`
    /// covers `/foo/bar` and not `/foobar`).
    ///
    /// Under `/` lies also what is no path: `OPTIONS *`, and the authority that CONNECT names.
    pub fn covers(&self, path: &str) -> bool {
        match &self.0.match_path {
            MatchPath::Everywhere => true,
            MatchPath::CookiePath => is_under(path, &self.0.path),
            MatchPath::Under(prefix) => is_under(path, prefix),
        }
    }

    /// Whether a login notes the device, so that an adapter must tell its user agent.
    pub fn notes_devices(&self) -> bool {
        self.0.note_devices
    }

    /// How large a record may grow.
    pub(crate) fn write_limit(&self) -> RecordLimit {
        let limit = self.0.record_limit;
        if self.0.limits_writes {
            limit
        } else {
            limit.read()
        }
    }

    /// The realm that this layer's sessions belong to: see [`PolicyBuilder::realm`].
    pub fn realm(&self) -> Option<&str> {
        self.0.realm.as_deref()
    }

    /// The times that bound what a record says of its session.
    pub(crate) fn times(&self) -> LifetimeLimits {
        LifetimeLimits {
            absolute: self.0.absolute_timeout,
            remembered: self.0.remember_at_most,
        }
    }

    /// What the store's index calls a user of this layer.
    pub(crate) fn index_name<'a>(&self, user: &'a str) -> Cow<'a, str> {
        index_name(self.realm(), user)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }

    /// Whether a function of this policy looks at the request, so that an adapter must describe
    /// more of it than its client and whether it is secure.
    pub fn wants_request(&self) -> bool {
        self.0.id_generator.is_some() || self.0.edit_cookie.is_some()
    }

    /// Draws the id of a new session.
    pub(crate) fn draw_id(&self, request: &RequestInfo) -> SessionId {
        match &self.0.id_generator {
            None => SessionId::random(),
            Some(generate) => SessionId::from_store(&generate(request)),
        }
    }

    /// Returns why no request could bring an id of the application's generator back, `None` where one
    /// can.
    pub(crate) fn fault_of(&self, id: &SessionId) -> Option<IdFault> {
        self.0.id_generator.as_ref()?;
        if !self.0.id_grammar.allows(id.expose()) {
            return Some(IdFault::Grammar);
        }
        (!fits_cookie(&self.0.name, id.expose())).then_some(IdFault::TooLong)
    }

    /// The cookie of a session that begins now. `auto` is resolved here, once and for all.
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

/// RFC 6265 §5.1.4; an empty cookie path is `/`.
pub(crate) fn path_matches(path: &str, cookie_path: &str) -> bool {
    match path.strip_prefix(cookie_path) {
        Some(rest) => rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'),
        None => cookie_path.is_empty(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
