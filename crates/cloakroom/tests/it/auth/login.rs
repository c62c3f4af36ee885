//! Logins, logouts and changes of the user.

use std::time::Duration;

use axum::http::StatusCode;
use cloakroom::store::Store as _;
use cloakroom::{Policy, SessionId};
use serde_json::json;

use super::{app, policy, routes};
use crate::support::{App, Client, keys};

/// The id in a client's cookie.
fn id(client: &Client) -> SessionId {
    let value = &client.cookies["connect.sid"];
    let (id, _) = value["s%3A".len()..].split_once('.').unwrap();
    SessionId::from_store(id)
}

#[tokio::test]
async fn an_id_that_was_planted_before_login_opens_nothing_after() {
    let app = app();
    let mut visitor = app.client();
    visitor.get("/cart").await;
    let mut attacker = visitor.clone();
    assert_eq!(visitor.get("/login/ada").await.status, StatusCode::OK);
    assert_eq!(visitor.get("/").await.body, "ada with a hat");
    assert_eq!(attacker.get("/").await.body, "nobody with nothing");
    assert_eq!(app.stored().await, 1);
}

#[tokio::test]
async fn another_user_finds_nothing_of_the_first() {
    let app = app();
    let mut visitor = app.client();
    visitor.get("/cart").await;
    visitor.get("/login/ada").await;
    // The same user once more keeps it.
    visitor.get("/login/ada").await;
    assert_eq!(visitor.get("/").await.body, "ada with a hat");
    visitor.get("/login/eve").await;
    assert_eq!(visitor.get("/").await.body, "eve with nothing");
    let of_ada = app.manager.sessions_of("ada").await.unwrap();
    assert_eq!(of_ada, []);
    assert_eq!(
        app.manager.sessions_of("eve").await.unwrap(),
        [id(&visitor)]
    );
}

#[tokio::test]
async fn a_logout_ends_the_session_or_changes_its_id_and_keeps_the_data() {
    let app = app();
    let mut visitor = app.client();
    visitor.get("/cart").await;
    visitor.get("/login/ada").await;
    let mut before = visitor.clone();
    visitor.get("/leave").await;
    assert_eq!(visitor.get("/").await.body, "nobody with a hat");
    assert_eq!(before.get("/").await.body, "nobody with nothing");
    assert_eq!(app.manager.sessions_of("ada").await.unwrap(), []);
    visitor.get("/login/ada").await;
    let answer = visitor.get("/logout").await;
    assert!(answer.set_cookie().unwrap().starts_with("connect.sid=;"));
    assert_eq!(app.stored().await, 0);
}

#[tokio::test]
async fn the_record_has_the_login_time_under_express_policy_too() {
    let express = Policy::express(keys()).build().unwrap();
    for policy in [policy().build().unwrap(), express] {
        let app = App::new(policy, routes());
        let mut visitor = app.client();
        visitor.get("/cart").await;
        app.advance(Duration::from_mins(5));
        visitor.get("/login/ada").await;
        let text = app.store.get(&id(&visitor)).await.unwrap().unwrap().text;
        let record: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(record["userId"], "ada");
        let at = crate::support::NOW + 300_000;
        assert_eq!(record["_ck"]["login"], at, "{record}");
        // It stays where it is when the session goes on.
        app.advance(Duration::from_mins(5));
        visitor.get("/cart").await;
        visitor.get("/").await;
        let text = app.store.get(&id(&visitor)).await.unwrap().unwrap().text;
        let record: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(record["_ck"]["login"], at, "{record}");
    }
}

#[tokio::test]
async fn users_are_stored_where_the_policy_has_them_first() {
    use cloakroom::Manager;
    use cloakroom::policy::RequestInfo;
    let store = cloakroom::MemoryStore::new();
    let policy = policy().user_keys(["passport.user", "userId"]);
    let manager = Manager::new(policy.build().unwrap(), store);
    for (user, name) in [
        (json!(42), Some("42")),
        (json!("ada"), Some("ada")),
        (json!({ "id": 7, "name": "Ada" }), Some("7")),
        (json!(null), None),
        (json!(""), None),
        (json!([1]), None),
        (json!({ "id": { "id": 1 } }), None),
    ] {
        let session = manager.open([], RequestInfo::default()).await.unwrap();
        session
            .insert("passport", json!({ "strategy": "local" }))
            .unwrap();
        assert_eq!(session.login(&user).await.is_ok(), name.is_some(), "{user}");
        assert_eq!(session.user().as_deref(), name, "{user}");
        if name.is_some() {
            let passport: serde_json::Value = session.get("passport").unwrap().unwrap();
            assert_eq!(passport, json!({ "strategy": "local", "user": user }));
        }
    }
}

#[tokio::test]
async fn a_session_that_has_ended_is_anonymous() {
    use cloakroom::policy::RequestInfo;
    let app = app();
    let session = app.manager.open([], RequestInfo::default()).await.unwrap();
    session.destroy().await.unwrap();
    assert!(session.login("ada").await.is_err());
    assert!(session.logout_keeping(&[]).is_err());
    assert!(session.logout().await.is_err());
}
