//! `req.session` and its methods: statements 118 to 132.

use std::time::Duration;

use axum::Extension;
use axum::extract::OriginalUri;
use axum::http::{StatusCode, Uri};
use cloakroom::id::SessionId;
use cloakroom::policy::OnStoreError;
use cloakroom::store::Store as _;
use cloakroom::{Session, SessionError};

use super::gate::Gate;
use super::server::{Server, attributes, express, lasting, sid, visit};

#[tokio::test]
async fn s118_data_persists_and_can_be_loaded_by_its_id() {
    let server = Server::new(express(), visit);
    let mut client = server.client();
    let id = sid(&client.get("/set").await);
    assert_eq!(client.get("/set").await.body, r#"{"views":2}"#);
    assert_eq!(client.get("/set").await.body, r#"{"views":3}"#);
    let record = server.record(&id).await.unwrap();
    assert!(record.ends_with(r#","views":3}"#), "{record}");
}

#[tokio::test]
async fn s119_the_cookie_is_sent_when_the_session_was_modified() {
    let server = Server::new(lasting(), visit);
    let mut client = server.client();
    for (path, sends) in [("/set", true), ("/", false), ("/", false), ("/set", true)] {
        assert_eq!(
            client.get(path).await.set_cookie().is_some(),
            sends,
            "{path}"
        );
    }
}

#[tokio::test]
async fn s120_methods_are_not_data() {
    let server = Server::new(express(), |session: Session| async move {
        session.insert("a", 1).unwrap();
        for method in [
            "id",
            "req",
            "save",
            "touch",
            "reload",
            "destroy",
            "regenerate",
            "cookie",
        ] {
            assert_eq!(session.get_raw(method).unwrap(), None, "{method}");
        }
        session.keys().join(",")
    });
    assert_eq!(server.client().get("/").await.body, "a");
}

// deviation: outage_is_503. A store does not announce that it is away: it fails, and whether the
// request does is the policy's to say.
#[tokio::test]
async fn s121_an_unavailable_store_gives_no_session() {
    let server = Server::new(express(), visit);
    let mut client = server.client();
    client.get("/set").await;
    server.gate.refuse(&["get", "create", "update", "touch"]);
    let answer = client.get("/set").await;
    assert_eq!(
        (answer.status, answer.set_cookie()),
        (StatusCode::SERVICE_UNAVAILABLE, None)
    );

    let anonymous = express().on_store_error(OnStoreError::Anonymous);
    let server = Server::new(anonymous, visit);
    let mut client = server.client();
    let id = sid(&client.get("/set").await);
    let before = server.record(&id).await;
    server.gate.refuse(&["get", "create", "update", "touch"]);
    let answer = client.get("/set").await;
    assert_eq!(
        (answer.status, &*answer.body),
        (StatusCode::OK, r#"{"views":1}"#)
    );
    assert_eq!(answer.set_cookie(), None);
    assert_eq!(
        (server.record(&id).await, server.stored().await),
        (before, 1)
    );
}

// deviation: outage_is_503
#[tokio::test]
async fn s122_a_recovered_store_gives_sessions_again() {
    for policy in [OnStoreError::Unavailable, OnStoreError::Anonymous] {
        let server = Server::new(express().on_store_error(policy), visit);
        let mut client = server.client();
        client.get("/set").await;
        server.gate.refuse(&["get"]);
        client.get("/set").await;
        server.gate.refuse(&[]);
        assert_eq!(
            client.get("/set").await.body,
            r#"{"views":2}"#,
            "{policy:?}"
        );
    }
}

// deviation: cleared_on_destroy. For a client that brought no cookie there is none to clear, and
// both sides send nothing; from one that did, Express does not take it back.
#[tokio::test]
async fn s123_destroy_ends_the_session() {
    async fn destroying(session: Session, uri: Uri) {
        session.insert("path", uri.path()).unwrap();
        if uri.path() != "/set" {
            session.destroy().await.unwrap();
            assert!(matches!(session.get::<u32>("a"), Err(SessionError::Ended)));
            assert!(session.is_ended());
        }
    }
    let server = Server::new(express(), destroying);
    assert_eq!(server.client().get("/").await.set_cookie(), None);
    assert_eq!(server.stored().await, 0);
    let mut client = server.client();
    client.get("/set").await;
    let answer = client.get("/").await;
    let cleared = "connect.sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly";
    assert_eq!(answer.set_cookie(), Some(cleared));
    assert_eq!(server.stored().await, 0);
}

// deviation: regenerate_keeps. Express's `regenerate` is our `reset`; our `regenerate` keeps the
// data.
#[tokio::test]
async fn s124_regenerate_replaces_the_id() {
    async fn replacing(session: Session, uri: Uri) -> String {
        match uri.path() {
            "/reset" => session.reset().unwrap(),
            "/regenerate" => session.regenerate().unwrap(),
            _ => session.insert("a", 1).unwrap(),
        }
        session.to_json().unwrap()
    }
    let server = Server::new(express(), replacing);
    for (path, data) in [("/reset", "{}"), ("/regenerate", r#"{"a":1}"#)] {
        let mut client = server.client();
        let old = sid(&client.get("/set").await);
        let answer = client.get(path).await;
        assert_eq!(answer.body, data);
        let new = sid(&answer);
        assert_ne!(new, old);
        assert_eq!(server.record(&old).await, None);
        assert!(server.record(&new).await.is_some());
    }
}

/// Changes the session on the path that was asked for, and `/reload` reads it again after another
/// request has changed it, too.
async fn reloading(
    session: Session,
    OriginalUri(uri): OriginalUri,
    Extension(gate): Extension<Gate>,
) -> Result<String, SessionError> {
    session.insert("path", uri.path())?;
    if uri.path() != "/set" {
        change_elsewhere(&session, &gate, uri.path()).await;
        session.reload().await?;
    }
    session.to_json()
}

/// Changes the session in the store directly, as a concurrent request would.
async fn change_elsewhere(session: &Session, gate: &Gate, path: &str) {
    let id = session.id();
    let stored = gate.get(&id).await.unwrap().unwrap();
    if path == "/gone" {
        gate.destroy(&id).await.unwrap();
        return;
    }
    let text = stored.text.replace("\"/set\"", "\"/meanwhile\"");
    let entry = cloakroom::store::NewRecord {
        text: text.into(),
        expires: stored.expires,
        users: Vec::new(),
    };
    gate.update(&id, &stored.text, &entry).await.unwrap();
}

#[tokio::test]
async fn s125_reload_takes_what_another_request_stored() {
    let server = Server::new(express(), reloading);
    let mut client = server.client();
    let id = sid(&client.get("/set").await);
    assert_eq!(client.get("/reload").await.body, r#"{"path":"/meanwhile"}"#);
    let record = server.record(&id).await.unwrap();
    assert!(
        record.ends_with(r#","path":"/meanwhile"}"#),
        "what was discarded is not saved"
    );
}

// deviation: gone_is_gone. Express says "failed to load session" in both cases; here a session that
// ended meanwhile is distinguished from one that was never stored.
#[tokio::test]
async fn s126_reload_of_a_missing_session_is_an_error() {
    let server = Server::new(express(), reloading);
    let mut client = server.client();
    client.get("/set").await;
    let answer = client.get("/gone").await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(answer.body, "the session ended while this request ran");
    assert_eq!(server.stored().await, 0, "and it is not brought back");
    let server = Server::new(express(), |session: Session| async move {
        session.reload().await.unwrap_err().to_string()
    });
    assert_eq!(
        server.client().get("/").await.body,
        "failed to load session"
    );
}

/// Saves in the middle of the request, after what the path names.
async fn saving(session: Session, uri: Uri, Extension(gate): Extension<Gate>) -> String {
    if uri.path() == "/reload" {
        session.reload().await.unwrap();
    }
    session.insert("path", uri.path()).unwrap();
    session.save().await.unwrap();
    let id = SessionId::from_store(session.id().expose());
    gate.take_calls().join(" ") + ": " + &gate.get(&id).await.unwrap().unwrap().text
}

#[tokio::test]
async fn s128_save_writes_at_once() {
    let server = Server::new(express(), saving);
    let body = server.client().get("/new").await.body;
    assert!(
        body.starts_with("create: ") && body.ends_with(r#","path":"/new"}"#),
        "{body}"
    );
}

// deviation: not_touched_twice. Express touches what it has just saved.
#[tokio::test]
async fn s129_save_leaves_nothing_to_be_saved_at_the_end() {
    let server = Server::new(express(), saving);
    let mut client = server.client();
    for (path, saved) in [("/one", "create: "), ("/two", "get update: ")] {
        let answer = client.get(path).await;
        assert!(answer.body.starts_with(saved), "{}", answer.body);
        assert_eq!(server.calls(), ["get"], "that of the handler itself");
    }
}

// deviation: not_touched_twice
#[tokio::test]
async fn s130_save_after_reload_leaves_nothing_to_be_saved_at_the_end() {
    let server = Server::new(express(), saving);
    let mut client = server.client();
    client.get("/one").await;
    server.calls();
    let answer = client.get("/reload").await;
    assert!(
        answer.body.starts_with("get get update: "),
        "{}",
        answer.body
    );
    assert_eq!(server.calls(), ["get"], "that of the handler itself");
}

// deviation: not_touched_twice
#[tokio::test]
async fn s131_save_without_save_uninitialized_leaves_nothing_to_be_saved_at_the_end() {
    for saves in [false, true] {
        let server = Server::new(express().save_uninitialized(saves), saving);
        let mut client = server.client();
        assert!(client.get("/one").await.set_cookie().is_some());
        assert_eq!(server.calls(), ["get"], "that of the handler itself");
        client.get("/two").await;
        assert_eq!(server.calls(), ["get"], "that of the handler itself");
    }
}

#[tokio::test]
async fn s132_touch_renews_the_expiry() {
    async fn touching(session: Session, uri: Uri) {
        match uri.path() {
            "/set" => session.insert("a", 1).unwrap(),
            "/touch" => session.touch(),
            _ => session.keys().clear(),
        }
    }
    // So that a request alone does not.
    let server = Server::new(lasting().touch_after(Duration::from_secs(30)), touching);
    let mut client = server.client();
    let answer = client.get("/set").await;
    assert!(attributes(&answer).unwrap().contains("03:05:05 GMT"));
    let id = sid(&answer);
    server.advance(Duration::from_secs(10));
    for (path, expires) in [("/", "03:05:05.678Z"), ("/touch", "03:05:15.678Z")] {
        client.get(path).await;
        let record = server.record(&id).await.unwrap();
        assert!(
            record.contains(&format!(r#""expires":"2026-01-02T{expires}""#)),
            "{record}"
        );
    }
}
