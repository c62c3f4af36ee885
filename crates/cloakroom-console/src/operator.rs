//! The people who use the console, and their rights.

use std::future::Future;
use std::pin::Pin;
use std::time::SystemTime;

use axum::extract::FromRequestParts as _;
use axum::http::request::Parts;
use cloakroom::auth::{Access, Require};
use cloakroom::{Session, SessionId};

/// A right of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Right {
    /// To see who is signed in: every operator has it.
    Look,
    /// To end sessions.
    End,
    /// To see values of sessions.
    Reveal,
}

/// The rights of an operator; to look is the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    may_end: bool,
    may_reveal: bool,
}

impl Rights {
    /// Creates the right to look alone.
    pub const fn look() -> Self {
        Self {
            may_end: false,
            may_reveal: false,
        }
    }

    /// Creates all rights.
    pub const fn all() -> Self {
        Self {
            may_end: true,
            may_reveal: true,
        }
    }

    /// Adds or takes the right to end sessions.
    #[must_use]
    pub const fn end(self, may: bool) -> Self {
        Self {
            may_end: may,
            ..self
        }
    }

    /// Adds or takes the right to see values of sessions.
    #[must_use]
    pub const fn reveal(self, may: bool) -> Self {
        Self {
            may_reveal: may,
            ..self
        }
    }

    /// Returns `true` if a right is among them.
    pub const fn has(self, right: Right) -> bool {
        match right {
            Right::Look => true,
            Right::End => self.may_end,
            Right::Reveal => self.may_reveal,
        }
    }
}

/// An operator of one request.
#[derive(Clone, Debug)]
pub struct Operator {
    pub(crate) name: String,
    pub(crate) rights: Rights,
    pub(crate) own: Option<SessionId>,
    pub(crate) login: String,
}

impl Operator {
    /// Creates an operator of this name, which the audit has.
    pub fn new(name: impl Into<String>, rights: Rights) -> Self {
        Self {
            name: name.into(),
            rights,
            own: None,
            login: String::new(),
        }
    }

    /// Sets the operator's own session, which is marked, and which no ending of many includes unless asked to.
    #[must_use]
    pub fn own_session(mut self, id: SessionId) -> Self {
        id.expose().clone_into(&mut self.login);
        self.own = Some(id);
        self
    }

    /// Sets a text that belongs to this login alone, and that is never shown: forms are bound to it.
    #[must_use]
    pub(crate) fn login(mut self, login: &str) -> Self {
        login.clone_into(&mut self.login);
        self
    }

    /// Returns `true` if a session is the operator's own.
    pub(crate) fn owns(&self, id: &SessionId) -> bool {
        self.own
            .as_ref()
            .is_some_and(|own| own == id || own.hashed_at_rest() == *id)
    }
}

/// The future of [`Operators::operator`].
pub type OperatorFuture<'a> = Pin<Box<dyn Future<Output = Option<Operator>> + Send + 'a>>;

/// The guard of the console: decides who a request's operator is, if anybody.
///
/// A closure is one: `|request: &Parts| …`. [`SessionRoles`] asks the application's own sessions.
pub trait Operators: Send + Sync + 'static {
    /// Returns the operator; `None` for a request of nobody who may look.
    fn operator<'a>(&'a self, request: &'a mut Parts) -> OperatorFuture<'a>;
}

impl<F> Operators for F
where
    F: Fn(&Parts) -> Option<Operator> + Send + Sync + 'static,
{
    fn operator<'a>(&'a self, request: &'a mut Parts) -> OperatorFuture<'a> {
        let operator = self(request);
        Box::pin(std::future::ready(operator))
    }
}

/// Operators by what their own sessions fulfil, under the application's `SessionLayer`.
///
/// ```
/// use cloakroom::Require;
/// use cloakroom_console::SessionRoles;
///
/// let operators = SessionRoles::new(Require::any_role(["support", "admin"]))
///     .end(Require::role("admin"))
///     .reveal(Require::role("admin").fresh(std::time::Duration::from_secs(300)));
/// ```
#[derive(Clone, Debug)]
pub struct SessionRoles {
    look: Require,
    end: Option<Require>,
    reveal: Option<Require>,
}

impl SessionRoles {
    /// Creates operators who may look.
    pub fn new(look: Require) -> Self {
        Self {
            look,
            end: None,
            reveal: None,
        }
    }

    /// Sets what it takes to end sessions; without, nobody may.
    #[must_use]
    pub fn end(mut self, require: Require) -> Self {
        self.end = Some(require);
        self
    }

    /// Sets what it takes to see values; without, nobody may.
    #[must_use]
    pub fn reveal(mut self, require: Require) -> Self {
        self.reveal = Some(require);
        self
    }

    fn judge(&self, session: &Session) -> Option<Operator> {
        let fulfils =
            |require: &Require| require.check(session, SystemTime::now()) == Access::Granted;
        let has = |require: &Option<Require>| require.as_ref().is_some_and(fulfils);
        let name = session.user()?;
        let rights = Rights::look().end(has(&self.end)).reveal(has(&self.reveal));
        fulfils(&self.look).then(|| Operator::new(name, rights).own_session(session.id()))
    }
}

impl Operators for SessionRoles {
    fn operator<'a>(&'a self, request: &'a mut Parts) -> OperatorFuture<'a> {
        Box::pin(async move {
            let session = Session::from_request_parts(request, &()).await.ok()?;
            self.judge(&session)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Right, Rights};

    #[test]
    fn each_right_is_given_by_itself() {
        use Right::{End, Look, Reveal};
        for (rights, expected) in [
            (Rights::look(), [true, false, false]),
            (Rights::look().end(true), [true, true, false]),
            (Rights::look().reveal(true), [true, false, true]),
            (Rights::all(), [true, true, true]),
            (Rights::all().end(false), [true, false, true]),
        ] {
            assert_eq!(
                [Look, End, Reveal].map(|right| rights.has(right)),
                expected,
                "{rights:?}"
            );
        }
    }
}
