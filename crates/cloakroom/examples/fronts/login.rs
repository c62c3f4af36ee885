//! Signing in and out by two forms: `/login`, with a redirect that stays on this site, and `/logout`.

use axum::Router;
use axum::extract::{Form, Query};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use cloakroom::auth::{Attempts, TooManyAttempts, safe_redirect_path};
use cloakroom::{Session, SessionError};
use maud::html;
use serde::Deserialize;

use crate::accounts;
use crate::page::page;

/// Returns the routes of the login; `title` names the application.
pub(crate) fn routes(title: &'static str) -> Router {
    let show = async move |way| form(title, way);
    let attempts = accounts::attempts();
    let sign_in = async move |session, form| login(title, &attempts, session, form).await;
    Router::new()
        .route("/login", get(show).post(sign_in))
        .route("/logout", post(logout))
}

#[derive(Deserialize)]
struct Way {
    #[serde(default)]
    next: String,
    /// Set by the guard where a login is too long ago.
    again: Option<String>,
}

fn form(title: &str, Query(way): Query<Way>) -> Response {
    let reason = way
        .again
        .map(|_| "Give your password once more: what you ask for needs it.");
    shown(title, &way.next, reason)
}

fn shown(title: &str, next: &str, reason: Option<&str>) -> Response {
    page(
        &format!("Sign in · {title}"),
        &html! {
            main.narrow {
                div { h1 { (title) } p.soft { "Sign in to go on." } }
                @if let Some(reason) = reason { p.note role="alert" { (reason) } }
                form.card.fields method="post" action="/login" {
                    input type="hidden" name="next" value=(next);
                    label { "Name" input name="username" autocomplete="username" autocapitalize="none" required autofocus; }
                    label { "Password" input name="password" type="password" autocomplete="current-password" required; }
                    button { "Sign in" }
                }
            }
        },
    )
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
    #[serde(default)]
    next: String,
}

async fn login(
    title: &str,
    attempts: &Attempts,
    session: Session,
    Form(form): Form<Login>,
) -> Result<Response, SessionError> {
    let typed = (form.username.as_str(), form.password.as_str());
    let account = match accounts::sign_in(attempts, session.address(), typed).await {
        Ok(Some(account)) => account,
        Ok(None) => {
            let page = shown(title, &form.next, Some("Name or password is wrong."));
            return Ok((StatusCode::UNAUTHORIZED, page).into_response());
        }
        Err(error) => return Ok(later(title, &form.next, error)),
    };
    session.login(account.name).await?;
    session.insert("roles", account.roles)?;
    Ok(Redirect::to(safe_redirect_path(&form.next).unwrap_or("/")).into_response())
}

fn later(title: &str, next: &str, error: TooManyAttempts) -> Response {
    let seconds = error.seconds();
    let reason = format!("Too many attempts. Try again in {seconds} seconds.");
    let page = shown(title, next, Some(&reason));
    let head = [(RETRY_AFTER, seconds.to_string())];
    (StatusCode::TOO_MANY_REQUESTS, head, page).into_response()
}

async fn logout(session: Session) -> Result<Redirect, SessionError> {
    session.logout().await?;
    Ok(Redirect::to("/login"))
}
