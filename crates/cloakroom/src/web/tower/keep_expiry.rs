//! Routes whose requests do not count as use of a session, as a layer.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::found;
use crate::web::KeepExpiry;

impl<S> Layer<S> for KeepExpiry {
    type Service = KeepExpiryService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        KeepExpiryService { inner }
    }
}

/// The service that [`KeepExpiry`] creates.
#[derive(Clone, Debug)]
pub struct KeepExpiryService<S> {
    inner: S,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for KeepExpiryService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(handle) = found(request.extensions()).handle {
            handle.keep_expiry();
        }
        self.inner.call(request)
    }
}
