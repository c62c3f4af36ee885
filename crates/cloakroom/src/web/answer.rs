//! What is answered in a session's name: statuses, fields and texts, the same in every framework.

use std::borrow::Cow;

use super::cache;
use super::head::{HeaderMapExt, Name};
use crate::auth::Rejection;
use crate::manager::{CloseError, ResponseEffects};
use crate::policy::CachePolicy;

/// A field's name in lower case, and its value.
pub(super) type ResponseField = (&'static str, Cow<'static, str>);

/// An answer, before a framework says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResponseParts {
    pub(super) status: u16,
    pub(super) field: Option<ResponseField>,
    pub(super) text: Cow<'static, str>,
}

impl ResponseParts {
    pub(super) fn new(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            field: None,
            text: text.into(),
        }
    }

    /// What stands in the place of a response whose session could not be stored.
    pub(super) fn of_unsaved(error: &CloseError) -> Self {
        let status = match error {
            error if error.is_temporary() => 503,
            error if error.is_late() => 409,
            _ => 500,
        };
        Self::new(status, error.answer())
    }
}

impl From<Rejection> for ResponseParts {
    fn from(refusal: Rejection) -> Self {
        let field = refusal.field();
        Self {
            status: refusal.status(),
            field: field.map(|(name, value)| (name, value.to_owned().into())),
            text: refusal.text().into(),
        }
    }
}

/// Adds what the session owes to the response: its cookie, and what caches must know.
pub(super) fn add(closing: &ResponseEffects, cache: CachePolicy, fields: &mut impl HeaderMapExt) {
    if let Some(cookie) = &closing.set_cookie
        && !fields.append(Name::SetCookie, cookie)
    {
        tracing::error!("a session's cookie holds a control character and is not sent");
    }
    cache::keep_private(fields, cache);
}
