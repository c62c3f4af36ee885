//! Which request is whose.

mod admin;
mod cart;
mod experiment;
mod front;
mod sign_in;
#[cfg(test)]
mod tests;
mod user;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, map_response};
use axum::routing::{get, post};
use cloakroom::{Manager, SessionLayer};

use super::accounts::Accounts;
use super::{assets, failure, headers, origin};

/// No body that the shop asks for is longer.
const BODY_LIMIT: usize = 16 * 1024;

/// What all handlers share.
#[derive(Clone)]
pub(super) struct Shop {
    manager: Manager,
    accounts: Arc<Accounts>,
}

impl Shop {
    pub(super) fn new(manager: Manager, accounts: Accounts) -> Self {
        Self {
            manager,
            accounts: Arc::new(accounts),
        }
    }
}

/// The shop, all of it.
pub(super) fn router(shop: Shop) -> Router {
    Router::new()
        .route("/", get(front::shelf))
        .route("/how", get(front::how))
        .route("/cart", get(cart::show).post(cart::add))
        .route(
            "/cart/{sku}",
            post(cart::set).put(cart::set).delete(cart::remove),
        )
        .route("/login", get(sign_in::form).post(sign_in::sign_in))
        .route("/logout", post(sign_in::sign_out))
        .route("/logout/others", post(user::sign_out_elsewhere))
        .route("/me", get(user::me))
        .route("/profile", get(user::profile))
        .route("/experiment", get(experiment::group))
        .route("/admin", get(admin::show))
        .layer(SessionLayer::new(shop.manager.clone()))
        .merge(assets::router())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(origin::refuse_foreign))
        .layer(from_fn(failure::dress))
        .layer(map_response(headers::add))
        .with_state(shop)
}
