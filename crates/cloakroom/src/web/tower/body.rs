//! The body of a response: the inner service's own, or a text in its place.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of the responses of [`SessionLayer`](super::SessionLayer) and [`Guard`](crate::web::Guard):
    /// that of the inner service, whatever its type, or a text in its place.
    pub struct SessionBody<R> {
        #[pin]
        kind: Kind<R>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<R> {
        Inner {
            #[pin]
            body: R,
        },
        // Until it is sent.
        Text { text: Option<Bytes> },
    }
}

impl<R> SessionBody<R> {
    pub(super) fn inner(body: R) -> Self {
        Self {
            kind: Kind::Inner { body },
        }
    }

    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        let text = Some(text.into()).filter(|text| !text.is_empty());
        Self {
            kind: Kind::Text { text },
        }
    }
}

impl<R> Default for SessionBody<R> {
    fn default() -> Self {
        Self::text(Bytes::new())
    }
}

impl<R: Body<Data: From<Bytes>>> Body for SessionBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        match self.project().kind.project() {
            KindProjection::Inner { body } => body.poll_frame(context),
            KindProjection::Text { text } => {
                let frame = text.take().map(|text| Ok(Frame::data(text.into())));
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Text { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Text { text } => {
                let length = text.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(length as u64)
            }
        }
    }
}

impl<R> fmt::Debug for SessionBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBody").finish_non_exhaustive()
    }
}
