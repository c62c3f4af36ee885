//! Completes operations that have begun, although the client has disconnected.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use tokio::runtime::Handle;
use tower_layer::Layer;
use tower_service::Service;

use super::{SessionLayer, SessionService};

/// Runs a future to its end in a task of its own, where there is a runtime.
pub(super) fn in_background(future: impl Future<Output = ()> + Send + 'static) {
    // A future that has panicked must not be polled again.
    if let Ok(runtime) = Handle::try_current()
        && !std::thread::panicking()
    {
        runtime.spawn(future);
    }
}

/// A [`SessionLayer`] whose handlers run to their end although the client has disconnected; made by
/// [`SessionLayer::finish_handlers`].
#[derive(Clone, Debug)]
pub struct FinishingLayer(pub(super) SessionLayer);

impl<S> Layer<S> for FinishingLayer {
    type Service = FinishingService<SessionService<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        FinishingService {
            inner: self.0.layer(inner),
        }
    }
}

/// The service that [`FinishingLayer`] creates.
#[derive(Clone, Debug)]
pub struct FinishingService<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for FinishingService<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = FinishingFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        FinishingFuture(Some(Box::pin(self.inner.call(request))))
    }
}

/// The response of [`FinishingService`]; where it is dropped before it is ready, a task of its own completes
/// it.
pub struct FinishingFuture<F: Future + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future + Send + 'static> Future for FinishingFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out meanwhile: one that panics is not polled again.
        let Some(mut future) = self.0.take() else {
            return Poll::Pending;
        };
        let polled = future.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(future);
        }
        polled
    }
}

impl<F: Future + Send + 'static> Drop for FinishingFuture<F> {
    fn drop(&mut self) {
        if let Some(future) = self.0.take() {
            in_background(async move { drop(future.await) });
        }
    }
}

impl<F: Future + Send + 'static> fmt::Debug for FinishingFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinishingFuture").finish_non_exhaustive()
    }
}
