//! `genid`, `key` and `name`: statements 79 to 86, ids and the cookie's name.

use axum::http::Request;
use cloakroom::id::IdGrammar;
use cloakroom::policy::PolicyBuilder;
use cloakroom::{KeyRing, Policy, Session};

use super::server::{Server, express, sid, visit};

/// `secret: 'keyboard cat'`.
fn keyboard_cat() -> PolicyBuilder {
    Policy::express(KeyRing::with_insecure_short_secret("keyboard cat").unwrap())
}

/// The name and the value of the cookie that a first request for `path` gets.
async fn pair(policy: PolicyBuilder, path: &str) -> String {
    let server = Server::new(
        policy,
        |session: Session| async move { session.insert("a", 1) },
    );
    let answer = server.client().send(Request::get(path)).await;
    let (pair, _) = answer.set_cookie().unwrap().split_once("; ").unwrap();
    pair.to_owned()
}

#[tokio::test]
async fn s079_ids_are_generated_by_default() {
    let server = Server::new(express(), visit);
    let (one, two) = (
        sid(&server.client().get("/set").await),
        sid(&server.client().get("/set").await),
    );
    assert_ne!(one, two);
    for id in [one, two] {
        assert!(
            IdGrammar::token(32, 32).allows(&id),
            "24 bytes in base64url"
        );
    }
}

#[tokio::test]
async fn s080_an_id_is_signed_and_escaped_as_by_express() {
    let policy = keyboard_cat().id_generator(|_| "apple".into());
    assert_eq!(
        pair(policy, "/").await,
        "connect.sid=s%3Aapple.D8Y%2BpkTAmeR0PobOhY4G97PRW%2Bj7bUnP%2F5m6%2FOn1MCU"
    );
}

#[tokio::test]
async fn s081_unsafe_characters_of_an_id_are_escaped_after_signing() {
    let policy = keyboard_cat().id_generator(|_| "%".into());
    assert_eq!(
        pair(policy, "/").await,
        "connect.sid=s%3A%25.kzQ6x52kKVdF35Qh62AWk4ZekS28K5XYCXKa%2FOTZ01g"
    );
}

#[tokio::test]
async fn s082_the_generator_sees_the_request() {
    let policy = keyboard_cat().id_generator(|request| request.path.clone());
    assert_eq!(
        pair(policy, "/foo").await,
        "connect.sid=s%3A%2Ffoo.paEKBtAHbV5s1IB8B2zPnzAgYmmnRPIqObW4VRYj%2FMQ"
    );
}

#[tokio::test]
async fn s083_the_key_defaults_to_connect_sid() {
    assert!(pair(express(), "/").await.starts_with("connect.sid=s%3A"));
}

#[test]
fn s085_the_name_defaults_to_connect_sid() {
    let policy = express().build().unwrap();
    assert_eq!(policy.name().as_str(), "connect.sid");
    assert_eq!(policy.name(), &cloakroom::cookie::CookieName::default());
}

#[tokio::test]
async fn s086_the_name_is_the_cookies() {
    assert!(
        pair(express().name("session_id"), "/")
            .await
            .starts_with("session_id=s%3A")
    );
    let server = Server::new(express().name("session_id"), visit);
    let mut client = server.client();
    client.get("/set").await;
    assert_eq!(client.get("/").await.body, r#"{"views":1}"#);
    let value = client.cookies.remove("session_id").unwrap();
    client.cookies.insert("connect.sid".into(), value);
    assert_eq!(
        client.get("/").await.body,
        "{}",
        "another name is another cookie"
    );
}
