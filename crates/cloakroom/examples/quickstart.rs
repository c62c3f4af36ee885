//! The quick start of README and of the crate's front page: a page that counts its visits.
//!
//! ```sh
//! SESSION_SECRET="$(openssl rand -base64 48)" cargo run -p cloakroom --example quickstart
//! ```

use axum::{Router, routing::get};
use cloakroom::{
    KeyRing, Manager, MemoryStore, Policy, Secure, Session, SessionError, SessionLayer,
};

async fn visit(session: Session) -> Result<String, SessionError> {
    let next = |n: Option<u32>| n.unwrap_or(0) + 1;
    let n = session.update("n", next).await?;
    Ok(format!("visit {n}\n"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // At least 32 bytes, as `openssl rand -base64 48` prints them.
    let keys = KeyRing::from_env("SESSION_SECRET")?;
    // `Auto` is for plain HTTP on your own machine: without it the cookie goes over TLS only.
    let policy = Policy::builder(keys).secure(Secure::Auto).build()?;
    let manager = Manager::new(policy, MemoryStore::new());

    let app = Router::new()
        .route("/", get(visit))
        .layer(SessionLayer::new(manager));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
