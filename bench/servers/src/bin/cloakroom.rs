//! cloakroom, on the store whose URL is given; memory without.

use axum::Router;
use axum::routing::{get, post};
use cloakroom::store::AnyStore;
use cloakroom::{Clock, KeyRing, Manager, Policy, Secure, Session, SessionError, SessionLayer};

fn main() {
    servers::serve(async |store| {
        let keys = KeyRing::new(servers::SECRET).expect("long enough");
        let policy = Policy::builder(keys).secure(Secure::Never).build();
        let url = store.unwrap_or_else(|| "memory:".to_owned());
        let store = AnyStore::connect(&url).await.expect("a store");
        let manager = Manager::with_clock(policy.expect("a policy"), store.into(), Clock::System);
        Router::new()
            .route("/anon", get(async |_: Session| "anon"))
            .route("/me", get(me))
            .route("/bump", post(bump))
            .route("/login", post(login))
            .layer(SessionLayer::new(manager))
            .route("/plain", get(async || "plain"))
    });
}

async fn me(session: Session) -> Result<String, SessionError> {
    let user: Option<String> = session.get("userId")?;
    Ok(user.unwrap_or_default())
}

async fn bump(session: Session) -> Result<String, SessionError> {
    let n = session.get::<u64>("n")?.unwrap_or(0) + 1;
    session.insert("n", n)?;
    Ok(n.to_string())
}

async fn login(session: Session) -> Result<&'static str, SessionError> {
    session.login("ada").await?;
    session.insert("profile", servers::profile())?;
    Ok("ada")
}
