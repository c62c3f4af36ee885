//! Guards: decides who may pass; `web/` translates the decision for a framework.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::login::ROLES;
use crate::session::Session;

/// The decision of a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The request goes on.
    Granted,
    /// No user is signed in: 401, or a redirect to the login.
    LoginRequired,
    /// The login is too long ago: the password is asked for again.
    StepUpRequired,
    /// The user lacks the right: 403.
    Forbidden,
}

type Predicate = Arc<dyn Fn(&Session) -> bool + Send + Sync>;
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
pub(crate) type Roles = Pin<Box<dyn Future<Output = Result<Vec<String>, BoxError>> + Send>>;
pub(crate) type ConditionFuture = Pin<Box<dyn Future<Output = Result<Access, BoxError>> + Send>>;
pub(crate) type Condition = Arc<dyn Fn(Session) -> ConditionFuture + Send + Sync>;
pub(crate) type RoleSource = Arc<dyn Fn(String) -> Roles + Send + Sync>;

/// The conditions for passing a guard; all of them must hold.
///
/// Roles are the strings in the session's `roles`, an array, as in `session.insert("roles", ["admin"])`. They
/// are a snapshot of the login: a withdrawn right holds in open sessions until
/// [`Manager::set_roles_of`](crate::Manager::set_roles_of) changes them all, or the guard reads the
/// application's own database by [`roles_from`](Self::roles_from).
///
/// ```
/// use std::time::Duration;
/// use cloakroom::auth::Require;
///
/// let staff = Require::any_role(["admin", "editor"]);
/// let dangerous = Require::role("admin").fresh(Duration::from_mins(5));
/// # let _ = (staff, dangerous);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Require {
    /// Groups of roles: one of each is required.
    roles: Vec<Vec<String>>,
    fresh: Option<Duration>,
    predicates: Vec<Predicate>,
    conditions: Vec<Condition>,
    source: Option<RoleSource>,
}

impl Require {
    /// Requires a user who is signed in.
    pub fn login() -> Self {
        Self {
            roles: Vec::new(),
            fresh: None,
            predicates: Vec::new(),
            conditions: Vec::new(),
            source: None,
        }
    }

    /// Requires a user with this role, as the session holds it: see [`Require`] for how to withdraw a right
    /// from open sessions.
    pub fn role(role: impl Into<String>) -> Self {
        Self::login().and_any_role([role.into()])
    }

    /// Requires a user with one of these roles.
    pub fn any_role(roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::login().and_any_role(roles)
    }

    /// Requires a user with all of these roles.
    pub fn all_roles(roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        roles
            .into_iter()
            .fold(Self::login(), |require, role| require.and_any_role([role]))
    }

    /// Requires also one of these roles.
    pub fn and_any_role(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.roles.push(roles.into_iter().map(Into::into).collect());
        self
    }

    /// Requires also a login within this time (step-up, OWASP ASVS 7.5.3): a session without the time of its
    /// login is not fresh, nor is one whose login is further in the future than that.
    pub fn fresh(mut self, within: Duration) -> Self {
        self.fresh = Some(self.fresh.map_or(within, |other| other.min(within)));
        self
    }

    /// Requires also a condition of the application; `false` is [`Access::Forbidden`].
    pub fn when(mut self, predicate: impl Fn(&Session) -> bool + Send + Sync + 'static) -> Self {
        self.predicates.push(Arc::new(predicate));
        self
    }

    /// Adds a condition, called after roles and predicates have passed.
    pub(crate) fn with_condition(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Returns the conditions that query something, in the order of the calls.
    pub(crate) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Sets the function that returns a user's roles.
    pub(crate) fn with_source(mut self, source: RoleSource) -> Self {
        self.source = Some(source);
        self
    }

    /// Returns the function to be called for a user's roles; `None` where no role is required, or those of
    /// the session count.
    pub(crate) fn source(&self) -> Option<&RoleSource> {
        self.source.as_ref().filter(|_| !self.roles.is_empty())
    }

    /// Returns `true` if it requires more than a login: then a guard reads the session as it is stored, past
    /// every cache ([`Session::confirm`]).
    pub fn is_strict(&self) -> bool {
        !self.roles.is_empty()
            || self.fresh.is_some()
            || !self.predicates.is_empty()
            || !self.conditions.is_empty()
    }

    /// Checks a session at this time, by its own roles; where they are to be [loaded](Self::roles_from), no
    /// user has one here, and where there is an [async condition](Self::when_async) no user may pass: use
    /// [`check_now`](Self::check_now).
    ///
    /// Roles are checked before the time of the login: no user is asked for a password that would not let
    /// them in.
    pub fn check(&self, session: &Session, now: SystemTime) -> Access {
        if session.is_ended() || session.user().is_none() {
            return Access::LoginRequired;
        }
        if self.source().is_some() || !self.conditions.is_empty() {
            return Access::Forbidden;
        }
        self.check_with(&self.own_roles(session), session, now)
    }

    /// Returns the roles that the session itself holds for its user.
    pub(crate) fn own_roles(&self, session: &Session) -> Vec<String> {
        // Roles of an earlier user do not count.
        if self.roles.is_empty() || !session.has_own_roles() {
            return Vec::new();
        }
        session.get(ROLES).ok().flatten().unwrap_or_default()
    }

    /// Checks the remaining conditions for a user who is signed in and has these roles.
    pub(crate) fn check_with(&self, has: &[String], session: &Session, now: SystemTime) -> Access {
        let may = self
            .roles
            .iter()
            .all(|wanted| wanted.iter().any(|role| has.contains(role)))
            && self.predicates.iter().all(|predicate| predicate(session));
        if !may {
            return Access::Forbidden;
        }
        let is_fresh = |within: Duration| {
            // A login in the future comes from a clock that is ahead: it is accepted as far ahead as one in
            // the past, and not until that time has come.
            let apart = |at| {
                now.duration_since(at)
                    .unwrap_or_else(|error| error.duration())
            };
            let login = session.authenticated_at();
            login.is_some_and(|at| apart(at) <= within)
        };
        if self.fresh.is_none_or(is_fresh) {
            Access::Granted
        } else {
            Access::StepUpRequired
        }
    }
}

impl fmt::Debug for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Require")
            .field("roles", &self.roles)
            .field("fresh", &self.fresh)
            .field("predicates", &self.predicates.len())
            .field("conditions", &self.conditions.len())
            .field("asks_for_roles", &self.source.is_some())
            .finish()
    }
}
