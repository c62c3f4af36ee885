//! A page for the role admin.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::Session;
use serde_json::json;

use super::Shop;
use crate::demo::failure::Failure;
use crate::demo::negotiate::Wants;
use crate::demo::pages;
use crate::demo::visitor::Visitor;

/// How long the store may count, as long as it may read.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /admin`: how many sessions are live.
pub(super) async fn show(
    State(shop): State<Shop>,
    session: Session,
    wants: Wants,
) -> Result<Response, Failure> {
    let visitor = Visitor::of(&session);
    match (&visitor.user, wants) {
        (None, Wants::Page) => return Ok(Redirect::to("/login?next=/admin").into_response()),
        (None, Wants::Json) => return Err(Failure::NotSignedIn),
        (Some(user), _) if !user.is_admin() => return Err(Failure::NotAllowed),
        _ => {}
    }
    let sessions = count(&shop).await?;
    Ok(match wants {
        Wants::Page => pages::admin(&visitor, sessions).into_response(),
        Wants::Json => Json(json!({"sessions": sessions})).into_response(),
    })
}

async fn count(shop: &Shop) -> Result<u64, Failure> {
    let counted = tokio::time::timeout(PATIENCE, shop.manager.store().count()).await;
    match counted {
        Ok(Ok(count)) => Ok(count),
        Ok(Err(error)) => Err(cloakroom::SessionError::from(error).into()),
        Err(_) => Err(Failure::Store),
    }
}
