//! A small service to run several times behind a proxy: a login, and a counter that must lose no update in a
//! restart. `interop/fronts/fleet.test.mjs` restarts it behind nginx.
//!
//! It shares its sessions with Express and Passport (`interop/fronts/passport.test.mjs`).

use std::error::Error;
use std::io::Write as _;

use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;
use cloakroom::auth::{Attempts, Passport, Require};
use cloakroom::web::Guard;
use cloakroom::{Session, SessionError, SessionLayer};
use serde::Deserialize;
use serde_json::{Value, json};

#[path = "fronts/accounts.rs"]
mod accounts;
#[path = "fronts/connections.rs"]
mod connections;
#[path = "fronts/serve.rs"]
mod serve;

use accounts::{ACCOUNTS, Account};

/// Signs in, reports the user, and counts.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    serve: serve::Options,
}

/// The counterpart of the Express application's Passport: a user is kept as their name.
struct Accounts;

impl Passport for Accounts {
    type User = &'static Account;

    fn serialize(&self, user: &&'static Account) -> Value {
        user.name.into()
    }

    async fn deserialize(&self, value: Value) -> Option<&'static Account> {
        ACCOUNTS.iter().find(|account| value == account.name)
    }
}

#[tokio::main]
async fn main() {
    if let Err(error) = run(Flags::parse()).await {
        let _ = writeln!(std::io::stderr(), "fleet: {error}");
        std::process::exit(1);
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn Error>> {
    let manager = flags.serve.manager().await?;
    let app = Router::new()
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/me", get(me))
        .route("/count", post(count))
        .route("/note", post(note))
        .route("/forget", post(forget))
        .route("/password", post(password))
        .route("/everywhere", post(everywhere))
        .merge(guarded("/private", Require::login()))
        .merge(guarded("/admin", Require::role("admin")))
        .with_state(accounts::attempts())
        .layer(SessionLayer::new(manager));
    flags.serve.serve(app).await
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

async fn login(
    State(attempts): State<Attempts>,
    session: Session,
    Form(form): Form<Login>,
) -> Result<Response, SessionError> {
    let typed = (form.username.as_str(), form.password.as_str());
    let account = match accounts::sign_in(&attempts, session.address(), typed).await {
        Ok(Some(account)) => account,
        Ok(None) => return Ok(nobody()),
        Err(error) => return Ok(error.into_response()),
    };
    session.passport_login(&Accounts, &account).await?;
    session.insert("roles", account.roles)?;
    Ok(Json(json!({ "user": account.name })).into_response())
}

async fn logout(session: Session) -> Result<StatusCode, SessionError> {
    session.logout().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me(session: Session) -> Result<Response, SessionError> {
    let Some(user) = session.passport_user(&Accounts).await? else {
        return Ok(nobody());
    };
    let count: u64 = session.get("count")?.unwrap_or(0);
    Ok(Json(json!({ "user": user.name, "count": count })).into_response())
}

/// Increments the counter, in the store when the response leaves.
async fn count(session: Session) -> Result<Response, SessionError> {
    if session.passport_user(&Accounts).await?.is_none() {
        return Ok(nobody());
    }
    let step = |count: Option<u64>| count.unwrap_or(0) + 1;
    let count = session.update("count", step).await?;
    Ok(Json(json!({ "count": count })).into_response())
}

/// A page behind a guard.
fn guarded(path: &str, require: Require) -> Router<Attempts> {
    let whom = async |session: Session| Json(json!({ "user": session.user() }));
    let page = Router::new().route(path, get(whom));
    page.route_layer(Guard::new(require))
}

/// Stores some of the user's own data in the session.
async fn note(session: Session) -> Result<StatusCode, SessionError> {
    let Some(user) = session.passport_user(&Accounts).await? else {
        return Ok(StatusCode::UNAUTHORIZED);
    };
    session.insert("note", user.name)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Signs out and keeps the data that belongs to no user.
async fn forget(session: Session) -> Result<StatusCode, SessionError> {
    session.logout_keeping(&["theme"])?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the other sessions, as after a change of the password, which the accounts here never change.
async fn password(session: Session) -> Result<Response, SessionError> {
    let ended = session.password_changed().await?;
    Ok(Json(json!({ "ended": ended })).into_response())
}

async fn everywhere(session: Session) -> Result<Response, SessionError> {
    let ended = session.end_all().await?;
    Ok(Json(json!({ "ended": ended })).into_response())
}

fn nobody() -> Response {
    let error = json!({ "error": "nobody is signed in" });
    (StatusCode::UNAUTHORIZED, Json(error)).into_response()
}
