//! Login, logout and guards, over HTTP.

mod between;
mod csrf;
mod devices;
mod guard;
mod identity;
mod login;
mod passport;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use cloakroom::policy::PolicyBuilder;
use cloakroom::{Policy, Secure, Session, SessionError};

use crate::support::{App, keys};

fn policy() -> PolicyBuilder {
    Policy::builder(keys()).secure(Secure::Never)
}

/// Steps that a test asks for by path, and what the session says afterwards.
fn routes() -> Router {
    Router::new()
        .route("/", get(say))
        .route("/cart", get(cart))
        .route("/login/{user}", get(login))
        .route("/login/{user}/{role}", get(login_as))
        .route("/logout", get(logout))
        .route("/leave", get(leave))
}

async fn say(session: Session) -> Result<String, SessionError> {
    Ok(format!(
        "{} with {}",
        session.user().as_deref().unwrap_or("nobody"),
        session
            .get::<String>("cart")?
            .as_deref()
            .unwrap_or("nothing")
    ))
}

async fn cart(session: Session) -> Result<(), SessionError> {
    session.insert("cart", "a hat")
}

async fn login(session: Session, Path(user): Path<String>) -> Result<(), SessionError> {
    session.login(user).await
}

async fn login_as(
    session: Session,
    Path((user, role)): Path<(String, String)>,
) -> Result<(), SessionError> {
    session.login(user).await?;
    session.insert("roles", [role])
}

async fn logout(session: Session) -> Result<(), SessionError> {
    session.logout().await
}

async fn leave(session: Session) -> Result<(), SessionError> {
    session.logout_keeping(&["cart", "absent"])
}

fn app() -> App {
    App::new(policy().build().unwrap(), routes())
}
