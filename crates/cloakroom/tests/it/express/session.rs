//! `session()`: statements 20 to 34, what a session layer does with a request.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use cloakroom::cookie::KeyError;
use cloakroom::store::{Store as _, StoreError, StoreErrorKind};
use cloakroom::{KeyRing, Manager, Policy, Session, SessionLayer};
use http_body_util::channel::Channel;

use super::server::{Server, attributes, express, lasting, sid, visit};
use crate::support::{Client, clock, keys, memory};

#[tokio::test]
async fn s020_an_inner_layer_of_the_same_name_does_nothing() {
    let clock = clock();
    let (outer, inner) = (memory(&clock), memory(&clock));
    let layer = |store: &cloakroom::MemoryStore| {
        let policy = express().build().unwrap();
        let store = Arc::new(store.clone());
        SessionLayer::new(Manager::with_clock(policy, store, clock.clone()))
    };
    let router = Router::new()
        .fallback(visit)
        .layer(layer(&inner))
        .layer(layer(&outer));
    let answer = Client::new(router).get("/set").await;
    assert_eq!(answer.set_cookies().len(), 1);
    assert_eq!(outer.count().await.unwrap(), 1);
    assert_eq!(inner.count().await.unwrap(), 0);
}

// deviation: options_are_typed. A policy is made of a `KeyRing`, which no empty secret makes: what
// is a 500 for each request in Express does not compile or does not start.
#[test]
fn s021_there_is_no_policy_without_a_secret() {
    let none: [&str; 0] = [];
    assert_eq!(KeyRing::from_secrets(none).unwrap_err(), KeyError::NoSecret);
    let empty = KeyRing::with_insecure_short_secret("").unwrap_err();
    assert_eq!(empty.to_string(), "a key ring needs at least one secret");
    let needs_a_ring: fn(KeyRing) -> _ = Policy::express;
    assert!(needs_a_ring(keys()).build().is_ok());
}

#[tokio::test]
async fn s023_a_new_session_is_stored_and_its_cookie_sent() {
    let server = Server::new(express(), visit);
    let answer = server.client().get("/set").await;
    assert_eq!(server.stored().await, 1);
    let record =
        r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"views":1}"#;
    assert_eq!(server.record(&sid(&answer)).await.as_deref(), Some(record));
    assert_eq!(attributes(&answer).as_deref(), Some("Path=/; HttpOnly"));
}

#[tokio::test]
async fn s024_the_cookie_brings_the_session_back() {
    let server = Server::new(express(), visit);
    let mut client = server.client();
    client.get("/set").await;
    assert_eq!(client.get("/").await.body, r#"{"views":1}"#);
    assert_eq!(server.stored().await, 1);
}

// deviation: outage_is_503. Express answers 500 and shows the store's own message.
#[tokio::test]
async fn s025_a_failed_read_fails_the_request() {
    let server = Server::new(express(), visit);
    let mut client = server.client();
    client.get("/set").await;
    server.gate.refuse(&["get"]);
    let answer = client.get("/set").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body, "the session store is unavailable");
    assert_eq!(answer.set_cookie(), None);
    server.gate.refuse(&[]);
    assert_eq!(client.get("/").await.body, r#"{"views":1}"#);
}

// deviation: absent_is_none. A store says that a record is absent by `None`; an error is an error,
// whatever its cause is called.
#[tokio::test]
async fn s026_an_absent_record_is_no_error_and_an_error_no_absent_record() {
    let server = Server::new(express(), visit);
    let answer = server.client_with("absent").get("/").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "{}"));
    server.gate.refuse_with(|| {
        let enoent = io::Error::from(io::ErrorKind::NotFound);
        StoreError::new(StoreErrorKind::Unavailable, enoent)
    });
    server.gate.refuse(&["get"]);
    let answer = server.client_with("absent").get("/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn s027_two_visitors_have_two_sessions() {
    let server = Server::new(express(), visit);
    let (one, two) = (
        server.client().get("/set").await,
        server.client().get("/set").await,
    );
    assert_ne!(sid(&one), sid(&two));
    assert_eq!(server.stored().await, 2);
}

#[tokio::test]
async fn s031_reserved_properties_in_storage_are_ignored() {
    let server = Server::new(express(), visit);
    let cookie = r#""cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}"#;
    let odd = format!(r#"{{{cookie},"touch":"x","id":7,"a":1,"__proto__":{{}},"save":null}}"#);
    server.put("record", &odd).await;
    let answer = server.client_with("record").get("/").await;
    assert_eq!(
        (answer.status, &*answer.body),
        (StatusCode::OK, r#"{"a":1}"#)
    );
    let without = format!(r#"{{{cookie},"a":1}}"#);
    assert_eq!(
        server.record("record").await,
        Some(without),
        "rewritten without them"
    );
}

#[tokio::test]
async fn s032_a_session_lists_its_data_only() {
    // With a time-out of ours, which is noted in the record as well.
    let policy = express().absolute_timeout(Duration::from_hours(24));
    let server = Server::new(policy, |session: Session| async move {
        session.insert("a", 1).unwrap();
        session.insert("b", 2).unwrap();
        session.save().await.unwrap();
        format!("{:?} {}", session.keys(), session.to_json().unwrap())
    });
    let answer = server.client().get("/").await;
    assert_eq!(answer.body, r#"["a", "b"] {"a":1,"b":2}"#);
}

// deviation: id_is_fixed. Nothing sets the id, so that it cannot be bogus.
#[tokio::test]
async fn s033_an_id_can_be_read_and_not_set() {
    let server = Server::new(express(), |session: Session| async move {
        session.insert("a", 1).unwrap();
        session.id().expose().to_owned()
    });
    let answer = server.client().get("/").await;
    assert_eq!(answer.body, sid(&answer));
    assert!(server.record(&answer.body).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn s034_each_response_of_a_rolling_session_has_a_fresh_expires() {
    async fn slow(session: Session) -> Body {
        session.insert("a", 1).unwrap();
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
        tokio::spawn(async move {
            for part in ["hello, ", "world"] {
                tokio::time::sleep(Duration::from_millis(200)).await;
                sender.send_data(part.into()).await.unwrap();
            }
        });
        Body::new(body)
    }
    let server = Server::new(lasting().rolling(true), slow);
    let mut client = server.client();
    for second in ["05", "08", "11"] {
        let answer = client.get("/").await;
        let expires = format!("Path=/; Expires=Fri, 02 Jan 2026 03:05:{second} GMT; HttpOnly");
        assert_eq!(attributes(&answer), Some(expires));
        assert_eq!(answer.body, "hello, world");
        server.advance(Duration::from_secs(3));
    }
}
