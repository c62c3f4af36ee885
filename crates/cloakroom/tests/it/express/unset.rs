//! The option `unset`: statements 110 to 114, a handler that unsets its session.

use axum::http::{StatusCode, Uri};
use cloakroom::Session;
use cloakroom::policy::Unset;

use super::server::{Server, express, sid};

/// Changes the session, and lets it go unless the path is `/set`.
async fn dropping(session: Session, uri: Uri) -> &'static str {
    session.insert("path", uri.path()).unwrap();
    if uri.path() != "/set" {
        session.unset();
    }
    "ok"
}

// deviation: options_are_typed. No other value compiles.
#[test]
fn s110_there_are_two_values() {
    let name = |unset| match unset {
        Unset::Keep => "keep",
        Unset::Destroy => "destroy",
    };
    assert_eq!([Unset::Keep, Unset::Destroy].map(name), ["keep", "destroy"]);
}

#[tokio::test]
async fn s111_the_record_is_kept_by_default_and_the_changes_are_not() {
    assert_eq!(Unset::default(), Unset::Keep);
    let server = Server::new(express(), dropping);
    let mut client = server.client();
    let id = sid(&client.get("/set").await);
    let before = server.record(&id).await;
    server.calls();
    let answer = client.get("/drop").await;
    assert_eq!((&*answer.body, answer.set_cookie()), ("ok", None));
    assert_eq!(server.record(&id).await, before);
    assert_eq!(server.calls(), ["get"]);
}

// deviation: cleared_on_destroy. Express leaves the client its cookie.
#[tokio::test]
async fn s112_destroy_deletes_the_record() {
    let server = Server::new(express().unset(Unset::Destroy), dropping);
    let mut client = server.client();
    client.get("/set").await;
    server.calls();
    let answer = client.get("/drop").await;
    assert_eq!(server.calls(), ["get", "destroy"]);
    assert_eq!(server.stored().await, 0);
    let cleared = "connect.sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly";
    assert_eq!(answer.set_cookie(), Some(cleared));
}

// deviation: never_stored. Express asks the store to delete what it never had.
#[tokio::test]
async fn s113_a_new_session_that_is_dropped_leaves_nothing() {
    let server = Server::new(express().unset(Unset::Destroy), dropping);
    let answer = server.client().get("/drop").await;
    assert_eq!(answer.set_cookie(), None);
    assert_eq!(server.stored().await, 0);
    assert_eq!(server.calls(), Vec::<&str>::new());
}

// deviation: save_failure_is_an_error. Express completes the response, and the visitor believes in
// a logout that did not happen.
#[tokio::test]
async fn s114_a_failed_destroy_fails_the_response() {
    let server = Server::new(express().unset(Unset::Destroy), dropping);
    let mut client = server.client();
    let id = sid(&client.get("/set").await);
    server.gate.refuse(&["destroy"]);
    let answer = client.get("/drop").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let said = "the session could not be saved: the session store is unavailable";
    assert_eq!((&*answer.body, answer.set_cookie()), (said, None));
    assert!(server.record(&id).await.is_some());
    server.gate.refuse(&[]);
    client.get("/drop").await;
    assert_eq!(
        server.record(&id).await,
        None,
        "the client still has its cookie, and tries again"
    );
}
