//! No sessions: the limit.

use axum::Router;
use axum::routing::{get, post};

fn main() {
    servers::serve(async |_| {
        Router::new()
            .route("/plain", get(async || "plain"))
            .route("/anon", get(async || "anon"))
            .route("/me", get(async || "ada"))
            .route("/bump", post(async || "1"))
            .route("/login", post(async || "ada"))
    });
}
