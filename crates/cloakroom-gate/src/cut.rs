//! A body that ends with its session: a download, an upload, a stream of events.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use cloakroom::Session;
use cloakroom::watch::Ended;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// Age from which a body is watched: most are over by then, and cost nothing.
const YOUNG: Duration = Duration::from_millis(200);

/// A body that breaks off once its session has ended.
pub(crate) struct CutBody {
    body: Body,
    cut: Cut,
}

/// The end of a session, as far as it is waited for.
pub(crate) enum Cut {
    Unwatched(Session, Option<Pin<Box<Sleep>>>),
    Watched(Ended),
    Over,
}

impl CutBody {
    /// Returns a body that ends with the session, the same one where it is empty.
    pub(crate) fn wrap(body: Body, session: &Session) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let cut = Cut::of(session);
        Body::new(Self { body, cut })
    }
}

impl Cut {
    pub(crate) fn of(session: &Session) -> Self {
        Self::Unwatched(session.clone(), None)
    }

    /// Is ready once the session has ended, and stays so.
    pub(crate) fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            *self = match self {
                Self::Over => return Poll::Ready(()),
                Self::Watched(ended) => {
                    ready!(Pin::new(ended).poll(context));
                    Self::Over
                }
                Self::Unwatched(session, young) => {
                    let young = young.get_or_insert_with(|| Box::pin(sleep(YOUNG)));
                    ready!(young.as_mut().poll(context));
                    Self::Watched(session.ended())
                }
            };
        }
    }
}

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, cut } = &mut *self;
        if cut.poll_ended(context).is_ready() {
            let over = io::Error::new(io::ErrorKind::ConnectionAborted, "the session has ended");
            return Poll::Ready(Some(Err(axum::Error::new(over))));
        }
        Pin::new(body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
