//! tower-sessions: `memory`, `signed` in its newest version; `redis URL`, `postgres URL`, `sqlite URL` in the
//! one that these stores are made for; as its examples have it.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};
use tower_sessions_sqlx_store::sqlx::{PgPool, SqlitePool};
use tower_sessions_sqlx_store::{PostgresStore, SqliteStore};

type Answer = Result<String, (StatusCode, String)>;

/// The same application on either version.
macro_rules! application {
    ($library:ident) => {
        use super::*;
        use $library::cookie::time::Duration;
        use $library::service::CookieController;
        use $library::{Expiry, Session, SessionManagerLayer, SessionStore};

        pub(super) fn layer<S: SessionStore>(store: S) -> SessionManagerLayer<S> {
            SessionManagerLayer::new(store)
                .with_secure(false)
                .with_expiry(Expiry::OnInactivity(Duration::minutes(
                    contender::IDLE_MINUTES,
                )))
        }

        pub(super) fn app<S, C>(layer: SessionManagerLayer<S, C>) -> Router
        where
            S: SessionStore + Clone,
            C: CookieController + Sync,
        {
            Router::new()
                .route("/unasked", get(async || "anon"))
                .route("/anon", get(async |_: Session| "anon"))
                .route("/me", get(me))
                .route("/bump", post(bump))
                .route("/login", post(login))
                .layer(layer)
                .route("/plain", get(async || "plain"))
        }

        async fn me(session: Session) -> Answer {
            let user: Option<String> = session.get("userId").await.map_err(contender::failed)?;
            Ok(user.unwrap_or_default())
        }

        async fn bump(session: Session) -> Answer {
            let n: Option<u64> = session.get("n").await.map_err(contender::failed)?;
            let n = n.unwrap_or(0) + 1;
            session.insert("n", n).await.map_err(contender::failed)?;
            Ok(n.to_string())
        }

        async fn login(session: Session, user: String) -> Answer {
            fill(&session, &user).await.map_err(contender::failed)?;
            Ok(user)
        }

        async fn fill(session: &Session, user: &str) -> Result<(), $library::session::Error> {
            session.cycle_id().await?;
            session.insert("userId", user).await?;
            session.insert("n", 0).await?;
            session.insert("profile", contender::profile()).await
        }
    };
}

mod newest {
    application!(tower_sessions);
}

mod of_stores {
    application!(tower_sessions_of_stores);
}

fn main() {
    contender::serve(async |start| match start.kind.as_str() {
        "memory" => newest::app(newest::layer(memory())),
        "signed" => newest::app(newest::layer(memory()).with_signed(key())),
        "redis" => of_stores::app(of_stores::layer(redis(&start.url).await)),
        "postgres" => of_stores::app(of_stores::layer(postgres(&start.url).await)),
        "sqlite" => of_stores::app(of_stores::layer(sqlite(&start.url).await)),
        kind => panic!("no store of the kind {kind:?}"),
    });
}

fn memory() -> tower_sessions::MemoryStore {
    tower_sessions::MemoryStore::default()
}

fn key() -> tower_sessions::cookie::Key {
    tower_sessions::cookie::Key::try_from(contender::SECRET.as_bytes()).expect("64 bytes")
}

async fn redis(url: &str) -> RedisStore<Pool> {
    let config = Config::from_url(url).expect("a URL");
    let pool = Pool::new(config, None, None, None, 6).expect("a pool");
    pool.connect();
    pool.wait_for_connect().await.expect("Redis");
    RedisStore::new(pool)
}

async fn postgres(url: &str) -> PostgresStore {
    let store = PostgresStore::new(PgPool::connect(url).await.expect("PostgreSQL"));
    store.migrate().await.expect("a table");
    store
}

async fn sqlite(url: &str) -> SqliteStore {
    let store = SqliteStore::new(SqlitePool::connect(url).await.expect("SQLite"));
    store.migrate().await.expect("a table");
    store
}
