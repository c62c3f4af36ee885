//! The option `secret`: statements 104 to 109.

use cloakroom::cookie::{KeyError, sign, unsign};
use cloakroom::{KeyRing, Policy};

use super::server::{Server, visit};
use crate::support::Client;

const NEW: &str = "the new secret of these tests, long enough";
const OLD: &str = "the old secret of these tests, long enough";

/// A client that has a session at a server with these secrets.
async fn known(keys: KeyRing) -> (Server, Client) {
    let server = Server::new(Policy::express(keys), visit);
    let mut client = server.client();
    client.get("/set").await;
    assert_eq!(client.get("/").await.body, r#"{"views":1}"#);
    (server, client)
}

/// Returns `true` if a server with these secrets accepts the client's cookie, and so reads its store.
async fn takes(keys: KeyRing, client: &Client) -> bool {
    let server = Server::new(Policy::express(keys), visit);
    let mut other = server.client();
    other.cookies.clone_from(&client.cookies);
    other.get("/").await;
    server.calls().first() == Some(&"get")
}

fn ring(secrets: &[&str]) -> KeyRing {
    KeyRing::from_secrets(secrets).unwrap()
}

#[test]
fn s104_a_ring_needs_a_secret() {
    let none: [&str; 0] = [];
    let error = KeyRing::from_secrets(none).unwrap_err();
    assert_eq!(error, KeyError::NoSecret);
    assert_eq!(error.to_string(), "a key ring needs at least one secret");
    let short = KeyRing::with_insecure_short_secrets(none).unwrap_err();
    assert_eq!(short, KeyError::NoSecret);
}

#[tokio::test]
async fn s105_a_text_signs_and_verifies() {
    let (server, client) = known(KeyRing::new(NEW).unwrap()).await;
    assert_eq!(server.stored().await, 1);
    assert!(!takes(KeyRing::new(OLD).unwrap(), &client).await);
}

#[tokio::test]
async fn s106_bytes_sign_and_verify() {
    let bytes: Vec<u8> = (128..192).collect();
    let (server, client) = known(KeyRing::new(&bytes).unwrap()).await;
    assert_eq!(server.stored().await, 1);
    assert!(!takes(KeyRing::new(&bytes[1..]).unwrap(), &client).await);
    // Text is its UTF-8 bytes.
    let by_bytes = KeyRing::new(NEW.as_bytes()).unwrap();
    assert_eq!(unsign(&sign("id", &by_bytes), &ring(&[NEW])), Some("id"));
}

#[tokio::test]
async fn s107_a_list_signs() {
    let (server, client) = known(ring(&[NEW, OLD])).await;
    assert!(client.cookies["connect.sid"].starts_with("s%3A"));
    assert_eq!(server.stored().await, 1);
}

#[tokio::test]
async fn s108_the_first_of_a_list_signs() {
    let (_, client) = known(ring(&[NEW, OLD])).await;
    assert!(takes(ring(&[NEW]), &client).await);
    assert!(!takes(ring(&[OLD]), &client).await);
}

// deviation: resigned. Express leaves a cookie that an old secret signed as it is.
#[tokio::test]
async fn s109_each_of_a_list_verifies() {
    let keys = ring(&[OLD]);
    let (server, mut client) = known(keys.clone()).await;
    let (_, stranger) = known(ring(&["a secret that is in neither list, long enough"])).await;
    let signed_by_old = client.cookies.clone();
    keys.rotate_to(&ring(&[NEW, OLD]));
    assert_eq!(client.get("/").await.body, r#"{"views":1}"#);
    assert_ne!(client.cookies, signed_by_old, "signed again");
    assert_eq!(server.stored().await, 1);
    assert!(takes(ring(&[NEW]), &client).await);
    assert!(!takes(ring(&[NEW, OLD]), &stranger).await);
}
