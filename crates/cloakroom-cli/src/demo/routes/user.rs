//! What somebody who is signed in can see and do of their own.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::Session;
use serde_json::json;

use super::Shop;
use crate::demo::failure::Failure;
use crate::demo::negotiate::Wants;
use crate::demo::pages;
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

/// `GET /profile`.
pub(super) async fn profile(
    State(shop): State<Shop>,
    session: Session,
) -> Result<Response, Failure> {
    let visitor = Visitor::of(&session);
    let Some(user) = &visitor.user else {
        return Ok(Redirect::to("/login?next=/profile").into_response());
    };
    let sessions = shop.manager.sessions_of(&user.id).await;
    let sessions = sessions.map_err(cloakroom::SessionError::from)?.len();
    Ok(pages::profile(&visitor, user, &session, sessions).into_response())
}

/// `POST /logout/others`: ends every other session of the user, on every server.
pub(super) async fn sign_out_elsewhere(
    State(shop): State<Shop>,
    session: Session,
    wants: Wants,
) -> Result<Response, Failure> {
    let user = User::of(&session).ok_or(Failure::NotSignedIn)?;
    let ended = shop
        .manager
        .end_sessions_of(&user.id, Some(&session))
        .await
        .map_err(cloakroom::SessionError::from)?;
    Ok(match wants {
        Wants::Page => Redirect::to("/profile").into_response(),
        Wants::Json => Json(json!({"ended": ended})).into_response(),
    })
}
