//! cloakroom on the store that the URL names; `near` has a cache in front of it.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use cloakroom::store::near::NearStore;
use cloakroom::store::{AnyStore, StoreOptions};
use cloakroom::{Clock, KeyRing, Manager, Policy, Secure, Session, SessionError, SessionLayer};
use contender::Start;

fn main() {
    contender::serve(async |start| {
        let keys = KeyRing::new(contender::SECRET).expect("it is long enough");
        let policy = Policy::builder(keys).secure(Secure::Never).build();
        let store = open(start).await;
        let near = store.near_store().cloned();
        let manager = Manager::with_clock(policy.expect("a policy"), store.into(), Clock::System);
        Router::new()
            .route("/unasked", get(async || "anon"))
            .route("/anon", get(async |_: Session| "anon"))
            .route("/me", get(me))
            .route("/bump", post(bump))
            .route("/login", post(login))
            .layer(SessionLayer::new(manager))
            .route("/plain", get(async || "plain"))
            .route("/hits", get(hits))
            .with_state(near)
    });
}

async fn open(start: Start) -> AnyStore {
    let mut options = StoreOptions::default();
    options.near = (start.kind == "near").then_some(Duration::from_secs(1));
    let url = if start.url.is_empty() {
        "memory:"
    } else {
        &start.url
    };
    AnyStore::connect_with(url, &options)
        .await
        .expect("a store")
}

async fn me(session: Session) -> Result<String, SessionError> {
    let user: Option<String> = session.get("userId")?;
    Ok(user.unwrap_or_default())
}

async fn bump(session: Session) -> Result<String, SessionError> {
    let next = |n: Option<u64>| n.unwrap_or(0) + 1;
    Ok(session.update("n", next).await?.to_string())
}

async fn login(session: Session, user: String) -> Result<String, SessionError> {
    session.login(&user).await?;
    session.insert("n", 0)?;
    session.insert("profile", contender::profile())?;
    Ok(user)
}

/// Hits and misses of the cache so far.
async fn hits(State(near): State<Option<NearStore>>) -> String {
    let stats = near.map(|near| near.stats()).unwrap_or_default();
    format!("{} {}", stats.hits, stats.misses)
}
