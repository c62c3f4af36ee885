//! Signing in and out.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::Session;
use cloakroom::auth::{TooManyAttempts, safe_redirect_path};
use maud::Markup;
use serde::Deserialize;

use super::Shop;
use crate::demo::failure::Failure;
use crate::demo::negotiate::Wants;
use crate::demo::pages::{self, SignIn};
use crate::demo::sent::Sent;
use crate::demo::visitor::{self, User, Visitor};

/// The page that the visitor asked for before the login.
#[derive(Deserialize)]
pub(super) struct Way {
    next: Option<String>,
    /// Present if a signed-in user has to sign in again.
    again: Option<String>,
}

/// The submitted credentials; without `Debug`, because they hold a password.
#[derive(Deserialize)]
pub(super) struct Credentials {
    username: String,
    password: String,
    next: Option<String>,
}

/// `GET /login`.
pub(super) async fn form(session: Session, Query(way): Query<Way>) -> Markup {
    let form = SignIn {
        next: page_after(way.next.as_deref()),
        again: way.again.is_some(),
        ..SignIn::default()
    };
    pages::sign_in(&Visitor::with_token(&session), &form)
}

/// `POST /login`: a right password makes the session its user's, under another id.
pub(super) async fn sign_in(
    State(shop): State<Shop>,
    session: Session,
    Sent { value, wants }: Sent<Credentials>,
) -> Result<Response, Failure> {
    let name = value.username.as_str();
    let form = SignIn {
        next: page_after(value.next.as_deref()),
        username: Some(name),
        ..SignIn::default()
    };
    let attempt = match shop.attempts.begin(name, session.address()).await {
        Ok(attempt) => attempt,
        Err(error) if wants == Wants::Page => return Ok(later(&session, &form, error)),
        Err(error) => return Err(error.into()),
    };
    let Some(account) = shop.accounts.verify(name, value.password).await else {
        return match wants {
            Wants::Page => Ok(refused(&session, &form)),
            Wants::Json => Err(Failure::WrongPassword),
        };
    };
    attempt.succeeded();
    visitor::sign_in(&session, account).await?;
    Ok(match wants {
        Wants::Page => Redirect::to(form.next).into_response(),
        Wants::Json => Json(User::of(&session)).into_response(),
    })
}

fn refused(session: &Session, form: &SignIn<'_>) -> Response {
    let form = SignIn {
        alert: Some("That name and password do not belong together. Try again.".to_owned()),
        ..form.clone()
    };
    let page = pages::sign_in(&Visitor::with_token(session), &form);
    (StatusCode::UNAUTHORIZED, page).into_response()
}

fn later(session: &Session, form: &SignIn<'_>, error: TooManyAttempts) -> Response {
    let form = SignIn {
        alert: Some(wait(error)),
        ..form.clone()
    };
    let page = pages::sign_in(&Visitor::with_token(session), &form);
    let mut response = error.into_response();
    *response.body_mut() = page.into_response().into_body();
    let html = axum::http::HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert("content-type", html);
    response
}

/// Returns the message of the form.
pub(super) fn wait(error: TooManyAttempts) -> String {
    format!(
        "Too many attempts. Try again in {} seconds.",
        error.seconds()
    )
}

/// `POST /logout`: the session ends, here and for every request that still runs with it.
pub(super) async fn sign_out(session: Session, wants: Wants) -> Result<Response, Failure> {
    session.logout().await?;
    Ok(match wants {
        Wants::Page => Redirect::to("/").into_response(),
        Wants::Json => StatusCode::NO_CONTENT.into_response(),
    })
}

/// The page of this shop that `next` names, or the front page.
fn page_after(next: Option<&str>) -> &str {
    next.and_then(safe_redirect_path).unwrap_or("/")
}
