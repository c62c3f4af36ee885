//! The layer: puts a handle into each request, and closes what was opened before the response leaves.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use http::header::{COOKIE, HOST, HeaderValue, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::cache;
use crate::manager::{CloseError, Closing, Manager};
use crate::policy::RequestInfo;
use crate::session::Session;
use crate::store::StoreError;

/// Gives the requests of a router their sessions.
///
/// It may stand several times in one application, with cookies of different names; where the same
/// name is there already, the inner one does nothing, as in Express.
#[derive(Clone, Debug)]
pub struct SessionLayer {
    manager: Manager,
    tls: bool,
}

impl SessionLayer {
    /// A layer over the sessions of `manager`.
    pub fn new(manager: Manager) -> Self {
        Self {
            manager,
            tls: false,
        }
    }

    /// Says that every connection to this server is TLS, so that `Secure` cookies may be sent.
    ///
    /// A server that takes both kinds puts [`Tls`] into the extensions of the secure requests; a
    /// server behind a proxy names it in the policy's `trusted_proxy`.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService {
            inner,
            layer: self.clone(),
        }
    }
}

/// An extension that marks a request as having come over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tls;

/// The service that [`SessionLayer`] makes.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    layer: SessionLayer,
}

impl<S, B, R> Service<Request<B>> for SessionService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = SessionFuture<S::Future, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let manager = &self.layer.manager;
        let outer = request.extensions().get::<SessionHandle>();
        let covered = manager
            .policy()
            .covers(path_of(request.uri(), request.extensions()));
        if !covered
            || outer.is_some_and(|outer| outer.find(manager.policy().name().as_str()).is_some())
        {
            return SessionFuture {
                inner: self.inner.call(request),
                handle: None,
                closing: None,
            };
        }
        let handle = SessionHandle::new(manager.clone(), self.layer.tls, outer.cloned());
        request.extensions_mut().insert(handle.clone());
        SessionFuture {
            inner: self.inner.call(request),
            handle: Some(handle),
            closing: None,
        }
    }
}

/// A request's way to its session; the layer puts it into the request's extensions.
///
/// With axum the extractors use it. With another framework over `tower`, take it out of the
/// extensions and call [`SessionHandle::session`].
#[derive(Clone)]
pub struct SessionHandle(Arc<Slot>);

struct Slot {
    manager: Manager,
    tls: bool,
    session: OnceLock<Session>,
    /// The handle of a session layer further out, with a cookie of another name.
    outer: Option<SessionHandle>,
}

impl SessionHandle {
    fn new(manager: Manager, tls: bool, outer: Option<Self>) -> Self {
        Self(Arc::new(Slot {
            manager,
            tls,
            session: OnceLock::new(),
            outer,
        }))
    }

    /// The request's session, read from the store the first time that it is asked for.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed: the answer is 503.
    pub async fn session(&self, parts: &Parts) -> Result<Session, StoreError> {
        if let Some(session) = self.0.session.get() {
            return Ok(session.clone());
        }
        let session = self.open(parts).await?;
        Ok(self.0.session.get_or_init(|| session).clone())
    }

    /// The session that a request's cookie names, read anew: this request's response is not concerned
    /// with what becomes of it.
    pub(super) async fn open(&self, parts: &Parts) -> Result<Session, StoreError> {
        let cookies = parts
            .headers
            .get_all(COOKIE)
            .iter()
            .map(HeaderValue::as_bytes);
        self.0.manager.open(cookies, self.request_info(parts)).await
    }

    /// The session, if it was asked for already.
    pub fn opened(&self) -> Option<&Session> {
        self.0.session.get()
    }

    /// The handle whose cookie has that name: this one, or one of a layer further out.
    pub fn find(&self, name: &str) -> Option<&Self> {
        if self.0.manager.policy().name().as_str() == name {
            return Some(self);
        }
        self.0.outer.as_ref()?.find(name)
    }

    /// Whether a request came over TLS, to this server or to a proxy that the policy trusts.
    pub(super) fn is_secure(&self, parts: &Parts) -> bool {
        let tls = self.0.tls || parts.extensions.get::<Tls>().is_some();
        let forwarded = parts
            .headers
            .get("x-forwarded-proto")
            .and_then(|value| value.to_str().ok());
        let proxy = &self.0.manager.policy().settings().trusted_proxy;
        proxy.is_secure(tls, peer_of(parts), forwarded)
    }

    fn request_info(&self, parts: &Parts) -> RequestInfo {
        let policy = self.0.manager.policy();
        let mut info = RequestInfo {
            is_secure: self.is_secure(parts),
            address: self.client_of(parts),
            ..RequestInfo::default()
        };
        if let Some(field) = parts
            .headers
            .get(USER_AGENT)
            .filter(|_| policy.notes_devices())
        {
            info.set_user_agent(field.as_bytes());
        }
        if !policy.wants_request() {
            return info;
        }
        let host = parts
            .headers
            .get(HOST)
            .and_then(|value| value.to_str().ok());
        let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
        path_of(&parts.uri, &parts.extensions).clone_into(&mut info.path);
        info.host = host.map(str::to_owned);
        info
    }

    /// The client's address, by a trusted proxy's word where the peer is one.
    fn client_of(&self, parts: &Parts) -> Option<IpAddr> {
        let fields = parts.headers.get_all("x-forwarded-for").iter();
        let fields = fields.map(|field| field.to_str().unwrap_or(""));
        let proxy = &self.0.manager.policy().settings().trusted_proxy;
        proxy.client(peer_of(parts), fields)
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle")
            .field("opened", &self.opened().is_some())
            .finish()
    }
}

type ClosingFuture = Pin<Box<dyn Future<Output = Result<Closing, CloseError>> + Send>>;

pin_project! {
    /// The response of [`SessionService`].
    pub struct SessionFuture<F, R> {
        #[pin]
        inner: F,
        handle: Option<SessionHandle>,
        closing: Option<(ClosingFuture, Option<Response<R>>)>,
    }
}

impl<F, R, E> Future for SessionFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.closing.is_none() {
            let response = match ready!(this.inner.poll(context)) {
                Ok(response) => response,
                Err(error) => return Poll::Ready(Err(error)),
            };
            let Some((handle, session)) = this
                .handle
                .as_ref()
                .and_then(|handle| Some((handle, handle.opened()?)))
            else {
                return Poll::Ready(Ok(response));
            };
            let manager = handle.0.manager.clone();
            *this.closing = Some((close(manager, session.clone()), Some(response)));
        }
        let Some((closing, response)) = this.closing else {
            return Poll::Pending;
        };
        let closed = ready!(closing.as_mut().poll(context));
        let response = response
            .take()
            .expect("a future is not polled after it was ready");
        let policy = this
            .handle
            .as_ref()
            .map(|handle| handle.0.manager.policy().settings().cache);
        Poll::Ready(Ok(finish(response, closed, policy.unwrap_or_default())))
    }
}

impl<F, R> fmt::Debug for SessionFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFuture").finish_non_exhaustive()
    }
}

fn close(manager: Manager, session: Session) -> ClosingFuture {
    Box::pin(async move { manager.close(&session).await })
}

/// The response with what the session owes it, or an error in its place.
fn finish<R: Default>(
    mut response: Response<R>,
    closed: Result<Closing, CloseError>,
    policy: crate::policy::CachePolicy,
) -> Response<R> {
    match closed {
        Ok(closing) => {
            add_cookie(response.headers_mut(), closing);
            cache::keep_private(response.headers_mut(), policy);
            response
        }
        Err(error) => {
            let mut response = Response::new(R::default());
            *response.status_mut() = if error.is_temporary() {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            };
            response
        }
    }
}

fn add_cookie(headers: &mut HeaderMap, closing: Closing) {
    let Some(field) = closing.set_cookie else {
        return;
    };
    match HeaderValue::try_from(field) {
        Ok(field) => {
            headers.append(SET_COOKIE, field);
        }
        Err(_) => {
            tracing::error!("a session's cookie holds a control character and is not sent");
        }
    }
}

/// The URI that the client asked for, whatever router the request was nested in since.
pub(super) fn uri_of(parts: &Parts) -> &http::Uri {
    #[cfg(feature = "axum")]
    if let Some(original) = parts.extensions.get::<::axum::extract::OriginalUri>() {
        return original;
    }
    &parts.uri
}

/// The path that the client asked for, whatever router the request was nested in since.
fn path_of<'a>(uri: &'a http::Uri, extensions: &'a http::Extensions) -> &'a str {
    #[cfg(feature = "axum")]
    if let Some(original) = extensions.get::<::axum::extract::OriginalUri>() {
        return original.path();
    }
    let _ = extensions;
    uri.path()
}

/// The peer's address, where the server makes it known.
fn peer_of(parts: &Parts) -> Option<IpAddr> {
    #[cfg(feature = "axum")]
    {
        use ::axum::extract::ConnectInfo;
        use std::net::SocketAddr;
        if let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
            return Some(peer.ip());
        }
    }
    parts
        .extensions
        .get::<std::net::SocketAddr>()
        .map(std::net::SocketAddr::ip)
}
