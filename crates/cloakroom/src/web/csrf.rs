//! Keeps requests out that another site makes a visitor's browser send.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::axum::body::{Body, to_bytes};
use ::axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::SessionHandle;
use super::origin::judge;
use crate::auth::Verdict;
use crate::session::Session;

/// The field of a form that may hold the token.
const FIELD: &str = "_csrf";
const HEADER: &str = "x-csrf-token";
/// No form that is read for its token is longer.
const LONGEST_FORM: usize = 1024 * 1024;

/// Refuses requests with unsafe methods that come from another site, login forms included.
///
/// Where the browser says where a request comes from, that decides: `Sec-Fetch-Site`, else `Origin`.
/// Where it says nothing, a token of the session does ([`Session::csrf_token`]), in the header
/// `X-CSRF-Token` or in the field `_csrf` of an urlencoded form. It stands inside the session layer.
///
/// ```
/// use axum::{Router, routing::post};
/// use cloakroom::web::Csrf;
///
/// let shop: Router = Router::new()
///     .route("/order", post(async || "ordered"))
///     .layer(Csrf::new().allow_origin("https://pay.example"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Csrf {
    allowed: Arc<Vec<String>>,
}

impl Csrf {
    /// For requests of this site's own pages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets requests of another origin through as well, and lets it open WebSockets:
    /// `https://pay.example`, as `Origin` spells it.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.allowed).push(origin.into());
        self
    }

    #[cfg_attr(
        not(any(feature = "ws", feature = "socketio")),
        expect(unused_mut, reason = "sockets are told which origins are allowed")
    )]
    async fn admit(&self, mut request: Request<Body>) -> Admitted {
        #[cfg(any(feature = "ws", feature = "socketio"))]
        request
            .extensions_mut()
            .insert(super::origin::Allowed(Arc::clone(&self.allowed)));
        let (parts, body) = request.into_parts();
        match judge(&parts, &self.allowed, parts.method.is_safe()) {
            Verdict::Pass => Ok(Request::from_parts(parts, body)),
            Verdict::Refused => refused("this request comes from another site"),
            Verdict::TokenNeeded => with_token(parts, body).await,
        }
    }
}

/// The request that goes on, or the answer to one that does not.
type Admitted = Result<Request<Body>, Box<Response>>;

async fn with_token(parts: Parts, body: Body) -> Admitted {
    let Some(handle) = parts.extensions.get::<SessionHandle>() else {
        tracing::error!("a guard against forged requests stands outside every session layer");
        return Err(Box::new(StatusCode::INTERNAL_SERVER_ERROR.into_response()));
    };
    let session = handle.session(&parts).await.map_err(|error| {
        let rejection = super::SessionRejection::from(error);
        Box::new(rejection.into_response())
    })?;
    if let Some(token) = parts.headers.get(HEADER) {
        let token = token.to_str().unwrap_or("").to_owned();
        return checked(&session, &token, parts, body);
    }
    if !is_form(&parts.headers) {
        return refused("this request needs the header X-CSRF-Token");
    }
    let Ok(form) = to_bytes(body, LONGEST_FORM).await else {
        return Err(Box::new(StatusCode::PAYLOAD_TOO_LARGE.into_response()));
    };
    let mut fields = form_urlencoded::parse(&form);
    let token = fields.find_map(|(name, value)| (name == FIELD).then(|| value.into_owned()));
    checked(&session, &token.unwrap_or_default(), parts, form.into())
}

fn checked(session: &Session, token: &str, parts: Parts, body: Body) -> Admitted {
    if session.accepts_csrf_token(token) {
        return Ok(Request::from_parts(parts, body));
    }
    refused("this form is out of date: load its page again")
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    kind.trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn refused(why: &'static str) -> Admitted {
    Err(Box::new((StatusCode::FORBIDDEN, why).into_response()))
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
            match csrf.admit(request).await {
                Ok(request) => inner.call(request).await,
                Err(response) => Ok(*response),
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
