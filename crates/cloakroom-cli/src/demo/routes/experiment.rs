//! An experiment whose group a visitor keeps.

use axum::Json;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::Session;
use serde_json::json;

use crate::demo::failure::Failure;
use crate::demo::negotiate::Wants;
use crate::demo::visitor::{self, Group};

/// `GET /experiment`: assigns a group once, but not to a visitor without a session: whatever site
/// makes a browser ask, nothing is stored.
pub(super) async fn show(session: Session, wants: Wants) -> Result<Response, Failure> {
    if session.is_new() {
        return Ok(answer(wants, None));
    }
    draw(session, wants).await
}

/// `POST /experiment`: assigns a group once, which gives the visitor a session.
pub(super) async fn draw(session: Session, wants: Wants) -> Result<Response, Failure> {
    let group = visitor::group(&session).await?;
    Ok(answer(wants, Some(group)))
}

fn answer(wants: Wants, group: Option<Group>) -> Response {
    match wants {
        Wants::Page => Redirect::to("/").into_response(),
        Wants::Json => Json(json!({"group": group})).into_response(),
    }
}
