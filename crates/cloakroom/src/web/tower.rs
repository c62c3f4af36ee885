//! The layer: puts a handle into each request, and closes its session before the response leaves.

mod body;
mod finish;
mod guard;
mod head;
mod keep_expiry;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::SessionHandle;
use super::answer::{self, ResponseParts};
use super::handle::{InExtensions, Placed};
use super::head::{HeaderMapExt, Name};
use super::reply::{Asking, Cause, Refused, Replies, Reply};
use crate::manager::{CloseError, CloseStep, Manager, Plan, ResponseEffects};
use crate::policy::CachePolicy;
use crate::session::Session;
use crate::store::StoreError;

use head::uri_of;

pub use body::SessionBody;
pub use finish::{FinishingFuture, FinishingLayer, FinishingService};
pub use guard::{GuardFuture, GuardService};
pub use keep_expiry::KeepExpiryService;

/// Gives the requests of a router their sessions.
///
/// It may be used several times in one application, with cookies of different names: a route has the session
/// of the innermost layer around it, and that of another by [`Named`](super::Named). Where the innermost
/// layer does not cover a request ([`match_path`](crate::policy::PolicyBuilder::match_path)), its routes have
/// no session; none of an outer layer takes its place. Where an outer one has a cookie of the same name, the
/// outer one counts, as in Express.
#[derive(Clone, Debug)]
pub struct SessionLayer {
    manager: Manager,
    tls: bool,
    replies: Replies,
}

impl SessionLayer {
    /// Creates a layer for the sessions of `manager`.
    pub fn new(manager: Manager) -> Self {
        Self {
            manager,
            tls: false,
            replies: Replies::default(),
        }
    }

    /// Sets a function that replaces the responses of guards, [`Csrf`](super::Csrf) and a failed save, for
    /// everything inside this layer: by the application's own error page, or JSON. `None` keeps the response.
    ///
    /// ```
    /// # use cloakroom::{Manager, SessionLayer};
    /// use cloakroom::web::{Cause, Reply};
    ///
    /// # fn layer(manager: Manager) -> SessionLayer {
    /// SessionLayer::new(manager).answer_with(|refused| match refused.cause {
    ///     Cause::NotSaved => Some(Reply::html(refused.status, "<h1>Please try again</h1>")),
    ///     _ => None,
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn answer_with(
        mut self,
        answer: impl Fn(&Refused<'_>) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        self.replies = Replies::new(answer);
        self
    }

    /// Declares that every connection to this server is TLS, so that `Secure` cookies may be sent.
    ///
    /// A server that accepts both kinds puts [`Tls`](super::Tls) into the extensions of the secure requests; a server
    /// behind a proxy names it in the policy's `trusted_proxy`.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Lets each handler run to its end, and its session be stored, although the client has disconnected; the
    /// response is then dropped. Default: no, the server drops the handler where it waits.
    ///
    /// hyper, and axum with it, drops the handler of a client that has disconnected: a logout that it had not
    /// reached does not happen. The store's operations at a request's end are completed in either case, once
    /// they have begun. Handlers of disconnected clients use the server's resources as long as they run:
    /// bound their time, for instance with `tower_http::timeout` inside this layer.
    pub fn finish_handlers(self) -> FinishingLayer {
        FinishingLayer(self)
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

/// The service that [`SessionLayer`] creates.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    layer: SessionLayer,
}

impl<S, B, R> Service<Request<B>> for SessionService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<SessionBody<R>>;
    type Error = S::Error;
    type Future = SessionFuture<S::Future, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let path = uri_of(request.uri(), request.extensions()).path();
        let found = found(request.extensions());
        let SessionLayer {
            manager,
            tls,
            replies,
        } = &self.layer;
        let placed = SessionHandle::place((manager, *tls, replies), path, found);
        let asking = replies.is_some().then(|| Box::new(asking(&request)));
        let handle = put(placed, request.extensions_mut());
        SessionFuture {
            inner: self.inner.call(request),
            handle,
            closing: None,
            asking,
        }
    }
}

/// Returns the parts of a request that the application's response to a failed save may depend on.
fn asking<B>(request: &Request<B>) -> Asking {
    let target = uri_of(request.uri(), request.extensions()).path_and_query();
    Asking {
        method: request.method().to_string(),
        accept: request.headers().joined(Name::Accept),
        target: target.map_or_else(String::new, ToString::to_string),
    }
}

/// Finds the handles that session layers have put into a request.
pub(super) fn found(extensions: &Extensions) -> InExtensions<'_> {
    match extensions.get() {
        Some(handle) => InExtensions {
            handle: Some(handle),
            outside: None,
        },
        None => InExtensions {
            handle: None,
            outside: extensions.get(),
        },
    }
}

/// Puts a handle into a request, and returns the one whose session is to be closed.
fn put(placed: Placed, extensions: &mut Extensions) -> Option<SessionHandle> {
    match placed {
        Placed::Handle(handle) => {
            extensions.insert(handle.clone());
            Some(handle)
        }
        Placed::Outer(handle) => {
            extensions.insert(handle);
            None
        }
        Placed::Outside(outside) => {
            extensions.remove::<SessionHandle>();
            extensions.insert(outside);
            None
        }
    }
}

impl SessionHandle {
    /// Returns the request's session, read from the store on the first call.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed: the response is 503.
    pub async fn session(&self, parts: &Parts) -> Result<Session, StoreError> {
        self.open(parts).await
    }
}

type ClosingFuture = Pin<Box<dyn Future<Output = Result<ResponseEffects, CloseError>> + Send>>;

pin_project! {
    /// The response of [`SessionService`].
    pub struct SessionFuture<F, R> {
        #[pin]
        inner: F,
        handle: Option<SessionHandle>,
        closing: Option<(ClosingFuture, Option<Response<R>>)>,
        asking: Option<Box<Asking>>,
    }

    impl<F, R> PinnedDrop for SessionFuture<F, R> {
        fn drop(this: Pin<&mut Self>) {
            // The client has disconnected while the session was being stored: the write is completed.
            if let Some((closing, Some(_))) = this.project().closing.take() {
                finish::in_background(async move { drop(closing.await) });
            }
        }
    }
}

impl<F, R, E> Future for SessionFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<SessionBody<R>>, E>;

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
                .and_then(|handle| Some((handle, handle.head_is_sent()?)))
            else {
                return Poll::Ready(Ok(response.map(SessionBody::inner)));
            };
            match handle.manager().plan(session) {
                CloseStep::Done(closing) => {
                    let response = finish(response, &closing, cache_policy(handle));
                    return Poll::Ready(Ok(response));
                }
                CloseStep::ToStore(plan) => {
                    let storing = store(handle.manager().clone(), plan, session.clone());
                    *this.closing = Some((storing, Some(response)));
                }
            }
        }
        let Some((closing, response)) = this.closing else {
            return Poll::Pending;
        };
        let closed = ready!(closing.as_mut().poll(context));
        let response = response
            .take()
            .expect("a future is not polled after it was ready");
        let Some(handle) = this.handle else {
            return Poll::Ready(Ok(response.map(SessionBody::inner)));
        };
        let on_save_error = match closed {
            Ok(closing) => {
                return Poll::Ready(Ok(finish(response, &closing, cache_policy(handle))));
            }
            Err(error) => ResponseParts::of_unsaved(&error),
        };
        let asking = this.asking.as_deref().cloned().unwrap_or_default();
        let answer = handle.replies().of(on_save_error, Cause::NotSaved, &asking);
        Poll::Ready(Ok(plain(&answer)))
    }
}

impl<F, R> fmt::Debug for SessionFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFuture").finish_non_exhaustive()
    }
}

fn store(manager: Manager, plan: Plan, session: Session) -> ClosingFuture {
    Box::pin(async move { manager.execute(plan, &session).await })
}

fn cache_policy(handle: &SessionHandle) -> CachePolicy {
    handle.manager().policy().settings().cache
}

/// Returns the response with the session's fields.
fn finish<R>(
    mut response: Response<R>,
    closing: &ResponseEffects,
    cache: CachePolicy,
) -> Response<SessionBody<R>> {
    answer::add(closing, cache, response.headers_mut());
    response.map(SessionBody::inner)
}

/// Returns a response that replaces the inner service's.
fn plain<R>(answer: &ResponseParts) -> Response<SessionBody<R>> {
    let mut response = Response::new(SessionBody::text(answer.text.to_string()));
    *response.status_mut() = status(answer);
    if !answer.text.is_empty() {
        let kind = HeaderValue::from_static(answer.kind);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    set_fields(answer, response.headers_mut());
    response
}

pub(super) fn set_fields(answer: &ResponseParts, headers: &mut HeaderMap) {
    for (name, value) in answer.all_fields() {
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(*name), HeaderValue::try_from(&**value))
        {
            headers.insert(name, value);
        }
    }
}

pub(super) fn status(answer: &ResponseParts) -> StatusCode {
    StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
