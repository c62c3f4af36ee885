//! `req.session.cookie`: statements 133 to 154, the attributes of one session's cookie.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::http::header::SET_COOKIE;
use axum::http::{Request, Uri};
use axum::response::{AppendHeaders, IntoResponse};
use cloakroom::policy::{CookieMut, PolicyBuilder, Priority};
use cloakroom::record::AttributeError;
use cloakroom::store::sqlite::SqliteStore;
use cloakroom::web::Tls;
use cloakroom::{Manager, SameSite, Secure, Session, SessionLayer};

use super::server::{MINUTE, Server, attributes, attributes_of, express, lasting, sid, visit};
use crate::support::{Client, clock};

/// Returns the response's cookie after the handler changed data and these attributes.
async fn changed(
    policy: PolicyBuilder,
    change: impl Fn(&mut CookieMut<'_>) + Clone + Send + Sync + 'static,
) -> Option<String> {
    let server = Server::new(policy, |session: Session| async move {
        session.insert("a", 1).unwrap();
        session.cookie_mut(change);
    });
    attributes(&server.client().get("/").await)
}

#[tokio::test]
async fn s133_attributes_that_a_handler_changes_are_sent() {
    let sent = changed(express(), |cookie| {
        cookie.http_only(false);
        cookie.path("/app");
        cookie.domain(Some("shop.example"));
        cookie.same_site(SameSite::Strict);
    });
    let said = "Domain=shop.example; Path=/app; SameSite=Strict";
    assert_eq!(sent.await.as_deref(), Some(said));
}

#[tokio::test]
async fn s134_a_cookie_lives_until_the_browser_closes_by_default() {
    let sent = attributes_of(express(), Request::get("/")).await;
    assert_eq!(sent.as_deref(), Some("Path=/; HttpOnly"));
}

#[tokio::test]
async fn s135_a_cookie_without_expiry_is_sent_once() {
    let server = Server::new(express(), visit);
    let mut client = server.client();
    assert!(client.get("/set").await.set_cookie().is_some());
    for _ in 0..3 {
        assert_eq!(client.get("/").await.set_cookie(), None);
    }
}

#[tokio::test]
async fn s136_options_override_defaults_and_handlers_override_options() {
    let policy = express()
        .secure(Secure::Always)
        .idle_timeout(MINUTE)
        .http_only(true)
        .path("/admin")
        .priority(Priority::Low);
    let server = Server::new(policy, |session: Session| async move {
        session.insert("a", 1).unwrap();
        session.cookie_mut(|cookie| {
            cookie.http_only(false);
            cookie.secure(false);
            cookie.priority(Some(Priority::High));
        });
    });
    assert_eq!(
        attributes(&server.client().get("/admin").await).unwrap(),
        "Path=/admin; Expires=Fri, 02 Jan 2026 03:05:05 GMT; Priority=High"
    );
}

#[tokio::test]
async fn s137_a_cookie_with_invalid_attributes_is_not_sent() {
    for (name, json) in [
        ("path", r#""/a;b""#),
        ("path", r#""/\u0007""#),
        ("domain", r#""exa mple.com""#),
        ("sameSite", r#""auto""#),
        ("priority", r#""urgent""#),
    ] {
        let server = Server::new(express(), move |session: Session| async move {
            session.insert("a", 1).unwrap();
            session
                .cookie_mut(|cookie| cookie.assign_json(name, json))
                .unwrap();
            "the response"
        });
        let answer = server.client().get("/").await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.body),
            (200, "the response"),
            "{name}"
        );
        let sent = answer.set_cookie().map(str::to_owned);
        assert_eq!(server.stored().await, 1, "{name}");
        assert_eq!(sent, None, "{name}");
    }
}

// deviation: lifetime_is_checked_when_set, expires_is_typed. Express keeps the date, and no cookie is
// sent.
#[tokio::test]
async fn a_date_that_javascript_cannot_hold_is_refused_where_it_is_set() {
    let table = [
        ("expires", r#""no date""#, AttributeError::Expires),
        ("maxAge", "1e20", AttributeError::TooLong),
    ];
    for (name, json, error) in table {
        let sent = changed(lasting(), move |cookie| {
            assert_eq!(cookie.assign_json(name, json), Err(error));
        });
        assert!(sent.await.is_some(), "{name}: the cookie is as it was");
    }
}

#[tokio::test]
async fn s138_cookies_of_the_handler_are_kept() {
    async fn own(session: Session) -> impl IntoResponse {
        session.insert("a", 1).unwrap();
        AppendHeaders([(SET_COOKIE, "previous=cookieValue"), (SET_COOKIE, "b=2")])
    }
    let answer = Server::new(express(), own).client().get("/").await;
    let fields = answer.set_cookies();
    assert_eq!(fields[..2], ["previous=cookieValue", "b=2"]);
    assert!(fields[2].starts_with("connect.sid=s%3A"));
    assert_eq!(fields.len(), 3);
}

/// Answers with the cookie's own state, and changes the session on `/set`.
async fn state(session: Session, uri: Uri) -> String {
    if uri.path() == "/set" {
        session.insert("a", 1).unwrap();
    }
    session.cookie()
}

const ORIGINAL: &str = r#"{"originalMaxAge":60000,"#;

#[tokio::test]
async fn s140_original_max_age_is_the_one_of_the_options() {
    let body = Server::new(lasting(), state)
        .client()
        .get("/set")
        .await
        .body;
    assert!(body.starts_with(ORIGINAL), "{body}");
}

#[tokio::test]
async fn s141_original_max_age_stays_with_every_request() {
    let server = Server::new(lasting(), state);
    let mut client = server.client();
    let id = sid(&client.get("/set").await);
    for _ in 0..100 {
        server.advance(Duration::from_millis(777));
        assert!(client.get("/").await.body.starts_with(ORIGINAL));
    }
    let record = server.record(&id).await.unwrap();
    assert!(record.contains(ORIGINAL), "{record}");
}

#[tokio::test]
async fn s142_original_max_age_stays_with_another_store() {
    let clock = clock();
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("sessions.db");
    let store = SqliteStore::with_clock(file, clock.clone()).unwrap();
    let policy = lasting().build().unwrap();
    let manager = Manager::with_clock(policy, Arc::new(store), clock.clone());
    let router = Router::new()
        .fallback(state)
        .layer(SessionLayer::new(manager));
    let mut client = Client::new(router);
    client.get("/set").await;
    for _ in 0..3 {
        clock.advance(Duration::from_secs(50));
        let body = client.get("/").await.body;
        assert!(body.starts_with(ORIGINAL), "{body}");
    }
}

#[tokio::test]
async fn s143_a_secure_cookie_is_sent_over_tls() {
    let secure = || express().secure(Secure::Always);
    let sent = attributes_of(secure(), Request::get("/").extension(Tls)).await;
    assert_eq!(sent.as_deref(), Some("Path=/; HttpOnly; Secure"));
    let server = Server::new(secure(), visit);
    let router = Router::new()
        .fallback(visit)
        .layer(SessionLayer::new(server.app.manager.clone()).tls());
    let answer = Client::new(router).get("/set").await;
    assert_eq!(
        attributes(&answer).as_deref(),
        Some("Path=/; HttpOnly; Secure")
    );
}

#[tokio::test]
async fn s144_a_secure_cookie_is_withheld_elsewhere() {
    let policy = express().secure(Secure::Always);
    assert_eq!(attributes_of(policy, Request::get("/")).await, None);
    let by_handler = changed(express(), |cookie| cookie.secure(true));
    assert_eq!(by_handler.await, None);
}

#[tokio::test]
async fn s145_expires_is_max_age_from_now() {
    let policy = express().idle_timeout(Duration::from_secs(2));
    let sent = attributes_of(policy, Request::get("/")).await;
    let said = "Path=/; Expires=Fri, 02 Jan 2026 03:04:07 GMT; HttpOnly";
    assert_eq!(sent.as_deref(), Some(said));
}

#[tokio::test]
async fn s146_expires_follows_a_changed_max_age() {
    let sent = changed(lasting(), |cookie| {
        cookie.max_age(Some(Duration::from_secs(5)));
    });
    let said = "Path=/; Expires=Fri, 02 Jan 2026 03:04:10 GMT; HttpOnly";
    assert_eq!(sent.await.as_deref(), Some(said));
}

#[tokio::test]
async fn s147_max_age_may_be_more_milliseconds_than_32_bits_hold() {
    let three_billion = Duration::from_mins(50_000);
    let sent = changed(lasting(), move |cookie| cookie.max_age(Some(three_billion)));
    let said = "Path=/; Expires=Thu, 05 Feb 2026 20:24:05 GMT; HttpOnly";
    assert_eq!(sent.await.as_deref(), Some(said));
}

#[tokio::test]
async fn s148_expires_is_an_instant() {
    let sent = changed(lasting(), |cookie| cookie.expires(Some(UNIX_EPOCH)));
    let said = "Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly";
    assert_eq!(sent.await.as_deref(), Some(said));
}

/// `expires = null`, in the handler; `/set` changes data, too.
async fn until_the_browser_closes(session: Session, uri: Uri) -> String {
    session.cookie_mut(|cookie| cookie.expires(None));
    visit(session, uri).await.unwrap()
}

#[tokio::test]
async fn s149_expires_null_is_a_browser_session() {
    let server = Server::new(lasting(), until_the_browser_closes);
    let answer = server.client().get("/set").await;
    assert_eq!(attributes(&answer).as_deref(), Some("Path=/; HttpOnly"));
}

#[tokio::test]
async fn s150_a_browser_sessions_cookie_is_not_sent_again() {
    let server = Server::new(lasting(), until_the_browser_closes);
    let mut client = server.client();
    client.get("/set").await;
    assert_eq!(client.get("/").await.set_cookie(), None);
}

#[tokio::test]
async fn s151_a_browser_sessions_cookie_is_not_sent_again_when_modified() {
    let server = Server::new(lasting(), until_the_browser_closes);
    let mut client = server.client();
    client.get("/set").await;
    let answer = client.get("/set").await;
    assert_eq!(
        (&*answer.body, answer.set_cookie()),
        (r#"{"views":2}"#, None)
    );
}

#[tokio::test]
async fn s152_partitioned_is_not_sent_by_default() {
    let over_tls = Request::get("/").extension(Tls);
    let sent = attributes_of(express().secure(Secure::Always), over_tls).await;
    assert_eq!(sent.as_deref(), Some("Path=/; HttpOnly; Secure"));
}

#[tokio::test]
async fn s153_partitioned_is_not_sent_where_it_is_false() {
    let sent = changed(express(), |cookie| cookie.partitioned(false));
    assert_eq!(sent.await.as_deref(), Some("Path=/; HttpOnly"));
}

#[tokio::test]
async fn s154_partitioned_is_sent_where_it_is_true() {
    let over_tls = Request::get("/").extension(Tls);
    let policy = express().secure(Secure::Always).partitioned(true);
    let sent = attributes_of(policy, over_tls).await;
    assert_eq!(
        sent.as_deref(),
        Some("Path=/; HttpOnly; Secure; Partitioned")
    );
    let by_handler = changed(express(), |cookie| cookie.partitioned(true));
    assert_eq!(
        by_handler.await.as_deref(),
        Some("Path=/; HttpOnly; Partitioned")
    );
}
