//! Open connections that end with their session: a WebSocket at `/ws`, socket.io at `/socket.io/`.
//!
//! ```sh
//! SESSION_SECRET="$(openssl rand -base64 48)" cargo run --example sockets \
//!     --features sqlite,ws,socketio -- --store sqlite:sessions.db --addr 127.0.0.1:3000
//! ```

use std::io::Write as _;
use std::net::SocketAddr;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use clap::Parser;
use cloakroom::store::{AnyStore, StoreError};
use cloakroom::web::socketio::{self, SocketError};
use cloakroom::web::{LiveSocket, LiveUpgrade};
use cloakroom::{Clock, KeyRing, Manager, Policy, Secure, Session, SessionError, SessionLayer};
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::handler::ConnectHandler as _;
use tokio::net::TcpListener;

#[path = "fronts/connections.rs"]
mod connections;

#[derive(Parser)]
struct Flags {
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: SocketAddr,
    #[arg(long, default_value = "memory:")]
    store: String,
    #[arg(long, env = "SESSION_SECRET", hide_env_values = true)]
    secret: String,
}

#[tokio::main]
async fn main() {
    if let Err(error) = run(Flags::parse()).await {
        let _ = writeln!(std::io::stderr(), "sockets: {error}");
        std::process::exit(1);
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    // Tests run it beside Express, which takes any secret; elsewhere use `KeyRing::new`.
    let keys = KeyRing::with_insecure_short_secret(flags.secret)?;
    // For plain HTTP on one's own machine; elsewhere leave it out.
    let policy = Policy::builder(keys).secure(Secure::Auto).build()?;
    let store = AnyStore::connect(&flags.store).await?;
    let manager = Manager::with_clock(policy, store.into(), Clock::System);
    let listener = TcpListener::bind(flags.addr).await?;
    let at = listener.local_addr()?;
    writeln!(std::io::stdout(), "listening on http://{at}")?;
    connections::serve(listener, app(manager), std::future::pending()).await;
    Ok(())
}

fn app(manager: Manager) -> Router {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected.with(admit));
    Router::new()
        .route("/login/{user}", post(login))
        .route("/logout", post(logout))
        .route("/logout-everywhere/{user}", post(logout_everywhere))
        .route("/me", get(me))
        .route("/ws", any(async |live: LiveUpgrade| greet(live)))
        .with_state(manager.clone())
        .layer(sockets)
        // Outside socket.io's, so that its handshakes have a session.
        .layer(SessionLayer::new(manager))
}

/// Signs in without a password: it is an example.
async fn login(session: Session, Path(user): Path<String>) -> Result<(), SessionError> {
    session.login(user).await
}

async fn logout(session: Session) -> Result<(), SessionError> {
    session.logout().await
}

async fn logout_everywhere(
    State(manager): State<Manager>,
    Path(user): Path<String>,
) -> Result<Json<u64>, SessionError> {
    let ended: Result<u64, StoreError> = manager.end_sessions_of(&user, None).await;
    Ok(Json(ended?))
}

async fn me(session: Session) -> Json<Option<String>> {
    Json(session.user())
}

fn greet(live: LiveUpgrade) -> Response {
    live.on_upgrade(async |mut socket: LiveSocket| {
        let user = socket.session().user().unwrap_or_else(|| "nobody".into());
        let _ = socket.send(format!("hello {user}").into()).await;
        while let Some(Ok(said)) = socket.recv().await {
            let _ = socket.send(said).await;
        }
    })
}

/// Runs before the client is connected, so that its first event finds its handler.
async fn admit(socket: SocketRef) -> Result<(), SocketError> {
    let session = socketio::signed_in(&socket).await?;
    socket.on("who", async move |ack: AckSender| {
        let _ = ack.send(&session.user());
    });
    socket.on("echo", async |Data::<Value>(said), ack: AckSender| {
        let _ = ack.send(&said);
    });
    Ok(())
}

async fn connected(socket: SocketRef) {
    socketio::disconnect_at_end(&socket).await;
}
