//! Failed requests: the status, a sentence, and the form that the client accepts.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts as _, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Json, http};
use cloakroom::auth::TooManyAttempts;
use cloakroom::store::StoreError;
use cloakroom::{Session, SessionError};
use serde_json::json;

use super::negotiate::Wants;
use super::pages;
use super::visitor::Visitor;

/// Longest sentence of the shop's own, in bytes.
const LONGEST_SENTENCE: usize = 4096;

/// The reasons for which a request fails.
#[derive(Debug)]
pub(super) enum Failure {
    NotSignedIn,
    WrongPassword,
    NoSuchProduct,
    NoSuchDevice,
    NoSuchUser,
    ShortPassword,
    WrongCurrentPassword,
    Attempts(TooManyAttempts),
    TooMany,
    /// The body is not what was asked for.
    Body(StatusCode, String),
    Session(SessionError),
    /// The store did not say what it was asked.
    Store,
}

impl From<TooManyAttempts> for Failure {
    fn from(error: TooManyAttempts) -> Self {
        Self::Attempts(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Session(error.into())
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        use StatusCode as Status;
        let (status, sentence) = match self {
            Self::Session(error) => return error.into_response(),
            Self::Body(status, sentence) => return (status, sentence).into_response(),
            Self::Attempts(error) => return error.into_response(),
            Self::NotSignedIn => (Status::UNAUTHORIZED, "nobody is signed in"),
            Self::WrongPassword => (Status::UNAUTHORIZED, "wrong name or password"),
            Self::NoSuchProduct => (Status::NOT_FOUND, "no such product"),
            Self::NoSuchDevice => (Status::NOT_FOUND, "you have no such session"),
            Self::NoSuchUser => (Status::NOT_FOUND, "no such user"),
            Self::ShortPassword => (
                Status::UNPROCESSABLE_ENTITY,
                "a password has 8 to 128 characters",
            ),
            Self::WrongCurrentPassword => (Status::FORBIDDEN, "that is not the current password"),
            Self::TooMany => (Status::UNPROCESSABLE_ENTITY, "qty is a number from 0 to 99"),
            Self::Store => (
                Status::SERVICE_UNAVAILABLE,
                "the session store is unavailable",
            ),
        };
        (status, sentence).into_response()
    }
}

/// Gives failures of whatever layer the look that the client wants: a page, or one line of JSON. Inside the
/// session's layer a page shows the visitor; outside it is for what fails there.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    let wants = Wants::of(request.headers());
    let (head, body) = request.into_parts();
    let response = next.run(Request::from_parts(head.clone(), body)).await;
    if !is_bare_failure(&response) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let sentence = sentence(parts.status, body).await;
    let dressed = match wants {
        Wants::Page => {
            let visitor = visitor_for(parts.status, head).await;
            pages::failure(parts.status, &sentence, visitor.as_ref()).into_response()
        }
        Wants::Json => Json(json!({"error": sentence})).into_response(),
    };
    with_head(dressed, parts)
}

/// Reads the visitor of a failed request; `None` where the store is what failed, or there is no session's
/// layer.
async fn visitor_for(status: StatusCode, mut head: http::request::Parts) -> Option<Visitor> {
    if status.is_server_error() {
        return None;
    }
    let session = Session::from_request_parts(&mut head, &()).await.ok()?;
    Some(Visitor::of(&session))
}

fn is_bare_failure(response: &Response) -> bool {
    let failed = response.status().is_client_error() || response.status().is_server_error();
    failed && !is_dressed(response.headers())
}

fn is_dressed(headers: &HeaderMap) -> bool {
    let field = headers
        .get(CONTENT_TYPE)
        .and_then(|field| field.to_str().ok());
    field.is_some_and(|field| {
        field.starts_with("text/html") || field.starts_with("application/json")
    })
}

/// Returns the failure's own message, or the status's reason.
async fn sentence(status: StatusCode, body: Body) -> String {
    let said = to_bytes(body, LONGEST_SENTENCE).await.unwrap_or_default();
    if said.is_empty() {
        return match status {
            StatusCode::UNAUTHORIZED => "nobody is signed in, or too long ago".to_owned(),
            StatusCode::FORBIDDEN => "this needs the role admin".to_owned(),
            _ => status.canonical_reason().unwrap_or("failed").to_lowercase(),
        };
    }
    // The library's refusals are JSON for a client that takes it.
    let title = |said| {
        serde_json::from_slice::<serde_json::Value>(said)
            .ok()?
            .get("title")?
            .as_str()
            .map(str::to_owned)
    };
    title(&said).unwrap_or_else(|| String::from_utf8_lossy(&said).replace(['\r', '\n'], " "))
}

/// The new body under the status and the fields of the old one.
fn with_head(mut dressed: Response, mut parts: http::response::Parts) -> Response {
    parts.headers.remove(CONTENT_TYPE);
    parts.headers.remove(CONTENT_LENGTH);
    *dressed.status_mut() = parts.status;
    dressed.headers_mut().extend(parts.headers);
    dressed
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;

    use super::sentence;

    /// A sentence of the library's that is JSON already is not put into JSON once more.
    #[tokio::test]
    async fn a_refusal_is_one_sentence_whatever_form_it_came_in() {
        for (said, expected) in [
            ("no such user", "no such user"),
            (r#"{"title":"no such user","status":404}"#, "no such user"),
            (r#"{"status":404}"#, r#"{"status":404}"#),
            ("a\nb", "a b"),
            ("", "not found"),
        ] {
            let sentence = sentence(StatusCode::NOT_FOUND, Body::from(said)).await;
            assert_eq!(sentence, expected);
        }
    }
}
