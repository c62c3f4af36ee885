//! What somebody who is signed in can see and do of their own.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::Session;
use cloakroom::web::LoggedIn;
use serde::Deserialize;
use serde_json::json;

use super::Shop;
use crate::demo::failure::Failure;
use crate::demo::negotiate::Wants;
use crate::demo::pages;
use crate::demo::sent::Sent;
use crate::demo::visitor::{User, Visitor};

/// `GET /me`.
pub(super) async fn me(session: Session, wants: Wants) -> Result<Response, Failure> {
    match wants {
        Wants::Page => Ok(Redirect::to("/profile").into_response()),
        Wants::Json => match User::of(&session) {
            Some(user) => Ok(Json(user).into_response()),
            None => Err(Failure::NotSignedIn),
        },
    }
}

/// `GET /csrf`: what a script sends in `X-CSRF-Token` where the browser does not say whence it comes.
pub(super) async fn token(session: Session) -> Result<Response, Failure> {
    Ok(Json(json!({"token": session.csrf_token()?})).into_response())
}

/// `GET /profile`.
pub(super) async fn profile(
    State(shop): State<Shop>,
    session: Session,
) -> Result<Response, Failure> {
    let visitor = Visitor::with_token(&session);
    let Some(user) = &visitor.user else {
        return Ok(Redirect::to("/login?next=/profile").into_response());
    };
    let sessions = shop.manager.sessions_of(&user.id).await?.len();
    Ok(pages::profile(&visitor, user, &session, sessions).into_response())
}

/// A new password; without `Debug`.
#[derive(Deserialize)]
pub(super) struct NewPassword {
    password: String,
}

/// `GET /password`, for somebody who signed in just now.
pub(super) async fn password_form(session: Session) -> Response {
    pages::password(&Visitor::with_token(&session), None).into_response()
}

/// `POST /password`: whoever knew the old one is signed out.
pub(super) async fn change_password(
    State(shop): State<Shop>,
    session: Session,
    LoggedIn(user): LoggedIn,
    Sent { value, wants }: Sent<NewPassword>,
) -> Result<Response, Failure> {
    if !(8..=128).contains(&value.password.chars().count()) {
        return match wants {
            Wants::Page => Ok(too_short(&session)),
            Wants::Json => Err(Failure::ShortPassword),
        };
    }
    if !shop.accounts.change(&user, value.password).await {
        return Err(Failure::NoSuchUser);
    }
    let ended = session.password_changed().await?;
    Ok(match wants {
        Wants::Page => Redirect::to("/devices").into_response(),
        Wants::Json => Json(json!({"ended": ended})).into_response(),
    })
}

fn too_short(session: &Session) -> Response {
    let alert = "A password has 8 to 128 characters.";
    let page = pages::password(&Visitor::with_token(session), Some(alert));
    (axum::http::StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}
