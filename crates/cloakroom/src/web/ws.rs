//! Sessions on axum's WebSockets: opened by this site's own pages, closed when the session ends.

mod shared;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum_core::extract::FromRequestParts;
use futures_util::future::{Either, join, select};
use futures_util::{Sink, SinkExt, Stream};
use http::StatusCode;
use http::header::RETRY_AFTER;
use http::request::Parts;

use self::shared::{CloseReason, SharedSocket, keep};
use super::SessionRejection;
use super::origin::is_hijacked;
use crate::session::{Presence, Session};
use crate::watch::{EndReason, SocketPermit};

/// Length of the longest message, and frame, that a client may send: enough for a chat or a game, and little
/// enough that a thousand sockets hold no more than 64 MiB in unfinished messages.
const LONGEST_MESSAGE: usize = 64 * 1024;
/// Size of the read buffer; axum's own 128 KiB would be held for every idle socket.
const READ_BUFFER: usize = 8 * 1024;

/// Extracts a WebSocket's handshake with its session, and refuses one that another site makes a user's
/// browser send: 403 (cross-site WebSocket hijacking).
///
/// Its source is evaluated as [`Csrf`](super::Csrf) evaluates requests that change something, and the origins
/// that an outer `Csrf` allows are allowed. A client that states none is no browser, and passes. The policy's
/// `max_sockets_per_session` and `max_sockets_per_address` bound the open sockets of a session and a client
/// address; one more gets 429. A [`Guard`](super::Guard) on the route requires a user who is signed in.
///
/// ```
/// use axum::{Router, response::Response, routing::any};
/// use cloakroom::web::LiveUpgrade;
///
/// async fn echo(upgrade: LiveUpgrade) -> Response {
///     upgrade.on_upgrade(async |mut socket| {
///         while let Some(Ok(message)) = socket.recv().await {
///             if socket.send(message).await.is_err() {
///                 return;
///             }
///         }
///     })
/// }
///
/// let app: Router = Router::new().route("/ws", any(echo));
/// ```
#[derive(Debug)]
#[must_use]
pub struct LiveUpgrade {
    upgrade: WebSocketUpgrade,
    session: Session,
    permit: CountedSocket,
    keeps_alive: bool,
}

/// A socket that counts towards the limits of its session and its address.
struct CountedSocket(SocketPermit);

impl fmt::Debug for CountedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountedSocket")
    }
}

/// The reason for which there is no WebSocket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeRejection {
    /// It comes from another site: 403.
    #[error("this connection is opened by another site")]
    OtherSite,
    /// The session or the client's address has as many sockets as the policy allows: 429.
    #[error("too many open connections: close one, or try again later")]
    TooManySockets,
    /// There is no session: no layer, or an error of the store.
    #[error(transparent)]
    Session(#[from] SessionRejection),
    /// It is no WebSocket handshake.
    #[error(transparent)]
    NoHandshake(#[from] WebSocketUpgradeRejection),
}

impl IntoResponse for UpgradeRejection {
    fn into_response(self) -> Response {
        match self {
            Self::OtherSite => (StatusCode::FORBIDDEN, self.to_string()).into_response(),
            Self::TooManySockets => {
                let later = [(RETRY_AFTER, "10")];
                (StatusCode::TOO_MANY_REQUESTS, later, self.to_string()).into_response()
            }
            Self::Session(rejection) => rejection.into_response(),
            Self::NoHandshake(rejection) => rejection.into_response(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for LiveUpgrade {
    type Rejection = UpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        if is_hijacked(parts) {
            return Err(UpgradeRejection::OtherSite);
        }
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await?;
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        let permit = session
            .open_socket()
            .map_err(|_| UpgradeRejection::TooManySockets)?;
        Ok(Self {
            upgrade: upgrade
                .max_message_size(LONGEST_MESSAGE)
                .max_frame_size(LONGEST_MESSAGE)
                .read_buffer_size(READ_BUFFER),
            session,
            permit: CountedSocket(permit),
            keeps_alive: true,
        })
    }
}

impl LiveUpgrade {
    /// Returns the session of the handshake's request.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Configures axum's own extractor: subprotocols, bounds on messages.
    ///
    /// Default: messages and frames of 64 KiB at most, beyond which the connection is closed.
    pub fn with(mut self, settings: impl FnOnce(WebSocketUpgrade) -> WebSocketUpgrade) -> Self {
        self.upgrade = settings(self.upgrade);
        self
    }

    /// Lets the session reach its idle time-out while the socket is open: for one that a page opens by
    /// itself, to show a number, say.
    ///
    /// Default: an open socket counts as use, and the session does not reach its idle time-out meanwhile,
    /// only its absolute one.
    pub fn in_background(mut self) -> Self {
        self.keeps_alive = false;
        self
    }

    /// Answers the handshake, and calls `callback` with the connection once it is open.
    ///
    /// The session is watched as it is stored when the handshake's response has left.
    #[must_use = "the response opens the connection"]
    pub fn on_upgrade<C, F>(self, callback: C) -> Response
    where
        C: FnOnce(LiveSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Self {
            upgrade,
            session,
            permit,
            keeps_alive,
        } = self;
        upgrade.on_upgrade(async move |socket| {
            let (ended, shut_down) = (session.ended(), permit.0.shut_down());
            let presence = keeps_alive.then(|| Presence::of(session.clone()));
            let line = Arc::new(SharedSocket::new(socket, permit));
            let keeping = keep(Arc::clone(&line), ended, shut_down);
            let serving = join(callback(LiveSocket { line, session }), keeping);
            while_present(presence, serving).await;
        })
    }
}

/// Serves a connection to its end, and keeps its session alive meanwhile.
async fn while_present<T>(presence: Option<Presence>, serving: impl Future<Output = T>) -> T {
    let Some(mut presence) = presence else {
        return serving.await;
    };
    let renewing = pin!(async move {
        loop {
            tokio::time::sleep(presence.due_in()).await;
            presence.renew().await;
        }
    });
    match select(pin!(serving), renewing).await {
        Either::Left((served, _)) => served,
        Either::Right((never, _)) => never,
    }
}

/// A WebSocket that is closed when its session ends, whatever its handler does meanwhile: with the code 4401
/// ([`EndReason::CLOSE_CODE`]) and the reason `session ended` or `session expired`; and when its server shuts
/// down ([`Manager::close_sockets`](crate::Manager::close_sockets)), with 1001.
///
/// [`recv`](Self::recv) then returns `None`, and [`send`](Self::send) an error. It is a [`Stream`] and a
/// [`Sink`] as well, and may be split. A client that does not answer the close within a second is cut off.
pub struct LiveSocket {
    line: Arc<SharedSocket>,
    session: Session,
}

impl LiveSocket {
    /// Returns the session. `reload` it before reading data that others may have changed, and `save` your
    /// changes: no response does so any more.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the next message; `None` once the connection is closed or the session is over.
    pub async fn recv(&mut self) -> Option<Result<Message, axum::Error>> {
        poll_fn(|context| self.line.poll_next(context)).await
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// [`axum::Error`] where the connection is closed or the session is over: nothing can be sent any
    /// more.
    pub async fn send(&mut self, message: Message) -> Result<(), axum::Error> {
        SinkExt::send(self, message).await
    }

    /// Returns the reason for which the session is over, once it is.
    pub fn end(&self) -> Option<EndReason> {
        match self.line.lock().closing? {
            CloseReason::SessionOver(end) => Some(end),
            CloseReason::GoingAway => None,
        }
    }
}

impl fmt::Debug for LiveSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSocket")
            .field("session", &self.session)
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}

impl Drop for LiveSocket {
    fn drop(&mut self) {
        let mut state = self.line.lock();
        state.is_left = true;
        // Where the session is over, the close is under way.
        if state.closing.is_none() {
            state.socket = None;
        }
        state.wake();
    }
}

impl Stream for LiveSocket {
    type Item = Result<Message, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.line.poll_next(context)
    }
}

impl Sink<Message> for LiveSocket {
    type Error = axum::Error;

    fn poll_ready(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), axum::Error>> {
        self.line.poll_write(context, Sink::poll_ready)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), axum::Error> {
        Pin::new(self.line.lock().open()?).start_send(message)
    }

    fn poll_flush(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), axum::Error>> {
        self.line.poll_write(context, Sink::poll_flush)
    }

    fn poll_close(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), axum::Error>> {
        self.line.poll_write(context, Sink::poll_close)
    }
}
