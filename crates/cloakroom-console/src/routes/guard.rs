//! Checks of every request: where it comes from, and its operator; the fields of every response.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Shared;
use super::answer::Failure;
use crate::access::Head;
use crate::operator::Operator;
use crate::pages::{self, View};

/// Everything comes from here, scripts in files of their own only, and no page may frame it.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const FIELDS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_FRAME_OPTIONS, "DENY"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // The addresses of pages name users.
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Refuses requests that are not the console's own, and dresses every response.
pub(super) async fn check(State(console): State<Shared>, request: Request, next: Next) -> Response {
    let judged = Head::of(&request).judge(&console.hosts);
    let response = match judged {
        Ok(()) => next.run(request).await,
        Err(refusal) => Failure::forbidden(refusal.sentence()).into_response(),
    };
    secured(dressed(&console, None, response))
}

/// Lets an operator pass; shows everybody else the way in, or a refusal.
pub(super) async fn admit(State(console): State<Shared>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(operator) = console.operators.operator(&mut parts).await else {
        return unknown(&console);
    };
    console.looked_at();
    parts.extensions.insert(operator.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    dressed(&console, Some(&operator), response)
}

fn unknown(console: &Shared) -> Response {
    match &console.entry {
        Some(_) => (StatusCode::UNAUTHORIZED, pages::entry(&console.base, false)).into_response(),
        None => Failure::forbidden("Your session does not have the right to look at others'.")
            .into_response(),
    }
}

/// Handles an address that no page has.
pub(super) async fn missing() -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "No such page",
        "Nothing has this address.",
    )
}

/// Writes the page of a failure that has none.
fn dressed(console: &Shared, operator: Option<&Operator>, mut response: Response) -> Response {
    let Some(failure) = response.extensions_mut().remove::<Failure>() else {
        return response;
    };
    let view = operator.map(|operator| View::new(console, operator));
    let page = pages::notice(
        &console.base,
        view.as_ref(),
        failure.title,
        &failure.sentence,
    );
    (failure.status, page).into_response()
}

fn secured(mut response: Response) -> Response {
    let fields = response.headers_mut();
    for (name, value) in FIELDS {
        fields.insert(name, HeaderValue::from_static(value));
    }
    if !fields.contains_key(CACHE_CONTROL)
        || fields
            .get(CACHE_CONTROL)
            .is_some_and(|value| value == "no-cache")
    {
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
