//! The CSRF guard as a layer, for axum, whose bodies it can read.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::axum::BoxError;
use ::axum::body::{Body, Bytes, HttpBody, to_bytes};
use ::axum::response::{IntoResponse as _, Response};
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::auth::TokenPlace;
use crate::web::Csrf;
use crate::web::answer::ResponseParts;
use crate::web::csrf::{Admission, own_answer, pass_form};
use crate::web::tower::found;

/// Returns the request that goes on, its form read and put back, or the response to a refused one.
async fn admitted(csrf: &Csrf, request: Request<Body>) -> Result<Request<Body>, ResponseParts> {
    #[cfg(any(feature = "ws", feature = "socketio"))]
    let request = {
        let mut request = request;
        request.extensions_mut().insert(csrf.allowed());
        request
    };
    let (parts, body) = request.into_parts();
    match csrf.admit(&parts, found(&parts.extensions)).await? {
        Admission::Passed => Ok(Request::from_parts(parts, body)),
        Admission::FormNeeded(session) => {
            let form = to_bytes(body, TokenPlace::LONGEST_FORM).await.ok();
            let passed = pass_form(&session, form.as_deref());
            passed.map_err(|answer| own_answer(answer, &parts, found(&parts.extensions)))?;
            let body = Body::from(form.unwrap_or_default());
            Ok(Request::from_parts(parts, body))
        }
    }
}

impl<S> Layer<S> for Csrf {
    type Service = CsrfService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CsrfService {
            inner,
            csrf: self.clone(),
        }
    }
}

/// The service that [`Csrf`] creates.
#[derive(Clone, Debug)]
pub struct CsrfService<S> {
    inner: S,
    csrf: Csrf,
}

impl<S, B, R> Service<Request<B>> for CsrfService<S>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    R: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = CsrfFuture<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The ready service is used, and its clone becomes ready later.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let csrf = self.csrf.clone();
        CsrfFuture(Box::pin(async move {
            match admitted(&csrf, request.map(Body::new)).await {
                Ok(request) => Ok(inner.call(request).await?.map(Body::new)),
                Err(answer) => Ok(answer.into_response()),
            }
        }))
    }
}

/// The response of [`CsrfService`].
pub struct CsrfFuture<E>(Pin<Box<dyn Future<Output = Result<Response, E>> + Send>>);

impl<E> Future for CsrfFuture<E> {
    type Output = Result<Response, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<E> fmt::Debug for CsrfFuture<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsrfFuture").finish_non_exhaustive()
    }
}
