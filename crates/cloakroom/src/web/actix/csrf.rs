//! The CSRF guard as a middleware.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodyStream, EitherBody, MessageBody, to_bytes_limited};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{Error, HttpMessage as _, HttpResponse};

use super::{ActixFuture, found};
use crate::auth::TokenPlace;
use crate::web::Csrf;
use crate::web::answer::ResponseParts;
use crate::web::csrf::{Admission, own_answer, pass_form};

/// Lets a request go on, its form read and put back, or returns the response to a refused one.
async fn admit(csrf: &Csrf, request: &mut ServiceRequest) -> Result<(), ResponseParts> {
    let found = found(request.request());
    match csrf.admit(request.request(), found.as_found()).await? {
        Admission::Passed => Ok(()),
        Admission::FormNeeded(session) => {
            let body = BodyStream::new(request.take_payload());
            let form = to_bytes_limited(body, TokenPlace::LONGEST_FORM).await;
            let form = form.ok().and_then(Result::ok);
            let passed = pass_form(&session, form.as_deref());
            passed.map_err(|answer| own_answer(answer, request.request(), found.as_found()))?;
            request.set_payload(Payload::from(form.unwrap_or_default()));
            Ok(())
        }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Csrf
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = CsrfMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(CsrfMiddleware {
            inner: Rc::new(inner),
            csrf: self.clone(),
        }))
    }
}

/// The service that [`Csrf`] makes for actix-web.
#[derive(Debug)]
pub struct CsrfMiddleware<S> {
    inner: Rc<S>,
    csrf: Csrf,
}

impl<S, B> Service<ServiceRequest> for CsrfMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = ActixFuture<B>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let (inner, csrf) = (Rc::clone(&self.inner), self.csrf.clone());
        Box::pin(async move {
            match admit(&csrf, &mut request).await {
                Ok(()) => Ok(inner.call(request).await?.map_into_left_body()),
                Err(answer) => {
                    let response = HttpResponse::from(answer);
                    Ok(request.into_response(response.map_into_right_body()))
                }
            }
        })
    }
}
