//! Routes whose requests are passive, as a middleware.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};

use super::found;
use crate::web::KeepExpiry;

impl<S, B> Transform<S, ServiceRequest> for KeepExpiry
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = KeepExpiryMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(KeepExpiryMiddleware { inner }))
    }
}

/// The service that [`KeepExpiry`] makes for actix-web.
#[derive(Debug)]
pub struct KeepExpiryMiddleware<S> {
    inner: S,
}

impl<S, B> Service<ServiceRequest> for KeepExpiryMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = S::Future;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if let Some(handle) = found(request.request()).as_found().handle {
            handle.keep_expiry();
        }
        self.inner.call(request)
    }
}
