//! The routing table.

mod admin;
mod cart;
mod devices;
mod experiment;
mod front;
mod live;
mod sign_in;
#[cfg(test)]
mod tests;
mod user;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, map_response};
use axum::routing::{any, get, post};
use cloakroom::auth::{Attempts, Require};
use cloakroom::web::{Csrf, Guard};
use cloakroom::{Clock, Manager, SessionLayer};

use super::accounts::Accounts;
use super::{assets, failure, headers};

/// Longest body that the shop accepts, in bytes.
const BODY_LIMIT: usize = 16 * 1024;

/// Time after a login for which the password is not asked for again.
const FRESH: Duration = Duration::from_mins(5);

/// The state that all handlers share.
#[derive(Clone)]
pub(super) struct Shop {
    manager: Manager,
    accounts: Arc<Accounts>,
    attempts: Attempts,
}

impl Shop {
    pub(super) fn new(manager: Manager, accounts: Accounts) -> Self {
        let (account, address) = (
            (10, Duration::from_mins(1)),
            (600, Duration::from_millis(50)),
        );
        Self {
            manager,
            accounts: Arc::new(accounts),
            // All logins of a demo come from one address.
            attempts: Attempts::with(account, address, Clock::System),
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
        .route("/me", get(user::me))
        .route("/csrf", get(user::token))
        .route("/profile", get(user::profile))
        .route("/devices", get(devices::list))
        .route("/devices/{handle}", post(devices::end).delete(devices::end))
        .route("/logout-others", post(devices::end_others))
        .route("/logout-all", post(devices::end_all))
        .route("/experiment", get(experiment::show).post(experiment::draw))
        .merge(guarded())
        .route("/ws", any(live::socket))
        // Before the layers: socket.io's answers for paths that no route has.
        .merge(assets::router())
        .layer(Csrf::new())
        .layer(live::layer())
        .layer(from_fn(failure::dress))
        .layer(SessionLayer::new(shop.manager.clone()))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(failure::dress))
        .layer(map_response(headers::add))
        .with_state(shop)
}

/// Returns the routes that need a role or a recent login.
fn guarded() -> Router<Shop> {
    let guard = |require| Guard::new(require).login_at("/login");
    let sensitive = Router::new()
        .route(
            "/password",
            get(user::password_form).post(user::change_password),
        )
        .route_layer(guard(Require::login().fresh(FRESH)));
    let admin = Router::new()
        .route("/admin", get(admin::show))
        .route_layer(guard(Require::role("admin")));
    let power = Router::new()
        .route("/admin/users/{name}/end", post(admin::end))
        .route_layer(guard(admin::to_end()));
    sensitive.merge(admin).merge(power)
}
