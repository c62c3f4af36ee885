//! axum without sessions: the baseline.

use axum::Router;
use axum::routing::{get, post};

fn main() {
    contender::serve(async |_| {
        Router::new()
            .route("/plain", get(async || "plain"))
            .route("/unasked", get(async || "anon"))
            .route("/anon", get(async || "anon"))
            .route("/me", get(async || "user-00000"))
            .route("/bump", post(async || "1"))
            .route("/login", post(async |user: String| user))
    });
}
