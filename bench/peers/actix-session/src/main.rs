//! actix-session on actix-web with one worker: `bare` (no sessions), `cookie`, `redis URL`.

use actix_session::config::PersistentSession;
use actix_session::storage::{CookieSessionStore, RedisSessionStore, SessionStore};
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::cookie::time::Duration;
use actix_web::web::{ServiceConfig, get, post, scope};
use actix_web::{App, Error, HttpServer, Result};
use contender::Start;

/// Serves an `App`: the two kinds have different types.
macro_rules! listen {
    ($app:expr) => {{
        let server = HttpServer::new($app).workers(1).bind("127.0.0.1:0")?;
        contender::announce(server.addrs()[0]);
        server.run().await
    }};
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let start = Start::read();
    match start.kind.as_str() {
        "bare" => listen!(|| App::new().configure(bare)),
        "cookie" => {
            listen!(|| {
                let sessions = layer(CookieSessionStore::default());
                App::new()
                    .route("/plain", get().to(plain))
                    .service(scope("").wrap(sessions).configure(routes))
            })
        }
        "redis" => {
            let store = RedisSessionStore::new(start.url).await.expect("Redis");
            listen!(move || {
                let sessions = layer(store.clone());
                App::new()
                    .route("/plain", get().to(plain))
                    .service(scope("").wrap(sessions).configure(routes))
            })
        }
        kind => panic!("no store of the kind {kind:?}"),
    }
}

fn layer<S: SessionStore>(store: S) -> SessionMiddleware<S> {
    let lifecycle =
        PersistentSession::default().session_ttl(Duration::minutes(contender::IDLE_MINUTES));
    SessionMiddleware::builder(store, Key::from(contender::SECRET.as_bytes()))
        .cookie_secure(false)
        .session_lifecycle(lifecycle)
        .build()
}

fn bare(app: &mut ServiceConfig) {
    app.route("/plain", get().to(plain))
        .route("/unasked", get().to(async || "anon"))
        .route("/anon", get().to(async || "anon"))
        .route("/me", get().to(async || "user-00000"))
        .route("/bump", post().to(async || "1"))
        .route("/login", post().to(async |user: String| user));
}

fn routes(app: &mut ServiceConfig) {
    app.route("/unasked", get().to(async || "anon"))
        .route("/anon", get().to(async |_: Session| "anon"))
        .route("/me", get().to(me))
        .route("/bump", post().to(bump))
        .route("/login", post().to(login));
}

async fn plain() -> &'static str {
    "plain"
}

async fn me(session: Session) -> Result<String> {
    Ok(session.get("userId")?.unwrap_or_default())
}

async fn bump(session: Session) -> Result<String> {
    let n = session.get::<u64>("n")?.unwrap_or(0) + 1;
    session.insert("n", n)?;
    Ok(n.to_string())
}

async fn login(session: Session, user: String) -> Result<String, Error> {
    session.renew();
    session.insert("userId", &user)?;
    session.insert("n", 0)?;
    session.insert("profile", contender::profile())?;
    Ok(user)
}
