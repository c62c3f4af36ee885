//! actix-web: a middleware that closes sessions before the response leaves, extractors, and the guards as
//! middlewares.
//!
//! ```
//! use actix_web::{App, web};
//! use cloakroom::auth::Require;
//! use cloakroom::web::actix::{Csrf, Guard, LoggedIn, SessionMiddleware};
//! use cloakroom::{Manager, Session, SessionError};
//!
//! async fn visit(session: Session) -> Result<String, SessionError> {
//!     let n = session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1).await?;
//!     Ok(format!("visit {n}"))
//! }
//!
//! async fn account(LoggedIn(user): LoggedIn) -> String {
//!     format!("hello {user}")
//! }
//!
//! # fn serve(manager: Manager) {
//! // Of several middlewares, the one that is wrapped last is the first to see a request.
//! let app = App::new()
//!     .route("/", web::get().to(visit))
//!     .service(
//!         web::resource("/account")
//!             .wrap(Guard::new(Require::login()).login_at("/login"))
//!             .route(web::get().to(account)),
//!     )
//!     .wrap(Csrf::new())
//!     .wrap(SessionMiddleware::new(manager));
//! # drop(app);
//! # }
//! ```

mod csrf;
mod extract;
mod guard;
mod head;
mod keep_expiry;

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Extensions, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};

pub use csrf::CsrfMiddleware;
pub use guard::GuardMiddleware;
pub use keep_expiry::KeepExpiryMiddleware;

use super::answer::{self, ResponseParts};
use super::guard::asking;
use super::handle::{InExtensions, Outside, Placed};
use super::reply::Replies;
pub use super::{
    Cause, Csrf, CurrentUser, Guard, KeepExpiry, LoggedIn, Named, Refused, Reply, SessionHandle,
    SessionName, SessionRejection, Tls,
};
use crate::manager::{Manager, ResponseEffects};
use crate::policy::CachePolicy;

/// Gives the requests of an application, a scope or a resource their sessions.
///
/// It may be used several times in one application, with cookies of different names: a route has the session
/// of the innermost one around it, and that of another by [`Named`]. Where the innermost one does not cover a
/// request ([`match_path`](crate::policy::PolicyBuilder::match_path)), its routes have no session; none of an
/// outer middleware takes its place. Where an outer one has a cookie of the same name, the outer one counts,
/// as in Express. actix-web lets a handler run to its end although the client has disconnected. Inner
/// services may fail as well: the session of a request that ends in an error is stored, and the error's
/// response carries its cookie.
#[derive(Clone, Debug)]
pub struct SessionMiddleware {
    manager: Manager,
    tls: bool,
    replies: Replies,
}

impl SessionMiddleware {
    /// Creates a middleware for the sessions of `manager`.
    pub fn new(manager: Manager) -> Self {
        Self {
            manager,
            tls: false,
            replies: Replies::default(),
        }
    }

    /// Sets a function that replaces the responses of guards, [`Csrf`] and a failed save, for everything
    /// inside this middleware: by the application's own error page, or JSON. `None` keeps the response. Where
    /// an inner middleware has failed as well, its error stays.
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
    /// It is not needed where actix-web itself accepts TLS connections, which is detected; a server behind a
    /// proxy names it in the policy's `trusted_proxy`.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }
}

impl<S, B> Transform<S, ServiceRequest> for SessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SessionService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(SessionService {
            inner,
            middleware: self.clone(),
        }))
    }
}

/// The service that [`SessionMiddleware`] makes.
#[derive(Debug)]
pub struct SessionService<S> {
    inner: S,
    middleware: SessionMiddleware,
}

/// The response of the services of this module.
pub(super) type ActixFuture<B> =
    Pin<Box<dyn Future<Output = Result<ServiceResponse<EitherBody<B>>, Error>>>>;

impl<S, B> Service<ServiceRequest> for SessionService<S>
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

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let SessionMiddleware {
            manager,
            tls,
            replies,
        } = &self.middleware;
        let found = found(request.request());
        let placed =
            SessionHandle::place((manager, *tls, replies), request.path(), found.as_found());
        let handle = put(placed, &mut request.extensions_mut());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            if let Ok(response) = &answer {
                found.put_back(response.request());
            }
            match handle {
                Some(handle) => closed(&handle, answer).await,
                None => answer.map(ServiceResponse::map_into_left_body),
            }
        })
    }
}

/// The handles that middlewares have put into a request, for longer than its extensions can be borrowed.
struct SavedHandles {
    handle: Option<SessionHandle>,
    outside: Option<Outside>,
}

impl SavedHandles {
    /// Restores the handles of an outer middleware, for the services between the two.
    fn put_back(self, request: &HttpRequest) {
        if let Some(handle) = self.handle {
            request.extensions_mut().insert(handle);
        }
    }

    fn as_found(&self) -> InExtensions<'_> {
        InExtensions {
            handle: self.handle.as_ref(),
            outside: self.outside.as_ref(),
        }
    }
}

/// Finds the handles that session middlewares have put into a request.
fn found(request: &HttpRequest) -> SavedHandles {
    let extensions = request.extensions();
    SavedHandles {
        handle: extensions.get().cloned(),
        outside: extensions.get().cloned(),
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

/// Stores the session if it was opened, and adds its fields to the response, or replaces the response.
async fn closed<B: MessageBody>(
    handle: &SessionHandle,
    answer: Result<ServiceResponse<B>, Error>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(session) = handle.head_is_sent() else {
        return answer.map(ServiceResponse::map_into_left_body);
    };
    let cache = handle.manager().policy().settings().cache;
    let closed = handle.manager().close(session).await;
    match (answer, closed) {
        (Ok(mut response), Ok(closing)) => {
            answer::add(&closing, cache, response.headers_mut());
            Ok(response.map_into_left_body())
        }
        (Ok(response), Err(error)) => {
            let on_save_error = ResponseParts::of_unsaved(&error);
            let asking = asking(response.request());
            let on_save_error = handle.replies().of(on_save_error, Cause::NotSaved, &asking);
            let on_save_error = HttpResponse::from(on_save_error);
            Ok(response.into_response(on_save_error.map_into_right_body()))
        }
        (Err(error), Ok(closing)) => Err(owing(error, closing, cache)),
        (Err(_), Err(error)) => Err(error.into()),
    }
}

/// Wraps an error so that its response, once it is made, carries the session's fields. It keeps its type,
/// which an outer middleware may look for.
fn owing(mut error: Error, closing: ResponseEffects, cache: CachePolicy) -> Error {
    error.add_response_mapper(move |mut response| {
        answer::add(&closing, cache, response.headers_mut());
        response
    });
    error
}
