//! Responses of the session layer: statuses, fields and texts, equal in every framework.

use std::borrow::Cow;

use super::cache;
use super::head::{HeaderMapExt, Name};
use crate::auth::Rejection;
use crate::manager::{CloseError, ResponseEffects};
use crate::policy::CachePolicy;

/// A field's name in lower case, and its value.
pub(super) type ResponseField = (&'static str, Cow<'static, str>);

/// A response, before it is converted for a framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResponseParts {
    pub(super) status: u16,
    pub(super) field: Option<ResponseField>,
    pub(super) text: Cow<'static, str>,
    /// The text's media type.
    pub(super) kind: &'static str,
    /// Additional fields.
    pub(super) fields: Vec<ResponseField>,
}

const PLAIN: &str = "text/plain; charset=utf-8";

impl ResponseParts {
    pub(super) fn new(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            field: None,
            text: text.into(),
            kind: PLAIN,
            fields: Vec::new(),
        }
    }

    /// Returns the response as JSON for a client that accepts it: a problem (RFC 9457).
    pub(super) fn in_kind(self, accept: &str) -> Self {
        let wants_json = accept.contains("json") && !accept.contains("text/html");
        if !wants_json || self.text.is_empty() || self.kind != PLAIN {
            return self;
        }
        // The texts are the library's, and hold nothing to be escaped.
        let text = format!(r#"{{"title":"{}","status":{}}}"#, self.text, self.status);
        Self {
            text: text.into(),
            kind: "application/problem+json",
            ..self
        }
    }

    /// Returns all fields of the head.
    pub(super) fn all_fields(&self) -> impl Iterator<Item = &ResponseField> {
        self.field.iter().chain(&self.fields)
    }

    /// Returns the response that replaces one whose session could not be stored.
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
            field: field.map(|(name, value)| (name, value.to_owned().into())),
            ..Self::new(refusal.status(), refusal.text())
        }
    }
}

/// Adds the session's fields to the response: its cookie, and those for caches.
pub(super) fn add(closing: &ResponseEffects, cache: CachePolicy, fields: &mut impl HeaderMapExt) {
    if let Some(cookie) = &closing.set_cookie
        && !fields.append(Name::SetCookie, cookie)
    {
        tracing::error!("a session's cookie holds a control character and is not sent");
    }
    if let Some(data) = &closing.clear_site_data {
        fields.append(Name::ClearSiteData, data);
    }
    if closing.is_anonymous {
        cache::vary(fields, cache);
    } else {
        cache::keep_private(fields, cache);
    }
}
