//! The connection behind a socket: used by its handler, and closed beside it when the session ends.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{Sink, Stream};

use super::CountedSocket;
use crate::util::lock;
use crate::watch::{EndReason, Ended, ShutDown};

/// Time that a client has to answer the close before the connection is cut.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection that its handler uses, and that is closed beside it. No lock is held across an await.
pub(super) struct SharedSocket(
    Mutex<SocketState>,
    #[expect(dead_code, reason = "held as long as the connection")] CountedSocket,
);

pub(super) struct SocketState {
    pub(super) socket: Option<WebSocket>,
    pub(super) closing: Option<CloseReason>,
    /// `true` once the handler has dropped it.
    pub(super) is_left: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    keeper: Option<Waker>,
}

/// The reason for which the server closes a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum CloseReason {
    SessionOver(EndReason),
    /// The server shuts down (RFC 6455 §7.4.1): clients reconnect.
    GoingAway,
}

impl CloseReason {
    fn code(self) -> u16 {
        match self {
            Self::SessionOver(_) => EndReason::CLOSE_CODE,
            Self::GoingAway => 1001,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::SessionOver(end) => end.reason(),
            Self::GoingAway => "the server shuts down",
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{}", .0.map_or("the connection is closed", CloseReason::reason))]
struct Closed(Option<CloseReason>);

impl SocketState {
    /// Returns the connection, for the handler.
    pub(super) fn open(&mut self) -> Result<&mut WebSocket, axum::Error> {
        let closed = || axum::Error::new(Closed(self.closing));
        match (&mut self.socket, self.closing) {
            (Some(socket), None) => Ok(socket),
            _ => Err(closed()),
        }
    }

    pub(super) fn wake(&mut self) {
        let wakers = [&mut self.reader, &mut self.writer, &mut self.keeper];
        wakers
            .into_iter()
            .filter_map(Option::take)
            .for_each(Waker::wake);
    }
}

impl SharedSocket {
    pub(super) fn new(socket: WebSocket, permit: CountedSocket) -> Self {
        let state = SocketState {
            socket: Some(socket),
            closing: None,
            is_left: false,
            reader: None,
            writer: None,
            keeper: None,
        };
        Self(Mutex::new(state), permit)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, SocketState> {
        lock(&self.0)
    }

    pub(super) fn poll_next(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, axum::Error>>> {
        let mut state = self.lock();
        state.reader = Some(context.waker().clone());
        match state.open() {
            Ok(socket) => Pin::new(socket).poll_next(context),
            Err(_) => Poll::Ready(None),
        }
    }

    pub(super) fn poll_write(
        &self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut WebSocket>, &mut Context<'_>) -> Poll<Result<(), axum::Error>>,
    ) -> Poll<Result<(), axum::Error>> {
        let mut state = self.lock();
        state.writer = Some(context.waker().clone());
        match state.open() {
            Ok(socket) => write(Pin::new(socket), context),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Polls the connection after its end; `None` where it is gone.
    fn poll_closing<T>(
        &self,
        poll: impl FnOnce(Pin<&mut WebSocket>) -> Poll<Result<T, axum::Error>>,
    ) -> Poll<Option<T>> {
        match &mut self.lock().socket {
            Some(socket) => poll(Pin::new(socket)).map(Result::ok),
            None => Poll::Ready(None),
        }
    }
}

/// Closes the connection when the session ends or the server shuts down; returns when the handler has dropped
/// it before.
pub(super) async fn keep(line: Arc<SharedSocket>, mut ended: Ended, mut shut_down: ShutDown) {
    let mut shutting_down = pin!(shut_down.begins());
    let closing = poll_fn(|context| {
        if let Poll::Ready(end) = Pin::new(&mut ended).poll(context) {
            return Poll::Ready(Some(CloseReason::SessionOver(end)));
        }
        if shutting_down.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(CloseReason::GoingAway));
        }
        let mut state = line.lock();
        if state.is_left {
            return Poll::Ready(None);
        }
        state.keeper = Some(context.waker().clone());
        Poll::Pending
    });
    let Some(closing) = closing.await else {
        return;
    };
    {
        let mut state = line.lock();
        state.closing = Some(closing);
        state.wake();
    }
    // A client that reads nothing, or answers nothing, is not waited for.
    let _ = tokio::time::timeout(GOODBYE, say_goodbye(&line, closing)).await;
    line.lock().socket = None;
}

async fn say_goodbye(line: &SharedSocket, closing: CloseReason) -> Option<()> {
    poll_fn(|context| line.poll_closing(|socket| socket.poll_ready(context))).await?;
    let close = Message::Close(Some(CloseFrame {
        code: closing.code(),
        reason: closing.reason().into(),
    }));
    poll_fn(|_| {
        let close = close.clone();
        line.poll_closing(|socket| Poll::Ready(socket.start_send(close)))
    })
    .await?;
    poll_fn(|context| line.poll_closing(|socket| socket.poll_flush(context))).await?;
    // Messages that the client has still sent are skipped, up to its own close.
    poll_fn(|context| {
        line.poll_closing(|mut socket| {
            while ready!(socket.as_mut().poll_next(context)).is_some_and(|said| said.is_ok()) {}
            Poll::Ready(Ok(()))
        })
    })
    .await
}
