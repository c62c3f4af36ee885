//! An experiment whose group a visitor keeps.

use axum::Json;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::Session;
use serde_json::json;

use crate::demo::failure::Failure;
use crate::demo::negotiate::Wants;
use crate::demo::visitor;

/// `GET /experiment`: drawn now if it never was, which gives the visitor a session.
pub(super) async fn group(session: Session, wants: Wants) -> Result<Response, Failure> {
    let group = visitor::group(&session).await?;
    Ok(match wants {
        Wants::Page => Redirect::to("/").into_response(),
        Wants::Json => Json(json!({"group": group})).into_response(),
    })
}
