//! Who may pass: decided here, said in a framework's words by `web/`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::login::ROLES;
use crate::session::Session;

/// What a guard decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The request goes on.
    Granted,
    /// Nobody is signed in: 401, or the way to the login.
    LoginRequired,
    /// Somebody is, and it is too long ago: the password is asked for again.
    StepUpRequired,
    /// Somebody is who may not: 403.
    Forbidden,
}

type Predicate = Arc<dyn Fn(&Session) -> bool + Send + Sync>;

/// What a visitor has to be to pass; all of it is asked for.
///
/// Roles are the texts in the session's `roles`, an array, as in `session.insert("roles",
/// ["admin"])`.
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
    /// Of each group one role.
    roles: Vec<Vec<String>>,
    fresh: Option<Duration>,
    predicates: Vec<Predicate>,
}

impl Require {
    /// Anybody who is signed in.
    pub fn login() -> Self {
        Self {
            roles: Vec::new(),
            fresh: None,
            predicates: Vec::new(),
        }
    }

    /// Somebody with this role.
    pub fn role(role: impl Into<String>) -> Self {
        Self::login().and_any_role([role.into()])
    }

    /// Somebody with one of these roles.
    pub fn any_role(roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::login().and_any_role(roles)
    }

    /// Somebody with all of these roles.
    pub fn all_roles(roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        roles
            .into_iter()
            .fold(Self::login(), |require, role| require.and_any_role([role]))
    }

    /// And one of these roles besides.
    pub fn and_any_role(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.roles.push(roles.into_iter().map(Into::into).collect());
        self
    }

    /// And a login that is not longer ago than that (step-up, OWASP ASVS 7.5.3): a session that says
    /// nothing of its login is not fresh, nor is one whose login is further ahead than that.
    pub fn fresh(mut self, within: Duration) -> Self {
        self.fresh = Some(self.fresh.map_or(within, |other| other.min(within)));
        self
    }

    /// And whatever else the application asks for; `false` is [`Access::Forbidden`].
    pub fn when(mut self, predicate: impl Fn(&Session) -> bool + Send + Sync + 'static) -> Self {
        self.predicates.push(Arc::new(predicate));
        self
    }

    /// Whether it asks for more than a login: then a guard looks at the session as it is stored, past
    /// every cache.
    #[cfg(any(feature = "tower", feature = "actix"))]
    pub(crate) fn is_strict(&self) -> bool {
        !self.roles.is_empty() || self.fresh.is_some() || !self.predicates.is_empty()
    }

    /// Whether a session may pass at this time. Roles are looked at before the time of the login:
    /// nobody is asked for a password that would not let them in.
    pub fn check(&self, session: &Session, now: SystemTime) -> Access {
        if session.is_ended() || session.user().is_none() {
            return Access::LoginRequired;
        }
        let has: Vec<String> = session.get(ROLES).ok().flatten().unwrap_or_default();
        let may = self
            .roles
            .iter()
            .all(|wanted| wanted.iter().any(|role| has.contains(role)))
            && self.predicates.iter().all(|predicate| predicate(session));
        if !may {
            return Access::Forbidden;
        }
        let is_fresh = |within: Duration| {
            // A login in the future is one of a clock that is ahead: it is believed as far as one in the
            // past, and not until that time has come.
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
            .finish()
    }
}
