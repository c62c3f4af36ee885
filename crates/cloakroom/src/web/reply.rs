//! The application's own responses in place of the library's.

use std::fmt;
use std::sync::Arc;

use super::answer::ResponseParts;
use crate::auth::Rejection;

/// The reason for which a guard, the CSRF guard, or the session layer responds instead of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// No user is signed in.
    LoginRequired,
    /// The login is too long ago.
    StepUpRequired,
    /// The user lacks the right.
    Forbidden,
    /// The request comes from another site, or its form is out of date.
    Forged,
    /// The handler has responded, and its session could not be stored: its other effects have happened.
    NotSaved,
    /// The store, or the application's own source of roles or accounts, failed.
    Unavailable,
    /// A mistake in the application or in the request: no session layer, no path.
    Other,
}

/// The response that is about to replace a handler's.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Refused<'a> {
    /// The reason.
    pub cause: Cause,
    /// The status: 303 where a browser is redirected to the login.
    pub status: u16,
    /// The reason, in a sentence.
    pub text: &'a str,
    /// The login's address with the path to return to, where the guard has a login and the client is a
    /// browser or htmx.
    pub login: Option<&'a str>,
    /// The request's method.
    pub method: &'a str,
    /// Its Accept fields, joined by commas.
    pub accept: &'a str,
    /// Its path and query.
    pub target: &'a str,
}

/// A response, in any framework.
///
/// ```
/// use cloakroom::web::Reply;
///
/// let reply = Reply::json(401, r#"{"error":"login"}"#).field("www-authenticate", "Session");
/// # let _ = reply;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Reply(ResponseParts);

impl Reply {
    /// Creates a response with plain text.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self(ResponseParts::new(status, text.into()))
    }

    /// Creates a response with a page.
    pub fn html(status: u16, page: impl Into<String>) -> Self {
        Self(ResponseParts {
            kind: "text/html; charset=utf-8",
            ..ResponseParts::new(status, page.into())
        })
    }

    /// Creates a response with JSON, as its text.
    pub fn json(status: u16, json: impl Into<String>) -> Self {
        Self(ResponseParts {
            kind: "application/json",
            ..ResponseParts::new(status, json.into())
        })
    }

    /// Creates a redirect: 303 to another address.
    pub fn see_other(to: impl Into<String>) -> Self {
        Self(ResponseParts::new(303, "")).field("location", to)
    }

    /// Adds a field; one that cannot be written is left out.
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.fields.push((name, value.into().into()));
        self
    }
}

type ReplyFunction = dyn Fn(&Refused<'_>) -> Option<Reply> + Send + Sync;

/// The application's function that creates responses, if it has one.
#[derive(Clone, Default)]
pub(super) struct Replies(Option<Arc<ReplyFunction>>);

/// The parts of a request that the function may depend on.
#[derive(Clone, Debug, Default)]
pub(super) struct Asking {
    pub(super) method: String,
    pub(super) accept: String,
    pub(super) target: String,
}

impl Replies {
    pub(super) fn new(
        answer: impl Fn(&Refused<'_>) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(answer)))
    }

    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Returns these or, where there are none, the others.
    pub(super) fn or(&self, others: &Self) -> Self {
        Self(self.0.clone().or_else(|| others.0.clone()))
    }

    /// Returns the application's response instead of the library's, where it has one.
    pub(super) fn of(&self, answer: ResponseParts, cause: Cause, asking: &Asking) -> ResponseParts {
        let Some(own) = &self.0 else {
            return answer.in_kind(&asking.accept);
        };
        let is_login = |(name, _): &&(&str, _)| ["location", "hx-redirect"].contains(name);
        let login = answer.field.as_ref().filter(is_login);
        let refused = Refused {
            cause,
            status: answer.status,
            text: &answer.text,
            login: login.map(|(_, to)| &**to),
            method: &asking.method,
            accept: &asking.accept,
            target: &asking.target,
        };
        match own(&refused) {
            Some(Reply(reply)) => reply,
            None => answer.in_kind(&asking.accept),
        }
    }
}

impl Cause {
    pub(super) fn of(refusal: &Rejection) -> Self {
        match refusal {
            Rejection::ToLogin(to) | Rejection::HtmxToLogin(to) if to.ends_with("again=1") => {
                Self::StepUpRequired
            }
            Rejection::LoginRequired | Rejection::ToLogin(_) | Rejection::HtmxToLogin(_) => {
                Self::LoginRequired
            }
            Rejection::StepUpRequired => Self::StepUpRequired,
            Rejection::Forbidden(_) => Self::Forbidden,
            Rejection::Unavailable => Self::Unavailable,
            _ => Self::Other,
        }
    }
}

impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Replies").field(&self.is_some()).finish()
    }
}
