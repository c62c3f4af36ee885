//! `rolling`, `resave` and `saveUninitialized`: statements 87 to 103, the conditions for writes and cookies.

use axum::Extension;
use axum::http::{StatusCode, Uri};
use cloakroom::policy::PolicyBuilder;
use cloakroom::{Policy, Session};

use super::gate::{Gate, WRITES};
use super::server::{Server, attributes, express, lasting, sid, visit};
use crate::support::{Answer, Client, keys};

/// A server, and a client whose session is stored: only the calls from now on are counted.
async fn stored(policy: PolicyBuilder) -> (Server, Client) {
    let server = Server::new(policy, visit);
    let mut client = server.client();
    client.get("/set").await;
    assert_eq!(server.calls(), ["create"]);
    (server, client)
}

/// Returns the result of a first request: its cookie, the store's calls, and the number of sessions.
async fn first(policy: PolicyBuilder, path: &str) -> (bool, Vec<&'static str>, u64) {
    let server = Server::new(policy, visit);
    let answer = server.client().get(path).await;
    assert_eq!(answer.status, StatusCode::OK);
    let calls = server.calls();
    (answer.set_cookie().is_some(), calls, server.stored().await)
}

const LEFT_ALONE: (bool, Vec<&str>, u64) = (false, vec![], 0);

fn created() -> (bool, Vec<&'static str>, u64) {
    (true, vec!["create"], 1)
}

#[tokio::test]
async fn s087_rolling_defaults_to_off() {
    for policy in [express(), lasting()] {
        let (_, mut client) = stored(policy).await;
        assert_eq!(client.get("/").await.set_cookie(), None);
    }
}

#[tokio::test]
async fn s088_rolling_sends_the_cookie_of_an_unmodified_session() {
    let (server, mut client) = stored(lasting().rolling(true)).await;
    server.advance(std::time::Duration::from_secs(1));
    let sent = attributes(&client.get("/").await);
    let moved = "Path=/; Expires=Fri, 02 Jan 2026 03:05:06 GMT; HttpOnly";
    assert_eq!(sent.as_deref(), Some(moved));
}

#[tokio::test]
async fn s089_rolling_sends_no_cookie_of_an_uninitialized_session() {
    let policy = express().rolling(true).save_uninitialized(false);
    assert_eq!(first(policy, "/").await, LEFT_ALONE);
}

#[tokio::test]
async fn s090_rolling_with_save_uninitialized_stores_and_sends() {
    let policy = express().rolling(true).save_uninitialized(true);
    assert_eq!(first(policy, "/").await, created());
}

#[tokio::test]
async fn s091_rolling_stores_and_sends_a_modified_session() {
    let policy = express().rolling(true).save_uninitialized(false);
    assert_eq!(first(policy, "/set").await, created());
}

// deviation: resave_is_off. Express's default writes with every request, and resurrects sessions
// that another request destroyed.
#[tokio::test]
async fn s092_resave_defaults_to_off() {
    for policy in [
        express(),
        Policy::builder(keys()).secure(cloakroom::Secure::Never),
    ] {
        let (server, mut client) = stored(policy).await;
        client.get("/").await;
        let calls = server.calls();
        assert!(!calls.iter().any(|call| WRITES.contains(call)), "{calls:?}");
    }
}

#[tokio::test]
async fn s093_resave_writes_an_unmodified_session() {
    let (server, mut client) = stored(express().resave(true)).await;
    client.get("/").await;
    assert_eq!(server.calls(), ["get", "update"]);
}

#[tokio::test]
async fn s094_an_unmodified_session_is_not_written_without_resave() {
    let (server, mut client) = stored(express().resave(false)).await;
    client.get("/").await;
    assert_eq!(server.calls(), ["get", "touch"]);
}

#[tokio::test]
async fn s095_a_modified_session_is_written_without_resave() {
    let (server, mut client) = stored(express().resave(false)).await;
    let steps = [
        ("/set", "update", 2),
        ("/", "touch", 2),
        ("/set", "update", 3),
    ];
    for (path, call, views) in steps {
        assert_eq!(
            client.get(path).await.body,
            format!(r#"{{"views":{views}}}"#)
        );
        assert_eq!(server.calls(), ["get", call]);
    }
}

#[tokio::test]
async fn s096_a_nested_key_called_cookie_counts_as_modified() {
    async fn nested(session: Session, uri: Uri) {
        if uri.path() == "/own" {
            session.cookie_mut(|cookie| cookie.http_only(false));
        } else {
            let json = format!(r#"{{"cookie":"{}"}}"#, uri.path());
            session.insert_raw("user", &json).unwrap();
        }
    }
    let server = Server::new(express().resave(false), nested);
    let mut client = server.client();
    for (path, calls) in [
        ("/one", &["create"][..]),
        ("/two", &["get", "update"]),
        ("/two", &["get", "touch"]),
        ("/own", &["get", "touch"]),
    ] {
        client.get(path).await;
        assert_eq!(server.calls(), calls, "{path}");
    }
}

#[tokio::test]
async fn s097_a_failed_touch_does_not_fail_the_response() {
    let (server, mut client) = stored(express().resave(false)).await;
    server.gate.refuse(&["touch"]);
    let answer = client.get("/").await;
    assert_eq!(
        (answer.status, &*answer.body),
        (StatusCode::OK, r#"{"views":1}"#)
    );
    assert_eq!(server.calls(), ["get", "touch"]);
}

// deviation: save_uninitialized_is_off. Bots and health checks fill no store.
#[tokio::test]
async fn s098_save_uninitialized_defaults_to_off() {
    assert_eq!(first(express(), "/").await, LEFT_ALONE);
    let ours = Policy::builder(keys()).secure(cloakroom::Secure::Never);
    assert_eq!(first(ours, "/").await, LEFT_ALONE);
}

#[tokio::test]
async fn s099_save_uninitialized_stores_and_sends_an_untouched_session() {
    assert_eq!(
        first(express().save_uninitialized(true), "/").await,
        created()
    );
}

#[tokio::test]
async fn s100_without_save_uninitialized_an_untouched_session_is_not_stored() {
    let policy = express().save_uninitialized(false);
    assert_eq!(first(policy, "/").await, LEFT_ALONE);
}

#[tokio::test]
async fn s101_without_save_uninitialized_a_modified_session_is_stored_and_sent() {
    let policy = express().save_uninitialized(false);
    assert_eq!(first(policy, "/set").await, created());
}

// deviation: save_failure_is_an_error. Express's client gets its 200, the body, and the cookie of a
// session that was not stored.
#[tokio::test]
async fn s102_a_failed_save_fails_the_response() {
    fn is_unavailable(answer: &Answer) {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let said = "the session could not be saved: the session store is unavailable";
        assert_eq!((&*answer.body, answer.set_cookie()), (said, None));
    }
    let server = Server::new(express().save_uninitialized(true), visit);
    let mut client = server.client();
    server.gate.refuse(&WRITES);
    for path in ["/", "/set"] {
        is_unavailable(&client.get(path).await);
    }
    assert_eq!(server.stored().await, 0);
    server.gate.refuse(&[]);
    let id = sid(&client.get("/set").await);
    let before = server.record(&id).await;
    server.gate.refuse(&WRITES);
    is_unavailable(&client.get("/set").await);
    assert_eq!(server.record(&id).await, before);
}

#[tokio::test]
async fn s103_an_uninitialized_session_is_never_touched() {
    async fn touch(session: Session, Extension(gate): Extension<Gate>) {
        session.touch();
        assert_eq!(gate.take_calls(), Vec::<&str>::new());
    }
    for (saves, calls) in [(false, &[][..]), (true, &["create"])] {
        let server = Server::new(express().save_uninitialized(saves), touch);
        server.client().get("/").await;
        assert_eq!(server.calls(), calls);
    }
}
