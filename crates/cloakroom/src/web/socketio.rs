//! Sessions on socket.io, with socketioxide: the handshake's, until it ends.
//!
//! Add the session layer outside socketioxide's, so that the handshake's request has its handle. Requests of
//! the polling transport open no session: they cost no read, no write and no Set-Cookie.
//!
//! ```
//! use axum::Router;
//! use cloakroom::web::socketio::{self, SocketError};
//! use cloakroom::{Manager, SessionLayer};
//! use socketioxide::SocketIo;
//! use socketioxide::extract::{AckSender, SocketRef};
//! use socketioxide::handler::ConnectHandler as _;
//!
//! /// Before the client is connected: its first event finds its handler.
//! async fn admit(socket: SocketRef) -> Result<(), SocketError> {
//!     let session = socketio::signed_in(&socket).await?;
//!     socket.on("who", async move |ack: AckSender| {
//!         let _ = ack.send(&session.user());
//!     });
//!     Ok(())
//! }
//!
//! async fn connected(socket: SocketRef) {
//!     socketio::disconnect_at_end(&socket).await;
//! }
//!
//! fn app(manager: Manager) -> Router {
//!     let (layer, io) = SocketIo::new_layer();
//!     io.ns("/", connected.with(admit));
//!     Router::new().layer(layer).layer(SessionLayer::new(manager))
//! }
//! ```

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use socketioxide::adapter::Adapter;
use socketioxide::extract::SocketRef;
use tokio::time::{sleep, timeout};

use super::handle::Missing;
use super::origin::is_hijacked;
use super::tower::found;
use crate::session::{Presence, Session};
use crate::store::StoreError;
use crate::watch::{self, EndReason, SocketPermit};

/// The event that a client gets before it is disconnected.
pub const ENDED: &str = "session_ended";

/// Interval at which it is checked that a client is still connected.
const LOOK: Duration = Duration::from_secs(1);
/// Time to wait where a client's queue is full.
const FULL: Duration = Duration::from_millis(100);

/// The data of [`ENDED`]: `{"code":4401,"reason":"session ended"}`.
#[derive(Serialize)]
struct EndedEvent {
    code: u16,
    reason: &'static str,
}

/// An extension of an open socket.
#[derive(Clone)]
struct CountedClient(
    #[expect(dead_code, reason = "held until the socket is gone")] Arc<SocketPermit>,
);

/// The reason for which a socket has no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The session layer is not outside socketioxide's: `.layer(layer)` comes before
    /// `.layer(SessionLayer::new(manager))`.
    #[error("no session layer covers socket.io: add `.layer(SessionLayer::new(manager))` below it")]
    NoLayer,
    /// The session layer's `match_path` does not cover socket.io's path.
    #[error("the session layer does not cover socket.io's path: see `PolicyBuilder::match_path`")]
    OutsidePath,
    /// Another site's page has opened the connection, with its user's cookie: disconnect it.
    #[error("this connection is opened by another site")]
    OtherSite,
    /// The session or the client's address has as many sockets as the policy allows.
    #[error("too many open connections: close one, or try again later")]
    TooManySockets,
    /// No user is signed in.
    #[error("nobody is signed in")]
    LoginRequired,
    /// The store failed; the client may reconnect.
    #[error("the session store is unavailable")]
    Store(#[from] StoreError),
}

impl From<Missing> for SocketError {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Layer => Self::NoLayer,
            Missing::Path | Missing::Target => Self::OutsidePath,
        }
    }
}

/// Returns the session of a socket's handshake: read from the store on the first call, for each connection to
/// a namespace.
///
/// A session that has ended since the handshake is a new one, without a user. No response closes this
/// session: `save` your changes, and `reload` before reading data that others may have changed.
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
    let session = found(&parts.extensions).handle()?.read(parts).await?;
    // The handshake has been answered: this client cannot be given a cookie any more.
    session.head_is_sent();
    // Counted as long as the socket is open, for each connection to a namespace.
    let permit = session.open_socket();
    let permit = permit.map_err(|_| SocketError::TooManySockets)?;
    socket.extensions.insert(CountedClient(Arc::new(permit)));
    socket.extensions.insert(session.clone());
    Ok(session)
}

/// Returns the session of a socket's handshake in which a user is signed in. In a middleware its error
/// becomes the client's `connect_error`.
///
/// Register the socket's event handlers in a middleware, too: events that a client sends as soon as it is
/// connected come before the connect handler has run.
///
/// # Errors
///
/// [`SocketError`].
pub async fn signed_in<A: Adapter>(socket: &SocketRef<A>) -> Result<Session, SocketError> {
    let session = session(socket).await?;
    match session.user() {
        Some(_) => Ok(session),
        None => Err(SocketError::LoginRequired),
    }
}

/// Waits for the end of a socket's session, and disconnects the socket then: before that it gets the event
/// [`ENDED`] with `{code: 4401, reason: "session ended"}`, or `"session expired"`. Returns as well when the
/// client has disconnected.
///
/// An open socket counts as use: the session does not reach its idle time-out meanwhile, only its absolute
/// one.
///
/// For the connect handler: a socket that is not connected yet counts as disconnected. A socket without a
/// session ([`SocketError`]) is disconnected at once; a session that is not stored has nothing that can end.
pub async fn disconnect_at_end<A: Adapter>(socket: &SocketRef<A>) {
    match session(socket).await {
        Ok(session) => {
            let ended = session.ended();
            watch(socket, ended, Presence::of(session)).await;
        }
        Err(error) => {
            tracing::debug!(%error, "a socket has no session");
            disconnect(socket).await;
        }
    }
}

async fn watch<A: Adapter>(socket: &SocketRef<A>, mut ended: watch::Ended, mut presence: Presence) {
    while socket.connected() {
        if presence.due_in().is_zero() {
            presence.renew().await;
        }
        if let Ok(end) = timeout(LOOK, &mut ended).await {
            let said = EndedEvent {
                code: EndReason::CLOSE_CODE,
                reason: end.reason(),
            };
            // Best effort: a client whose queue is full does not get the event.
            let _ = socket.emit(ENDED, &said);
            return disconnect(socket).await;
        }
    }
}

async fn disconnect<A: Adapter>(socket: &SocketRef<A>) {
    while socket.connected() && socket.clone().disconnect().is_err() {
        sleep(FULL).await;
    }
}
