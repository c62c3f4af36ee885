//! Counts visits under actix-web:
//! `SESSION_SECRET=$(openssl rand -base64 48) cargo run -p cloakroom --example actix --features actix`.

use actix_web::{App, HttpServer, web};
use cloakroom::web::actix::SessionMiddleware;
use cloakroom::{KeyRing, Manager, MemoryStore, Policy, Secure, Session, SessionError};

/// Reads, and stores nothing: a client without a session gets none, whatever site makes its browser send the
/// request.
async fn visits(session: Session) -> Result<String, SessionError> {
    let n: u32 = session.get("n")?.unwrap_or(0);
    Ok(format!("{n} visits"))
}

async fn visit(session: Session) -> Result<String, SessionError> {
    let step = |n: Option<u32>| n.unwrap_or(0) + 1;
    let n = session.update("n", step).await?;
    Ok(format!("visit {n}"))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = KeyRing::from_env("SESSION_SECRET")?;
    // For plain HTTP on this machine; without it the cookie goes over TLS only.
    let policy = Policy::builder(keys).secure(Secure::Auto).build()?;
    // Created once, for all workers.
    let manager = Manager::new(policy, MemoryStore::new());
    let app = move || {
        let session = SessionMiddleware::new(manager.clone());
        App::new()
            .route("/", web::get().to(visits))
            .route("/", web::post().to(visit))
            .wrap(session)
    };
    let server = HttpServer::new(app).bind(("127.0.0.1", 3000))?;
    Ok(server.run().await?)
}
