//! `axum_session`: `memory`, `redis URL`, `postgres URL`; as its examples have it, default settings.

use std::fmt::Debug;

use axum::Router;
use axum::routing::{get, post};
use axum_session::{
    DatabasePool, Session, SessionConfig, SessionLayer, SessionNullPool, SessionStore,
};
use axum_session_redispool::SessionRedisPool;
use axum_session_sqlx::SessionPgPool;
use redis_pool::RedisPool;
use sqlx::PgPool;

fn main() {
    contender::serve(async |start| match start.kind.as_str() {
        "memory" => app::<SessionNullPool>(None).await,
        "redis" => app(Some(redis(&start.url))).await,
        "postgres" => app(Some(postgres(&start.url).await)).await,
        kind => panic!("no store of the kind {kind:?}"),
    });
}

fn redis(url: &str) -> SessionRedisPool {
    let client = redis::Client::open(url).expect("a URL");
    RedisPool::from(client).into()
}

async fn postgres(url: &str) -> SessionPgPool {
    PgPool::connect(url).await.expect("PostgreSQL").into()
}

async fn app<P>(pool: Option<P>) -> Router
where
    P: DatabasePool + Clone + Debug + Send + Sync + 'static,
{
    let config = SessionConfig::default().with_table_name("sessions_table");
    let store = SessionStore::<P>::new(pool, config).await;
    Router::new()
        .route("/unasked", get(async || "anon"))
        .route("/anon", get(async |_: Session<P>| "anon"))
        .route("/me", get(me::<P>))
        .route("/bump", post(bump::<P>))
        .route("/login", post(login::<P>))
        .layer(SessionLayer::new(store.expect("a store")))
        .route("/plain", get(async || "plain"))
}

async fn me<P>(session: Session<P>) -> String
where
    P: DatabasePool + Clone + Debug + Send + Sync + 'static,
{
    session.get("userId").unwrap_or_default()
}

async fn bump<P>(session: Session<P>) -> String
where
    P: DatabasePool + Clone + Debug + Send + Sync + 'static,
{
    let n: u64 = session.get("n").unwrap_or(0) + 1;
    session.set("n", n);
    n.to_string()
}

async fn login<P>(session: Session<P>, user: String) -> String
where
    P: DatabasePool + Clone + Debug + Send + Sync + 'static,
{
    session.renew();
    session.set("userId", &user);
    session.set("n", 0);
    session.set("profile", contender::profile());
    user
}
