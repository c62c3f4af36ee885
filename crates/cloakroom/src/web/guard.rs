//! A guard before routes: who may not pass never reaches them.

use super::handle::InExtensions;
use super::head::{HeaderMapExt as _, Name, RequestHead};
use crate::auth::{Access, Rejection, RequestContext, Require};
use crate::session::Session;
use crate::store::StoreError;

/// Lets those requests through whose session is what a [`Require`] asks for.
///
/// It stands inside the session layer: with axum, `route_layer(guard)` comes before
/// `layer(SessionLayer::new(manager))`; with actix-web, `wrap(guard)` before
/// `wrap(SessionMiddleware::new(manager))`. 401 where nobody is signed in, or where it is too long
/// ago; 403 where somebody is who may not; 503 where the store does not say. Browsers that ask for a
/// page are sent to the login instead of a 401, where there is one.
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
    /// see [`safe_redirect_path`](crate::auth::safe_redirect_path). A login that is too long ago is asked for with
    /// `again=1` besides.
    pub fn login_at(mut self, path: impl Into<String>) -> Self {
        self.login = Some(path.into());
        self
    }

    pub(super) async fn admit(
        &self,
        head: &impl RequestHead,
        found: InExtensions<'_>,
    ) -> Result<(), Rejection> {
        let handle = found
            .handle()
            .inspect_err(|missing| missing.report("a guard"))?;
        let access = self.check(handle.open(head).await).await?;
        let accept = head.fields().joined(Name::Accept);
        let asked = RequestContext {
            method: head.method(),
            accept: &accept,
            target: head.target(),
        };
        let refusal = access.refusal(&asked, self.login.as_deref());
        refusal.map_or(Ok(()), Err)
    }

    async fn check(&self, session: Result<Session, StoreError>) -> Result<Access, Rejection> {
        let session = match session {
            Ok(session) => self.confirmed(session).await,
            Err(error) => Err(error),
        };
        match session {
            Ok(None) => Ok(Access::LoginRequired),
            Ok(Some(session)) if !session.is_detached() => {
                let access = self.require.check_now(&session, session.now().into());
                access.await.map_err(|error| {
                    tracing::error!(%error, "the roles of a user are not known");
                    Rejection::Unavailable
                })
            }
            // Nobody is sent to the login because the store is down.
            Ok(_) => Err(Rejection::Unavailable),
            Err(error) => {
                tracing::error!(%error, "no session for a guard");
                Err(Rejection::Unavailable)
            }
        }
    }

    /// The session as it is stored where more than a login is asked for; `None` where it has ended.
    async fn confirmed(&self, session: Session) -> Result<Option<Session>, StoreError> {
        if !self.require.is_strict() || session.confirm().await? {
            return Ok(Some(session));
        }
        Ok(None)
    }
}
