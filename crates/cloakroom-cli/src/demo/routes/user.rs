//! The routes of a signed-in user's own data.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::Session;
use cloakroom::web::LoggedIn;
use serde::Deserialize;
use serde_json::json;

use super::{Shop, sign_in};
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
///
/// A visitor without a session gets none: whatever site makes a browser ask, nothing is stored.
pub(super) async fn token(session: Session) -> Result<Response, Failure> {
    let token = (!session.is_new()).then(|| session.csrf_token());
    Ok(Json(json!({"token": token.transpose()?})).into_response())
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
    // The page names the second at which the session ends: its expiry is moved now, however lately
    // that was done.
    session.touch();
    Ok(pages::profile(&visitor, user, &session, sessions).into_response())
}

/// The password of now and a new one; without `Debug`.
#[derive(Deserialize)]
pub(super) struct NewPassword {
    #[serde(default)]
    current: String,
    password: String,
}

/// `GET /password`, for a user with a recent login.
pub(super) async fn password_form(session: Session) -> Response {
    pages::password(&Visitor::with_token(&session), None).into_response()
}

/// `POST /password`: all other sessions of the user end.
pub(super) async fn change_password(
    State(shop): State<Shop>,
    session: Session,
    LoggedIn(user): LoggedIn,
    Sent { value, wants }: Sent<NewPassword>,
) -> Result<Response, Failure> {
    let refused = |failure: Failure, alert: &str| match wants {
        Wants::Page => Ok(not_taken(&session, failure, alert)),
        Wants::Json => Err(failure),
    };
    if !(8..=128).contains(&value.password.chars().count()) {
        return refused(
            Failure::ShortPassword,
            "A password has 8 to 128 characters.",
        );
    }
    // A person at an unattended browser cannot take the account over.
    let attempt = match shop.attempts.begin(&user, session.address()).await {
        Ok(attempt) => attempt,
        Err(error) => return refused(error.into(), &sign_in::wait(error)),
    };
    if shop.accounts.verify(&user, value.current).await.is_none() {
        let alert = "That is not your current password. Try again.";
        return refused(Failure::WrongCurrentPassword, alert);
    }
    attempt.succeeded();
    if !shop.accounts.change(&user, value.password).await {
        return Err(Failure::NoSuchUser);
    }
    let ended = session.password_changed().await?;
    Ok(match wants {
        Wants::Page => Redirect::to("/devices").into_response(),
        Wants::Json => Json(json!({"ended": ended})).into_response(),
    })
}

/// The form again, with the reason, under the failure's own head.
fn not_taken(session: &Session, failure: Failure, alert: &str) -> Response {
    let page = pages::password(&Visitor::with_token(session), Some(alert)).into_response();
    let mut response = failure.into_response();
    let html = page.headers()[CONTENT_TYPE].clone();
    response.headers_mut().insert(CONTENT_TYPE, html);
    *response.body_mut() = page.into_body();
    response
}
