//! Sessions on socket.io, with socketioxide: the handshake's, until it ends.
//!
//! The session layer stands outside of socketioxide's, so that the handshake's request has its handle.
//! Requests of the polling transport are nobody's to close: they cost no read, no write and no
//! Set-Cookie.
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

/// How often it is looked whether a client has gone by itself.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait where a client's queue is full.
const FULL: Duration = Duration::from_millis(100);

/// What [`ENDED`] says: `{"code":4401,"reason":"session ended"}`.
#[derive(Serialize)]
struct EndedEvent {
    code: u16,
    reason: &'static str,
}

/// An extension of a socket that is open.
#[derive(Clone)]
struct CountedClient(
    #[expect(dead_code, reason = "held until the socket is gone")] Arc<SocketPermit>,
);

/// Why a socket has no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The session layer does not stand outside of socketioxide's: `.layer(layer)` comes before
    /// `.layer(SessionLayer::new(manager))`.
    #[error("no session layer covers socket.io: add `.layer(SessionLayer::new(manager))` below it")]
    NoLayer,
    /// The session layer's `match_path` does not cover socket.io's path.
    #[error("the session layer does not cover socket.io's path: see `PolicyBuilder::match_path`")]
    OutsidePath,
    /// Another site's page has opened the connection, with its visitor's cookie: disconnect it.
    #[error("this connection is opened by another site")]
    OtherSite,
    /// The session or the client's address has as many sockets as the policy allows.
    #[error("too many open connections: close one, or try again later")]
    TooManySockets,
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    LoginRequired,
    /// The store failed; the client may connect again.
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

/// The session of a socket's handshake: read from the store the first time that it is asked for, for
/// each connection to a namespace.
///
/// A session that has ended since the handshake is a new one, without a user. Nothing closes this
/// session: `save` what you change, and `reload` before reading what others may have changed.
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
    // The handshake has been answered: nothing can give this client a cookie.
    session.head_is_sent();
    // Counted as long as the socket is there, for each connection to a namespace.
    let permit = session.open_socket();
    let permit = permit.map_err(|_| SocketError::TooManySockets)?;
    socket.extensions.insert(CountedClient(Arc::new(permit)));
    socket.extensions.insert(session.clone());
    Ok(session)
}

/// The same, of whoever is signed in. In a middleware its error becomes the client's `connect_error`.
///
/// A middleware is the place for the socket's handlers, too: what a client sends as soon as it is
/// connected comes before the connect handler has run.
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

/// Waits for the end of a socket's session, and disconnects the socket then: it gets the event [`ENDED`]
/// with `{code: 4401, reason: "session ended"}`, or `"session expired"`, before. Done as well when the
/// client has gone by itself.
///
/// A visitor who holds the socket is there: the session does not reach its idle time-out meanwhile, only
/// its absolute one.
///
/// For the connect handler: a socket that is not connected yet counts as gone. A socket without a
/// session ([`SocketError`]) is disconnected at once; a session that is not stored has nothing that can
/// end.
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
            // It is a courtesy: a client whose queue is full goes without.
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
