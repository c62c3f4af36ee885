//! A guard before routes: who may not pass never reaches them.

use std::fmt::{self, Write as _};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{ACCEPT, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::SessionHandle;
use super::tower::uri_of;
use crate::auth::{Access, Require};
use crate::session::Session;
use crate::store::StoreError;

/// Lets those requests through whose session is what a [`Require`] asks for.
///
/// It stands inside the session layer: with axum, `route_layer(guard)` comes before
/// `layer(SessionLayer::new(manager))`. 401 where nobody is signed in, or where it is too long ago;
/// 403 where somebody is who may not; 503 where the store does not say. Browsers that ask for a page
/// are sent to the login instead of a 401, where there is one.
///
/// ```
/// use axum::{Router, routing::get};
/// use cloakroom::auth::Require;
/// use cloakroom::web::Guard;
///
/// let admin: Router = Router::new()
///     .route("/admin", get(async || "welcome"))
///     .route_layer(Guard::new(Require::role("admin")).login_at("/login"));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Guard {
    require: Require,
    login: Option<String>,
}

impl Guard {
    /// A guard that answers by status alone.
    pub fn new(require: Require) -> Self {
        Self {
            require,
            login: None,
        }
    }

    /// Sends browsers that ask for a page to this path of the site, with `next` as the way back:
    /// see [`safe_next`](crate::auth::safe_next). A login that is too long ago is asked for with
    /// `again=1` besides.
    pub fn login_at(mut self, path: impl Into<String>) -> Self {
        self.login = Some(path.into());
        self
    }

    fn refuse<R: Default>(&self, access: Access, parts: &Parts) -> Response<R> {
        let login = self.login.as_deref().filter(|_| wants_page(parts));
        match (access, login) {
            (Access::Forbidden, _) => answer(StatusCode::FORBIDDEN),
            (_, Some(login)) => to_login(login, access, parts),
            _ => {
                let mut response = answer(StatusCode::UNAUTHORIZED);
                // RFC 9110 §15.5.2 wants one; no scheme is registered for cookies.
                let scheme = HeaderValue::from_static("Session");
                response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
                response
            }
        }
    }
}

/// Whether a browser asks for a page: a program gets the status.
fn wants_page(parts: &Parts) -> bool {
    let accepts = parts.headers.get_all(ACCEPT).iter();
    let mut accepts = accepts.filter_map(|value| value.to_str().ok());
    matches!(parts.method, Method::GET | Method::HEAD)
        && accepts.any(|value| value.contains("text/html"))
}

fn to_login<R: Default>(login: &str, access: Access, parts: &Parts) -> Response<R> {
    let uri = uri_of(parts);
    let way = uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    let joined = if login.contains('?') { '&' } else { '?' };
    let mut to = format!("{login}{joined}next=");
    for byte in way.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                to.push(char::from(byte));
            }
            _ => {
                // A String takes whatever is written to it.
                let _ = write!(to, "%{byte:02X}");
            }
        }
    }
    if access == Access::StepUpRequired {
        to.push_str("&again=1");
    }
    let mut response = answer(StatusCode::SEE_OTHER);
    match HeaderValue::try_from(to) {
        Ok(to) => drop(response.headers_mut().insert(LOCATION, to)),
        Err(_) => *response.status_mut() = StatusCode::UNAUTHORIZED,
    }
    response
}

fn answer<R: Default>(status: StatusCode) -> Response<R> {
    let mut response = Response::new(R::default());
    *response.status_mut() = status;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let soon = HeaderValue::from_static("1");
        response.headers_mut().insert(RETRY_AFTER, soon);
    }
    response
}

impl<S> Layer<S> for Guard {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardService {
            inner,
            guard: self.clone(),
        }
    }
}

/// The service that [`Guard`] makes.
#[derive(Clone, Debug)]
pub struct GuardService<S> {
    inner: S,
    guard: Guard,
}

impl<S, B, R> Service<Request<B>> for GuardService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = GuardFuture<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready is used, and its clone waits for its turn.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let guard = self.guard.clone();
        GuardFuture(Box::pin(async move {
            let (parts, body) = request.into_parts();
            match guard.admit(&parts).await {
                Ok(()) => inner.call(Request::from_parts(parts, body)).await,
                Err(response) => Ok(response),
            }
        }))
    }
}

impl Guard {
    async fn admit<R: Default>(&self, parts: &Parts) -> Result<(), Response<R>> {
        let Some(handle) = parts.extensions.get::<SessionHandle>() else {
            tracing::error!("a guard stands outside every session layer");
            return Err(answer(StatusCode::INTERNAL_SERVER_ERROR));
        };
        let session = handle.session(parts).await;
        let access = self.check(session)?;
        match access {
            Access::Granted => Ok(()),
            access => Err(self.refuse(access, parts)),
        }
    }

    fn check<R: Default>(
        &self,
        session: Result<Session, StoreError>,
    ) -> Result<Access, Response<R>> {
        match session {
            Ok(session) if !session.is_detached() => {
                Ok(self.require.check(&session, session.now().into()))
            }
            // Nobody is sent to the login because the store is down.
            Ok(_) => Err(answer(StatusCode::SERVICE_UNAVAILABLE)),
            Err(error) => {
                tracing::error!(%error, "no session for a guard");
                Err(answer(StatusCode::SERVICE_UNAVAILABLE))
            }
        }
    }
}

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

/// The response of [`GuardService`].
pub struct GuardFuture<R, E>(Answering<R, E>);

impl<R, E> Future for GuardFuture<R, E> {
    type Output = Result<Response<R>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<R, E> fmt::Debug for GuardFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardFuture").finish_non_exhaustive()
    }
}
