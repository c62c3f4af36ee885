//! The option `cookie.path`: statements 55 to 60, which requests have a session.

use axum::Router;
use axum::http::Request;
use axum::http::header::HOST;
use axum::http::request::Builder;
use cloakroom::Session;

use super::server::{Server, attributes, express};

const COVERED: &str = "Path=/foo/bar; HttpOnly";

/// Changes the session where there is one, and says whether there is.
async fn change(session: Option<Session>) -> String {
    if let Some(session) = &session {
        session.insert("a", 1).unwrap();
    }
    session.is_some().to_string()
}

/// Returns `true` if the request has a session, and the response's `Set-Cookie`; the application is
/// mounted at `prefix`, and its cookie is for `/foo/bar`.
async fn asked(prefix: &str, request: Builder) -> (bool, Option<String>) {
    let server = Server::new(express().path("/foo/bar"), change);
    let inner = server.app.router.clone();
    let router = match prefix {
        "" => inner,
        prefix => Router::new().nest(prefix, inner),
    };
    let answer = crate::support::Client::new(router).send(request).await;
    assert_eq!(answer.status.as_u16(), 200);
    let has_session = answer.body == "true";
    assert_eq!(server.stored().await, u64::from(has_session));
    (has_session, attributes(&answer))
}

#[tokio::test]
async fn s055_a_request_above_the_path_has_no_session() {
    assert_eq!(asked("", Request::get("/")).await, (false, None));
}

#[tokio::test]
async fn s056_an_odd_host_does_not_move_the_path() {
    let request = Request::get("/").header(HOST, "http://foo/bar");
    assert_eq!(asked("", request).await, (false, None));
    let request = Request::get("http://foo/bar");
    assert_eq!(asked("", request).await, (false, None));
}

#[tokio::test]
async fn s057_a_request_for_the_path_gets_the_cookie() {
    let asked = asked("", Request::get("/foo/bar")).await;
    assert_eq!(asked, (true, Some(COVERED.into())));
}

// deviation: segment_boundary. `/foo/bar` covers `/foo/bar/baz` on both sides; that it covers
// `/foo/barbaz` is Express's alone.
#[tokio::test]
async fn s058_a_request_below_the_path_gets_the_cookie() {
    let below = asked("", Request::get("/foo/bar/baz")).await;
    assert_eq!(below, (true, Some(COVERED.into())));
    assert_eq!(asked("", Request::get("/foo/barbaz")).await, (false, None));
}

#[tokio::test]
async fn s059_the_path_is_the_one_that_the_client_asked_for() {
    let asked = asked("/foo", Request::get("/foo/bar")).await;
    assert_eq!(asked, (true, Some(COVERED.into())));
}

#[tokio::test]
async fn s060_a_path_below_the_mount_is_not_the_path() {
    let asked = asked("/foo", Request::get("/foo/foo/bar")).await;
    assert_eq!(asked, (false, None));
}
