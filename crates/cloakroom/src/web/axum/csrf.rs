//! The guard against forged requests as a layer, for axum, whose bodies it can read.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::axum::body::{Body, to_bytes};
use ::axum::response::{IntoResponse as _, Response};
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::auth::TokenPlace;
use crate::web::Csrf;
use crate::web::answer::ResponseParts;
use crate::web::csrf::{Admission, own_answer, pass_form};
use crate::web::tower::found;

/// The request that goes on, its form read and put back, or the answer to one that does not.
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

/// The service that [`Csrf`] makes.
#[derive(Clone, Debug)]
pub struct CsrfService<S> {
    inner: S,
    csrf: Csrf,
}

impl<S> Service<Request<Body>> for CsrfService<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = CsrfFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that is ready is used, and its clone waits for its turn.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let csrf = self.csrf.clone();
        CsrfFuture(Box::pin(async move {
            match admitted(&csrf, request).await {
                Ok(request) => inner.call(request).await,
                Err(answer) => Ok(answer.into_response()),
            }
        }))
    }
}

/// The response of [`CsrfService`].
pub struct CsrfFuture(Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>);

impl Future for CsrfFuture {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for CsrfFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsrfFuture").finish_non_exhaustive()
    }
}
