//! Records that no program of ours would write: their visitor gets a fresh session, and no other request
//! is affected.

mod unread;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::COOKIE;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use cloakroom::cookie::sign;
use cloakroom::store::{NewRecord, Store};
use cloakroom::{Clock, Manager, Policy, Secure, Session, SessionError, SessionId, SessionLayer};

use crate::support::servers::{connect, on_every_store};
use crate::support::{Client, keys, send};

/// Texts that are no record, or hold what a program may stumble over.
fn poisons(user: &str) -> Vec<(&'static str, String)> {
    let cookie = r#""cookie":{"originalMaxAge":null,"expires":null,"path":"/"}"#;
    let owned = |rest: &str| format!(r#"{{{cookie},"userId":"{user}"{rest}}}"#);
    vec![
        ("empty", String::new()),
        ("truncated", format!(r#"{{{cookie},"userId":"{user}","a""#)),
        ("a text", r#""userId""#.to_owned()),
        ("a number", "7".to_owned()),
        ("null", "null".to_owned()),
        ("an array", "[1,2]".to_owned()),
        ("no cookie", format!(r#"{{"userId":"{user}"}}"#)),
        ("a cookie of another type", format!(r#"{{"cookie":7,"userId":"{user}"}}"#)),
        (
            "attributes of other types",
            r#"{"cookie":{"originalMaxAge":"x","expires":[],"httpOnly":"no","path":7,"domain":{}},"a":1}"#
                .to_owned(),
        ),
        ("ten megabytes", owned(&format!(r#","a":"{}""#, "x".repeat(10 << 20)))),
        ("deep", owned(&format!(r#","a":{}{}"#, "[".repeat(5000), "]".repeat(5000)))),
        ("a NUL", owned(r#","a\u0000":"\u0000""#)),
        ("lone surrogates", owned(r#","a":"\ud800\udc00\ud800""#)),
        ("a key twice", owned(r#","userId":"somebody else","a":1,"a":2"#)),
        ("a user of another type", format!(r#"{{{cookie},"userId":{{"$gt":""}}}}"#)),
        ("prototypes", owned(r#","__proto__":{"a":1},"constructor":1,"toString":"x""#)),
    ]
}

async fn app(url: &str) -> (Router, Manager) {
    async fn visit(session: Session) -> Result<String, SessionError> {
        let visits = session.get::<u32>("visits").ok().flatten().unwrap_or(0);
        session.insert("visits", visits + 1)?;
        Ok(format!("visit {}", visits + 1))
    }
    async fn sign_in(session: Session) -> Result<(), SessionError> {
        session.insert("userId", "ada-of-the-poison")
    }
    let policy = Policy::builder(keys())
        .secure(Secure::Never)
        .build()
        .unwrap();
    let manager = Manager::with_clock(policy, connect(url).await, Clock::System);
    let routes = Router::new()
        .route("/", get(visit))
        .route("/in", get(sign_in))
        .layer(SessionLayer::new(manager.clone()));
    (routes, manager)
}

/// Puts a poisoned record beside others; `false` where the store refuses what it is.
async fn put(store: &dyn Store, id: &SessionId, text: &str, user: &str) -> bool {
    let entry = NewRecord {
        text: text.into(),
        expires: Clock::System.now().after(Duration::from_mins(5)),
        users: vec![user.to_owned()],
    };
    store.create(id, &entry).await.is_ok()
}

async fn a_poisoned_record_costs_only_its_visitor_a_session(url: &str) {
    let (router, manager) = app(url).await;
    let user = "ada-of-the-poison";
    let mut other = Client::new(router.clone());
    let mut taken = 0;
    for (what, text) in poisons(user) {
        let id = SessionId::random();
        if !put(&**manager.store(), &id, &text, user).await {
            continue;
        }
        taken += 1;
        other.get("/in").await;
        let signed = sign(id.expose(), &keys());
        let cookie = format!("connect.sid=s%3A{}", signed.replace('+', "%2B"));
        let request = Request::get("/").header(COOKIE, cookie);
        let answer = send(&router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{what}: {}", answer.body);
        assert_eq!(answer.body, "visit 1", "{what}");
        assert_eq!(other.get("/").await.status, StatusCode::OK, "{what}");
        let listed = manager.sessions_of(user).await;
        assert!(
            !listed
                .unwrap_or_else(|error| panic!("{what}: {error:?}"))
                .is_empty()
        );
        assert!(manager.store().count().await.is_ok(), "{what}");
        let ended = manager.end_sessions_of(user, None).await;
        assert!(ended.is_ok_and(|ended| ended > 0), "{what}");
        let answer = other.get("/").await;
        assert_eq!(answer.body, "visit 1", "{what}: signed out everywhere");
    }
    assert!(taken >= 5, "{taken}");
}

on_every_store!(a_poisoned_record_costs_only_its_visitor_a_session);
