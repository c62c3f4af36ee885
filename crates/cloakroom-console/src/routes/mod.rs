//! The routing table.

mod act;
mod answer;
mod enter;
mod form;
mod guard;
mod live;
mod look;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::assets;
use crate::console::{Console, Inner};

/// Longest body that the console accepts, in bytes.
const BODY_LIMIT: usize = 16 * 1024;

type Shared = Arc<Inner>;

/// Returns the console's routes, to be nested below the path of [`ConsoleBuilder::at`](crate::ConsoleBuilder::at).
///
/// Every request passes the console's own checks first: its host, the site that made the browser send it, its operator.
pub fn router(console: Console) -> Router {
    let console = console.0;
    let operators = Router::new()
        .route("/", get(look::overview))
        .route("/sessions", get(look::list))
        .route("/search", get(look::search))
        .route("/user", get(look::user))
        .route("/session", get(look::session))
        .route("/ended", get(look::acts))
        .route("/end", get(act::ask).post(act::end_matching))
        .route("/user/end", post(act::end_user))
        .route("/session/end", post(act::end_one))
        .route("/session/reveal", post(act::reveal))
        .route("/live", get(live::events))
        .route("/leave", post(enter::leave))
        .fallback(guard::missing)
        .layer(from_fn_with_state(Arc::clone(&console), guard::admit));
    let open = Router::new()
        .route("/enter", post(enter::enter))
        .merge(assets::router());
    operators
        .merge(open)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(Arc::clone(&console), guard::check))
        .with_state(console)
}
