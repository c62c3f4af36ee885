//! Sessions on socket.io, with socketioxide: the handshake's, until it ends.
//!
//! The session layer stands outside of socketioxide's, so that the handshake's request has its handle.
//! Requests of the polling transport are nobody's to close: they cost no read, no write and no
//! Set-Cookie.
//!
//! ```
//! use axum::Router;
//! use cloakroom::web::socketio;
//! use cloakroom::{Manager, SessionLayer};
//! use socketioxide::SocketIo;
//! use socketioxide::extract::{AckSender, SocketRef};
//! use socketioxide::handler::ConnectHandler as _;
//!
//! async fn connected(socket: SocketRef) {
//!     // It was read by the middleware below.
//!     let Ok(session) = socketio::session(&socket).await else { return };
//!     socketio::disconnect_at_end(&socket, &session);
//!     socket.on("who", async move |ack: AckSender| {
//!         let _ = ack.send(&session.user());
//!     });
//! }
//!
//! fn app(manager: Manager) -> Router {
//!     let (layer, io) = SocketIo::new_layer();
//!     io.ns("/", connected.with(socketio::signed_in));
//!     Router::new().layer(layer).layer(SessionLayer::new(manager))
//! }
//! ```

use std::pin::pin;
use std::time::Duration;

use serde::Serialize;
use socketioxide::adapter::Adapter;
use socketioxide::extract::SocketRef;
use tokio::time::{sleep, timeout};

use super::SessionHandle;
use super::origin::is_hijacked;
use crate::live::End;
use crate::session::Session;
use crate::store::StoreError;

/// The event that a client gets before it is disconnected.
pub const ENDED: &str = "session_ended";

/// How often it is looked whether a client has gone by itself.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait where a client's queue is full.
const FULL: Duration = Duration::from_millis(100);

/// What [`ENDED`] says: `{"code":4401,"reason":"session ended"}`.
#[derive(Serialize)]
struct Ended {
    code: u16,
    reason: &'static str,
}

/// Why a socket has no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The session layer does not stand outside of socketioxide's: `.layer(layer)` comes before
    /// `.layer(SessionLayer::new(manager))`.
    #[error("no session layer covers socket.io: add `.layer(SessionLayer::new(manager))` below it")]
    NoLayer,
    /// Another site's page has opened the connection, with its visitor's cookie: disconnect it.
    #[error("this connection is opened by another site")]
    OtherSite,
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    LoginRequired,
    /// The store failed; the client may connect again.
    #[error("the session store is unavailable")]
    Store(#[from] StoreError),
}

/// The session of a socket's handshake: read from the store the first time that it is asked for, for
/// each connection to a namespace.
///
/// Ask for it in a middleware first: what a client sends while the connect handler waits for the store
/// finds no handler of its own yet. A session that has ended since the handshake is a new one, without a
/// user. Nothing closes this session: `save` what you change, and `reload` before reading what others
/// may have changed.
///
/// # Errors
///
/// [`SocketError`]. Where the policy lets requests go on without their store, a session without data.
pub async fn session<A: Adapter>(socket: &SocketRef<A>) -> Result<Session, SocketError> {
    if let Some(session) = socket.extensions.get::<Session>() {
        return Ok(session);
    }
    let parts = socket.req_parts();
    if is_hijacked(parts) {
        return Err(SocketError::OtherSite);
    }
    let handle = parts.extensions.get::<SessionHandle>();
    let session = handle.ok_or(SocketError::NoLayer)?.open(parts).await?;
    socket.extensions.insert(session.clone());
    Ok(session)
}

/// A middleware that connects those alone who are signed in: the others get a `connect_error`.
///
/// # Errors
///
/// [`SocketError`], whose text the client gets.
pub async fn signed_in<A: Adapter>(socket: SocketRef<A>) -> Result<(), SocketError> {
    let session = session(&socket).await?;
    session.user().map(drop).ok_or(SocketError::LoginRequired)
}

/// Disconnects a socket when its session ends: it gets the event [`ENDED`] with
/// `{code: 4401, reason: "session ended"}`, or `"session expired"`, and is disconnected then.
///
/// It must be called within a Tokio runtime. A session that is not stored has nothing that can end.
pub fn disconnect_at_end<A: Adapter>(socket: &SocketRef<A>, session: &Session) {
    if session.stored_id().is_some() {
        tokio::spawn(watch(socket.clone(), session.ended()));
    }
}

async fn watch<A: Adapter>(socket: SocketRef<A>, ended: crate::live::Ended) {
    let mut ended = pin!(ended);
    loop {
        match timeout(LOOK, &mut ended).await {
            Ok(end) => return disconnect(&socket, end).await,
            Err(_) if !socket.connected() => return,
            Err(_) => {}
        }
    }
}

async fn disconnect<A: Adapter>(socket: &SocketRef<A>, end: End) {
    let said = Ended {
        code: End::CLOSE_CODE,
        reason: end.reason(),
    };
    // It is a courtesy: a client whose queue is full goes without.
    let _ = socket.emit(ENDED, &said);
    while socket.connected() && socket.clone().disconnect().is_err() {
        sleep(FULL).await;
    }
}
