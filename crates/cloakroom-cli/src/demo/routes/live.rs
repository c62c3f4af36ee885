//! The cart as it is now, on connections that end with their session: a WebSocket and socket.io.

use std::time::Duration;

use axum::extract::RawQuery;
use axum::response::Response;
use cloakroom::Session;
use cloakroom::web::socketio::{self, SocketError};
use cloakroom::web::{LiveSocket, LiveUpgrade};
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, SocketRef};
use socketioxide::handler::ConnectHandler as _;
use socketioxide::layer::SocketIoLayer;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::demo::visitor::{User, Visitor};

/// Interval at which a connection reads what other tabs and servers have put into the cart.
const LOOK: Duration = Duration::from_secs(2);

/// Shortest interval at which a client's messages prolong its session.
const PROLONG: Duration = Duration::from_secs(1);

/// `GET /ws`: `{"userId":"ada","cart":{"wool-scarf":2},"count":2}`, at first, after each change and in
/// answer to any message. A message is as good as a request: the session is in use. So is a connection
/// that is held, but for `/ws?background`, which all pages have for the number of the cart.
pub(super) async fn socket(live: LiveUpgrade, RawQuery(query): RawQuery) -> Response {
    let live = match query.as_deref() {
        Some("background") => live.in_background(),
        _ => live,
    };
    live.on_upgrade(serve)
}

async fn serve(mut socket: LiveSocket) {
    let session = socket.session().clone();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = None;
    let mut prolonged = Instant::now();
    loop {
        let is_asked = tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(_)) => true,
                _ => return,
            },
            _ = looks.tick() => false,
        };
        let state = now(&session).await;
        if is_asked && prolonged.elapsed() >= PROLONG {
            prolonged = Instant::now();
            prolong(&session).await;
        }
        if (is_asked || said.as_ref() != Some(&state)) && socket.send(text(&state)).await.is_err() {
            return;
        }
        said = Some(state);
    }
}

/// Moves the session's expiry; a visitor without a session gets none by it.
async fn prolong(session: &Session) {
    if !session.is_new() {
        let _ = session.save().await;
    }
}

fn text(state: &Value) -> axum::extract::ws::Message {
    state.to_string().into()
}

/// Returns the session's data now. If the store cannot be read, returns the data read before: the
/// connection's own watch reports the end.
async fn now(session: &Session) -> Value {
    let _ = session.reload().await;
    state(session)
}

fn state(session: &Session) -> Value {
    Visitor::of(session).state()
}

/// `/socket.io/`: the event `session` with the same, at the beginning and as the answer to `cart`; `me`
/// is answered with the user.
pub(super) fn layer() -> SocketIoLayer {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", connected.with(admit));
    layer
}

/// Before the client is connected: its first event finds its handler.
async fn admit(socket: SocketRef) -> Result<(), SocketError> {
    let session = socketio::session(&socket).await?;
    let of_cart = session.clone();
    socket.on("cart", async move |ack: AckSender| {
        let _ = ack.send(&now(&of_cart).await);
    });
    socket.on("me", async move |ack: AckSender| {
        let _ = ack.send(&User::of(&session));
    });
    Ok(())
}

async fn connected(socket: SocketRef) {
    if let Ok(session) = socketio::session(&socket).await {
        let _ = socket.emit("session", &state(&session));
    }
    socketio::disconnect_at_end(&socket).await;
}
