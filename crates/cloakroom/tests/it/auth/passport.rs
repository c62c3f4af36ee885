//! Passport's users: the keys written for Express, and the keys of Express that are accepted.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use cloakroom::auth::Passport;
use cloakroom::{Session, SessionError};
use serde_json::{Value, json};

use super::{policy, routes};
use crate::support::App;

/// Users by number; the session keeps an object, as applications of Passport's like to.
struct Accounts;

impl Passport for Accounts {
    type User = u64;

    fn serialize(&self, user: &u64) -> Value {
        match user {
            0 => json!({ "name": "nobody's id" }),
            user => json!({ "id": user, "theme": "dark" }),
        }
    }

    async fn deserialize(&self, value: Value) -> Option<u64> {
        // As a query would.
        tokio::task::yield_now().await;
        let id = value.get("id").unwrap_or(&value).as_u64()?;
        (id != 404).then_some(id)
    }
}

fn passport_routes() -> Router {
    routes()
        .route("/passport/in/{user}", get(sign_in))
        .route("/passport/me", get(me))
        .route("/passport/put/{key}/{value}", get(put))
        .route(
            "/passport/data",
            get(async |session: Session| session.to_json()),
        )
}

async fn sign_in(session: Session, Path(user): Path<u64>) -> Result<(), SessionError> {
    session.passport_login(&Accounts, &user).await
}

async fn me(session: Session) -> Result<String, SessionError> {
    let user = session.passport_user(&Accounts).await?;
    Ok(user.map_or("nobody".into(), |user| user.to_string()))
}

/// Writes as another program would.
async fn put(
    session: Session,
    Path((key, value)): Path<(String, String)>,
) -> Result<(), SessionError> {
    session.insert_raw(&key, &value)
}

fn app() -> App {
    App::new(policy().build().unwrap(), passport_routes())
}

#[tokio::test]
async fn a_login_sets_both_user_keys_and_a_logout_removes_both() {
    let app = app();
    let mut visitor = app.client();
    visitor.get("/cart").await;
    let mut before = visitor.clone();
    visitor.get("/passport/in/7").await;
    assert_eq!(visitor.get("/passport/me").await.body, "7");
    assert_eq!(visitor.get("/").await.body, "7 with a hat");
    let data: Value = serde_json::from_str(&visitor.get("/passport/data").await.body).unwrap();
    let kept = json!({ "cart": "a hat", "userId": 7, "passport": { "user": { "id": 7, "theme": "dark" } } });
    assert_eq!(data, kept);
    assert_eq!(app.manager.sessions_of("7").await.unwrap().len(), 1);
    // The id from before the login is worth nothing.
    assert_eq!(before.get("/passport/me").await.body, "nobody");

    let mut copy = visitor.clone();
    visitor.get("/logout").await;
    assert_eq!(copy.get("/passport/me").await.body, "nobody");
    assert_eq!(app.stored().await, 0);
}

#[tokio::test]
async fn passports_user_is_accepted_unless_the_keys_disagree() {
    #[rustfmt::skip]
    let table = [ // userId,     passport,                       who that is
        (None,          r#"{"user":7}"#,                "7"),
        (None,          r#"{"user":0}"#,                "0"),
        (None,          r#"{"user":{"id":7}}"#,         "7"),
        (Some("7"),     r#"{"user":7}"#,                "7"),
        (Some(r#""7""#), r#"{"user":7}"#,               "7"),
        (Some("8"),     r#"{"user":7}"#,                "nobody"), // keepSessionInfo at a login
        (Some("7"),     "{}",                        "nobody"), // keepSessionInfo at a logout
        (None,          r#"{"user":404}"#,              "nobody"),
        (None,          r#"{"user":null}"#,             "nobody"),
        (None,          r#"{"user":false}"#,            "nobody"),
        (None,          r#"{"user":""}"#,               "nobody"),
        (None,          r#"{"user":[7]}"#,              "nobody"),
        (None,          "7",                         "nobody"),
        (None,          r#"[{"user":7}]"#,              "nobody"),
        (None,          "null",                      "nobody"),
        (None,          r#""user""#,                    "nobody"),
    ];
    let app = app();
    for (user_id, passport, who) in table {
        let mut visitor = app.client();
        if let Some(user_id) = user_id {
            visitor
                .get(&format!("/passport/put/userId/{}", escaped(user_id)))
                .await;
        }
        let path = format!("/passport/put/passport/{}", escaped(passport));
        assert_eq!(visitor.get(&path).await.status, StatusCode::OK);
        assert_eq!(
            visitor.get("/passport/me").await.body,
            who,
            "{user_id:?} {passport}"
        );
    }
}

#[tokio::test]
async fn another_user_finds_nothing_of_the_first_whichever_key_named_them() {
    let app = app();
    for (key, value) in [("userId", "8"), ("passport", r#"{"user":8}"#)] {
        let mut visitor = app.client();
        visitor.get("/cart").await;
        visitor
            .get(&format!("/passport/put/{key}/{}", escaped(value)))
            .await;
        visitor.get("/passport/in/7").await;
        assert_eq!(visitor.get("/").await.body, "7 with nothing", "{key}");
    }
    // One that Express kept beside a stale `userId`.
    let mut visitor = app.client();
    visitor.get("/cart").await;
    visitor.get("/passport/put/userId/7").await;
    visitor
        .get(&format!(
            "/passport/put/passport/{}",
            escaped(r#"{"user":8}"#)
        ))
        .await;
    visitor.get("/passport/in/7").await;
    assert_eq!(visitor.get("/").await.body, "7 with nothing");
}

#[tokio::test]
async fn passport_user_as_the_only_key_cannot_disagree() {
    let policy = policy().user_keys(["passport.user"]).build().unwrap();
    let app = App::new(policy, passport_routes());
    let mut visitor = app.client();
    visitor.get("/passport/put/userId/8").await;
    visitor.get("/passport/in/7").await;
    let data: Value = serde_json::from_str(&visitor.get("/passport/data").await.body).unwrap();
    let user = json!({ "id": 7, "theme": "dark" });
    assert_eq!(data, json!({ "userId": 8, "passport": { "user": user } }));
    assert_eq!(visitor.get("/passport/me").await.body, "7");
    assert_eq!(app.manager.sessions_of("7").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_user_serialized_to_null_is_not_signed_in() {
    let app = app();
    let mut visitor = app.client();
    visitor.get("/passport/in/7").await;
    let refused = visitor.get("/passport/in/0").await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(visitor.get("/passport/me").await.body, "7");
}

fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut escaped, byte| {
        let _ = write!(escaped, "%{byte:02X}");
        escaped
    })
}
