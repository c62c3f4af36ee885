//! Notifies connections that outlive their request of the end of their session.
//!
//! `schedule` decides what to query and what an answer means, `registry` keeps the waiters of each session,
//! and `session_watch` queries the store, for all waiters at once.

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

/// The reason for which a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// It expired: its idle or its absolute time-out came.
    Expired,
    /// It was ended: by a logout, a login or anything else that gives a session another id, or by an
    /// operator, here or on another server.
    Ended,
}

impl EndReason {
    /// The close code of a WebSocket whose session is over, of those left to applications (RFC 6455 §7.4.2):
    /// 4401, for HTTP's 401.
    pub const CLOSE_CODE: u16 = 4401;

    /// Returns the reason as it is sent to a client: `session expired`, `session ended`.
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

/// A session as it was when the watch began.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// The store's key of it.
    pub(crate) id: SessionId,
    /// The store's expiry.
    pub(crate) expires: Timestamp,
    /// The absolute time-out.
    pub(crate) deadline: Option<Timestamp>,
}

/// An entry among the waiters of a session.
struct Waiter {
    number: u64,
    end: oneshot::Receiver<EndReason>,
}

impl Ended {
    /// Returns a future that is never ready: for a session that is not stored.
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
                    // The watching runtime is gone: this one watches from now on.
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
