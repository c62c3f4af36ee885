//! What happens to sessions, for whoever asked to be told: counters, audit logs, an operator's screen.

mod audit;
mod audit_line;
#[cfg(feature = "metrics")]
mod metrics;
mod timed;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "metrics")]
pub use self::metrics::MetricsObserver;
pub use audit::{AuditFormat, AuditObserver};
pub(crate) use timed::TimedStore;

use crate::store::StoreErrorKind;

/// Receives the events of sessions: see [`Manager::observer`](crate::Manager::observer).
///
/// Every method does nothing unless it is written. Each is called within the request that it concerns, before
/// its response leaves: it must not block, and a panic of it is the request's. No event holds an id, a cookie,
/// a secret or a session's data.
///
/// A session that expires is removed by its store, which tells no process: its end is no event, and the
/// request that comes after it is [`refused`](Self::refused) as unknown.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use cloakroom::observe::{EventSubject, Observer};
///
/// /// Counts logins.
/// #[derive(Default)]
/// struct Logins(AtomicU64);
///
/// impl Observer for Logins {
///     fn signed_in(&self, _: &EventSubject) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
/// # fn f(manager: cloakroom::Manager) -> cloakroom::Manager { manager.observer(Logins::default()) }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Returns `true` if it asks whom an event concerns. Default: `true`. One that only counts says `false`: where
    /// none asks, the most frequent events, cookies that open sessions and saves, come with an
    /// [unknown](EventSubject::unknown) subject, which saves a hash for each request.
    fn asks_who(&self) -> bool {
        true
    }

    /// Takes note that a request's cookie has opened a live session.
    fn opened(&self, session: &EventSubject) {
        let _ = session;
    }

    /// Takes note that a request's cookie was accepted by an older key of the ring, and is to be signed again.
    fn opened_by_old_key(&self, session: &EventSubject) {
        let _ = session;
    }

    /// Takes note that a new session was stored.
    fn created(&self, session: &EventSubject) {
        let _ = session;
    }

    /// Takes note that a session was stored in which its user has signed in.
    fn signed_in(&self, session: &EventSubject) {
        let _ = session;
    }

    /// Takes note that a session goes on under another id.
    fn renewed(&self, session: &EventSubject) {
        let _ = session;
    }

    /// Takes note of the outcome of a save: once for each request that saves, for each explicit save and
    /// update, and for each session that [`Manager::change`](crate::Manager::change) or
    /// [`set_roles_of`](crate::Manager::set_roles_of) changes.
    fn saved(&self, session: &EventSubject, outcome: SaveOutcome) {
        let _ = (session, outcome);
    }

    /// Takes note that so many concurrent saves of one session became one write.
    fn joined(&self, saves: usize) {
        let _ = saves;
    }

    /// Takes note that so many sessions have ended, one unless the cause ends a user's; without any it is not
    /// called.
    fn ended(&self, session: &EventSubject, cause: EndCause, sessions: u64) {
        let _ = (session, cause, sessions);
    }

    /// Takes note that a request's cookie opened no session. A request without a cookie of the name is none.
    fn refused(&self, client: &EventSubject, cause: RefusalCause) {
        let _ = (client, cause);
    }

    /// Takes note that a request was refused which another site had made a user's browser send.
    fn csrf_refused(&self, client: &EventSubject) {
        let _ = client;
    }

    /// Takes note that an attempt to sign in has to wait; the subject's user is the account.
    fn attempts_throttled(&self, client: &EventSubject, retry_after: Duration) {
        let _ = (client, retry_after);
    }

    /// Takes note that the circuit breaker has opened, so that operations of the store fail at once for half a
    /// second at a time, or that it has closed.
    fn circuit_changed(&self, is_open: bool) {
        let _ = is_open;
    }

    /// Takes note of an operation of the store that was sent.
    fn store_operation(&self, operation: &StoreOperation) {
        let _ = operation;
    }
}

/// The session, user and client that an event concerns, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventSubject {
    /// Names the session in pages, logs and commands, and opens nothing: the handle of its
    /// [`Device`](crate::auth::Device), which stays when the id changes; without one a keyed hash of its id.
    pub handle: Option<String>,
    /// The user who is signed in.
    pub user: Option<String>,
    /// The client's address, as far as it can be trusted.
    pub address: Option<IpAddr>,
    /// The client's User-Agent field, where the policy notes devices.
    pub user_agent: Option<String>,
}

impl EventSubject {
    /// Creates a subject of whom nothing is known.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Sets the user.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }
}

/// The outcome of a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SaveOutcome {
    /// It was written over the record that the request had read.
    Written,
    /// Others had changed the record meanwhile: both changes are in it.
    Merged,
    /// The session had ended meanwhile: nothing was written.
    Gone,
    /// Others kept changing the record until the time was up: nothing was written.
    Conflict,
    /// The store did not answer in time: it may have been written.
    Unknown,
    /// It was refused, by the store or because the record is too large: nothing was written.
    Failed,
}

/// The cause for which a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndCause {
    /// Its user or its handler ended it.
    Logout,
    /// Its user ended all sessions, or all others.
    Everywhere,
    /// It was past its absolute time-out.
    Absolute,
    /// Another session without its data took its place: `reset`, `logout_keeping`.
    Renewed,
    /// An operator ended it, by the [`Manager`](crate::Manager).
    Operator,
    /// Its user had too many sessions.
    Limit,
    /// Its record could not be read.
    Unreadable,
}

/// The cause for which a cookie opened no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalCause {
    /// No key of the ring has signed it.
    Signature,
    /// It is signed, and its id is none by the policy's grammar.
    Grammar,
    /// The store has no session of that id, or another layer's.
    Unknown,
    /// Its id was closed within the last minute: its session ended, or goes on under another.
    Retired,
    /// Two cookies of the name are valid, and the policy accepts neither.
    Duplicate,
    /// It has the name without the prefix `__Host-` or `__Secure-` that the policy requires.
    Prefix,
}

/// An operation of the store, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreOperation {
    /// The method of [`Store`](crate::store::Store): `get`, `update`.
    pub name: &'static str,
    /// Time from its begin to its reply, or until it was given up.
    pub duration: Duration,
    /// The class of its error.
    pub error: Option<StoreErrorKind>,
    /// `true` if its caller gave it up, because of a time-out or because the client disconnected.
    pub is_abandoned: bool,
}

macro_rules! names {
    ($($type:ident { $($variant:ident => $name:literal),* $(,)? })*) => {
        $(impl $type {
            /// Each of them, for counters that begin at nothing.
            #[cfg(feature = "metrics")]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns its name in metrics and audit logs, which stays.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        })*
    };
}

names! {
    SaveOutcome {
        Written => "written", Merged => "merged", Gone => "gone", Conflict => "conflict",
        Unknown => "unknown", Failed => "failed",
    }
    EndCause {
        Logout => "logout", Everywhere => "everywhere", Absolute => "absolute", Renewed => "renewed",
        Operator => "operator", Limit => "limit", Unreadable => "unreadable",
    }
    RefusalCause {
        Signature => "signature", Grammar => "grammar", Unknown => "unknown", Retired => "retired",
        Duplicate => "duplicate", Prefix => "prefix",
    }
}

/// The observers of a manager.
#[derive(Clone, Default)]
pub(crate) struct Observers(Arc<[Arc<dyn Observer>]>);

impl Observers {
    /// Returns these and one more.
    pub(crate) fn and(&self, observer: Arc<dyn Observer>) -> Self {
        Self(self.0.iter().cloned().chain([observer]).collect())
    }

    /// Returns `true` if nobody asked to be told: then no event is made.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `true` if one of them asks whom events concern.
    pub(crate) fn ask_who(&self) -> bool {
        self.0.iter().any(Observer::asks_who)
    }

    /// Tells each of them.
    pub(crate) fn tell(&self, event: impl Fn(&dyn Observer)) {
        for observer in &*self.0 {
            event(&**observer);
        }
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn asks_who(&self) -> bool {
        (**self).asks_who()
    }

    fn opened(&self, session: &EventSubject) {
        (**self).opened(session);
    }

    fn opened_by_old_key(&self, session: &EventSubject) {
        (**self).opened_by_old_key(session);
    }

    fn created(&self, session: &EventSubject) {
        (**self).created(session);
    }

    fn signed_in(&self, session: &EventSubject) {
        (**self).signed_in(session);
    }

    fn renewed(&self, session: &EventSubject) {
        (**self).renewed(session);
    }

    fn saved(&self, session: &EventSubject, outcome: SaveOutcome) {
        (**self).saved(session, outcome);
    }

    fn joined(&self, saves: usize) {
        (**self).joined(saves);
    }

    fn ended(&self, session: &EventSubject, cause: EndCause, sessions: u64) {
        (**self).ended(session, cause, sessions);
    }

    fn refused(&self, client: &EventSubject, cause: RefusalCause) {
        (**self).refused(client, cause);
    }

    fn csrf_refused(&self, client: &EventSubject) {
        (**self).csrf_refused(client);
    }

    fn attempts_throttled(&self, client: &EventSubject, retry_after: Duration) {
        (**self).attempts_throttled(client, retry_after);
    }

    fn circuit_changed(&self, is_open: bool) {
        (**self).circuit_changed(is_open);
    }

    fn store_operation(&self, operation: &StoreOperation) {
        (**self).store_operation(operation);
    }
}
