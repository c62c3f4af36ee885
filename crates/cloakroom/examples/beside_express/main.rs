//! A service beside an Express application, `express.mjs`: the same users, the same sessions, the same routes.
//!
//! ```text
//! SESSION_SECRET='at least 32 bytes, the same for both' cargo run --example beside_express --features redis
//! ```

use std::env;
use std::io::Write as _;

use axum::extract::Form;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cloakroom::prelude::*;
use cloakroom::store::StoreOptions;
use serde::Deserialize;
use serde_json::{Value, json};

/// Names, passwords and roles. In earnest: the table of users that both sides have, with hashes.
const USERS: [(&str, &str, &[&str]); 2] = [
    ("ada", "analytical-engine", &["admin"]),
    ("grace", "nanoseconds", &[]),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let port = env::var("PORT").unwrap_or_else(|_| "3001".to_owned());
    // Express writes as well: what it would resurrect after a logout is refused.
    let options = StoreOptions::new().mixed_fleet(true);
    let store = AnyStore::connect_with(&url, &options).await?;
    // `secret`, `cookie.sameSite` and `cookie.secure` as `express.mjs` has them.
    let policy = Policy::express(KeyRing::from_env("SESSION_SECRET")?)
        .same_site(SameSite::Lax)
        .secure(Secure::Auto)
        .build()?;
    let admin = Router::new()
        .route("/admin", get(admin))
        .route_layer(Guard::new(Require::role("admin")));
    let app = Router::new()
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/me", get(me))
        .route("/count", post(count))
        .merge(admin)
        .layer(SessionLayer::new(Manager::new(policy, store)));
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "listening on http://{address}")?;
    Ok(axum::serve(listener, app).await?)
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

async fn login(session: Session, Form(form): Form<Login>) -> Result<Response, SessionError> {
    let typed = (form.username.as_str(), form.password.as_str());
    let mut users = USERS.iter();
    let Some((name, _, roles)) = users.find(|(name, password, _)| (*name, *password) == typed)
    else {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    };
    session.login(*name).await?; // another id, and `userId`
    session.insert("roles", roles)?;
    Ok(Json(json!({ "user": name })).into_response())
}

async fn logout(session: Session) -> Result<StatusCode, SessionError> {
    session.logout().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me(session: Session) -> Result<Json<Value>, SessionError> {
    let count: u64 = session.get("count")?.unwrap_or_default();
    Ok(Json(json!({ "user": session.user(), "count": count })))
}

async fn count(session: Session, _: LoggedIn) -> Result<Json<Value>, SessionError> {
    // Loses no step of another request here; one of Express at the same moment may still be lost there.
    let next = |count: Option<u64>| count.unwrap_or_default() + 1;
    let count = session.update("count", next).await?;
    Ok(Json(json!({ "count": count })))
}

async fn admin(LoggedIn(name): LoggedIn) -> Json<Value> {
    Json(json!({ "admin": name }))
}
