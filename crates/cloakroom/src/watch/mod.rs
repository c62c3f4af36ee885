//! The end of a session, told to whoever holds a connection that outlives its request.
//!
//! `due` decides what to ask and what an answer means, `registry` knows who waits for what, and
//! `watch` asks the store, for all who wait at once.

mod registry;
mod schedule;
mod session_watch;
#[cfg(any(feature = "ws", feature = "socketio"))]
mod sockets;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

pub(crate) use session_watch::SessionWatch;
#[cfg(feature = "ws")]
pub(crate) use sockets::ShutDown;
#[cfg(any(feature = "ws", feature = "socketio"))]
pub(crate) use sockets::{SocketLimit, SocketLimits, SocketPermit, Sockets};

use crate::clock::Timestamp;
use crate::id::SessionId;

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// Its time was up: it was not used for too long, or its absolute time-out came.
    Expired,
    /// Somebody ended it: a logout, a login or anything else that gives a session another id, an
    /// operator, here or on another server.
    Ended,
}

impl EndReason {
    /// The code by which a WebSocket is closed then, of those left to applications (RFC 6455 §7.4.2):
    /// 4401, for HTTP's 401.
    pub const CLOSE_CODE: u16 = 4401;

    /// What a client is told: `session expired`, `session ended`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Expired => "session expired",
            Self::Ended => "session ended",
        }
    }
}

/// Waits for the end of a session; made by [`Session::ended`](crate::Session::ended).
///
/// It watches from when it is polled first, must be polled within a Tokio runtime, and may be dropped
/// at any time. Once it was ready it stays ready.
pub struct Ended(EndedState);

enum EndedState {
    /// There is nothing that can end.
    Never,
    Watching {
        watch: Arc<SessionWatch>,
        watched: Watched,
        waiter: Option<Waiter>,
    },
    Over(EndReason),
}

/// A session as it was when somebody began to watch it.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// The store's key of it.
    pub(crate) id: SessionId,
    /// When the store would let it go.
    pub(crate) expires: Timestamp,
    /// When it is over in any case.
    pub(crate) deadline: Option<Timestamp>,
}

/// A place among those who wait for a session.
struct Waiter {
    number: u64,
    end: oneshot::Receiver<EndReason>,
}

impl Ended {
    /// Never ready: for a session that no store has.
    pub(crate) fn never() -> Self {
        Self(EndedState::Never)
    }

    pub(crate) fn of(watch: Arc<SessionWatch>, watched: Watched) -> Self {
        Self(EndedState::Watching {
            watch,
            watched,
            waiter: None,
        })
    }
}

impl Future for Ended {
    type Output = EndReason;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<EndReason> {
        let end = match &mut self.0 {
            EndedState::Never => return Poll::Pending,
            EndedState::Over(end) => return Poll::Ready(*end),
            EndedState::Watching {
                watch,
                watched,
                waiter,
            } => loop {
                let Waiter { end, .. } = waiter.get_or_insert_with(|| watch.enter(watched));
                match Pin::new(end).poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(end)) => break end,
                    // The runtime of whoever watched is gone: this one watches from now on.
                    Poll::Ready(Err(_)) => *waiter = None,
                }
            },
        };
        self.leave();
        self.0 = EndedState::Over(end);
        Poll::Ready(end)
    }
}

impl Ended {
    fn leave(&mut self) {
        if let EndedState::Watching {
            watch,
            watched,
            waiter: Some(waiter),
        } = &self.0
        {
            watch.leave(&watched.id, waiter.number);
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            EndedState::Never => "Ended(never)",
            EndedState::Watching { .. } => "Ended(watching)",
            EndedState::Over(EndReason::Expired) => "Ended(expired)",
            EndedState::Over(EndReason::Ended) => "Ended(ended)",
        })
    }
}
