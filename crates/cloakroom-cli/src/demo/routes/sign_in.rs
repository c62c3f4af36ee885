//! Signing in and out.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::Session;
use maud::Markup;
use serde::Deserialize;

use super::Shop;
use crate::demo::destination::after_sign_in;
use crate::demo::failure::Failure;
use crate::demo::negotiate::Wants;
use crate::demo::pages;
use crate::demo::sent::Sent;
use crate::demo::visitor::{self, User, Visitor};

/// Where the visitor was on the way to.
#[derive(Deserialize)]
pub(super) struct Way {
    next: Option<String>,
}

/// What was typed; without `Debug`, because it holds a password.
#[derive(Deserialize)]
pub(super) struct Credentials {
    username: String,
    password: String,
    next: Option<String>,
}

/// `GET /login`.
pub(super) async fn form(session: Session, Query(way): Query<Way>) -> Markup {
    let next = after_sign_in(way.next.as_deref());
    pages::sign_in(&Visitor::of(&session), next, None)
}

/// `POST /login`: a right password makes the session its user's, under another id.
pub(super) async fn sign_in(
    State(shop): State<Shop>,
    session: Session,
    Sent { value, wants }: Sent<Credentials>,
) -> Result<Response, Failure> {
    let next = after_sign_in(value.next.as_deref());
    let account = shop.accounts.verify(&value.username, value.password).await;
    let Some(account) = account else {
        return match wants {
            Wants::Page => Ok(refused(&session, next, &value.username)),
            Wants::Json => Err(Failure::WrongPassword),
        };
    };
    visitor::sign_in(&session, account)?;
    Ok(match wants {
        Wants::Page => Redirect::to(next).into_response(),
        Wants::Json => Json(User::of(&session)).into_response(),
    })
}

fn refused(session: &Session, next: &str, username: &str) -> Response {
    let page = pages::sign_in(&Visitor::of(session), next, Some(username));
    (StatusCode::UNAUTHORIZED, page).into_response()
}

/// `POST /logout`: the session ends, here and for every request that still runs with it.
pub(super) async fn sign_out(session: Session, wants: Wants) -> Result<Response, Failure> {
    session.destroy().await?;
    Ok(match wants {
        Wants::Page => Redirect::to("/").into_response(),
        Wants::Json => StatusCode::NO_CONTENT.into_response(),
    })
}
