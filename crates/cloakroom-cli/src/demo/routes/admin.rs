//! The routes of the role admin.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::Session;
use cloakroom::auth::{Access, Require};
use serde_json::json;

use super::{FRESH, Shop};
use crate::demo::failure::Failure;
use crate::demo::negotiate::Wants;
use crate::demo::pages::{self, Guest};
use crate::demo::visitor::Visitor;

/// Time that the store may take to count sessions, as long as for a read.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /admin`: how many sessions are live, and whose.
pub(super) async fn show(
    State(shop): State<Shop>,
    session: Session,
    wants: Wants,
) -> Result<Response, Failure> {
    let sessions = count(&shop).await?;
    if wants == Wants::Json {
        return Ok(Json(json!({"sessions": sessions})).into_response());
    }
    let mut guests = Vec::new();
    for name in shop.accounts.names() {
        let sessions = shop.manager.sessions_of(name).await?.len();
        guests.push(Guest { name, sessions });
    }
    let office = pages::Office {
        sessions,
        guests,
        may_end: to_end().check(&session, shop.manager.clock().now().into()) == Access::Granted,
    };
    Ok(pages::admin(&Visitor::with_token(&session), &office).into_response())
}

/// Returns the requirement of [`end`].
pub(super) fn to_end() -> Require {
    Require::role("admin").fresh(FRESH)
}

/// `POST /admin/users/{name}/end`: ends every session of a user, on every server.
pub(super) async fn end(
    State(shop): State<Shop>,
    Path(name): Path<String>,
    wants: Wants,
) -> Result<Response, Failure> {
    let name = shop.accounts.names().find(|known| *known == name);
    let name = name.ok_or(Failure::NoSuchUser)?;
    let ended = shop.manager.end_sessions_of(name, None).await?;
    Ok(match wants {
        Wants::Page => Redirect::to("/admin").into_response(),
        Wants::Json => Json(json!({"ended": ended})).into_response(),
    })
}

async fn count(shop: &Shop) -> Result<u64, Failure> {
    let counted = tokio::time::timeout(PATIENCE, shop.manager.store().count()).await;
    match counted {
        Ok(count) => Ok(count?),
        Err(_) => Err(Failure::Store),
    }
}
