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
//! use socketioxide::{SocketIo, extract::SocketRef};
//!
//! async fn connected(socket: SocketRef) {
//!     let session = socketio::session(&socket).await;
//!     let Some(session) = session.ok().filter(|session| session.user().is_some()) else {
//!         let _ = socket.disconnect();
//!         return;
//!     };
//!     socketio::disconnect_at_end(&socket, &session);
//! }
//!
//! fn app(manager: Manager) -> Router {
//!     let (layer, io) = SocketIo::new_layer();
//!     io.ns("/", connected);
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
    /// The store failed; the client may connect again.
    #[error("the session store is unavailable")]
    Store(#[from] StoreError),
}

/// The session of a socket's handshake, as it is now: one read of the store.
///
/// A session that ended since is a new one, without a user: a client that connects to a namespace again
/// is nobody. Nothing closes this session: `save` what you change, and `reload` before reading what
/// others may have changed.
///
/// # Errors
///
/// [`SocketError`]. Where the policy lets requests go on without their store, a session without data.
pub async fn session<A: Adapter>(socket: &SocketRef<A>) -> Result<Session, SocketError> {
    let parts = socket.req_parts();
    if is_hijacked(parts) {
        return Err(SocketError::OtherSite);
    }
    let handle = parts.extensions.get::<SessionHandle>();
    let handle = handle.ok_or(SocketError::NoLayer)?;
    Ok(handle.open(parts).await?)
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
