//! A guard for routes: requests that may not pass never reach them.

use super::answer::ResponseParts;
use super::handle::InExtensions;
use super::head::{self, HeaderMapExt as _, Name, RequestHead};
use super::reply::{Asking, Cause, Refused, Replies, Reply};
use crate::auth::{Access, Rejection, RequestContext, Require};
use crate::session::Session;
use crate::store::StoreError;

/// Passes the requests whose session satisfies a [`Require`].
///
/// Add it inside the session layer: with axum, `route_layer(guard)` comes before
/// `layer(SessionLayer::new(manager))`; with actix-web, `wrap(guard)` before
/// `wrap(SessionMiddleware::new(manager))`. It responds 401 where no user is signed in, or the login is too
/// long ago; 403 where the user lacks the right; 503 where the store failed, each with a sentence, in JSON
/// (RFC 9457) for clients that accept it. Browsers that request a page, or send a form, are redirected to the
/// login instead of a 401, where there is one.
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
    /// Cookie name of the layer whose session is checked; without, the innermost one's.
    layer: Option<String>,
    replies: Replies,
}

impl Guard {
    /// Creates a guard that responds with a status and a sentence.
    pub fn new(require: Require) -> Self {
        Self {
            require,
            login: None,
            layer: None,
            replies: Replies::default(),
        }
    }

    /// Redirects browsers that request a page, or send a form, to this path of the site, with `next` as the
    /// path to return to: see [`safe_redirect_path`](crate::auth::safe_redirect_path). For a form that is the
    /// page that holds it, from `Referer`. For a login that is too long ago the query has `again=1` besides.
    /// htmx is redirected by `HX-Redirect`.
    pub fn login_at(mut self, path: impl Into<String>) -> Self {
        self.login = Some(path.into());
        self
    }

    /// Checks the session of the layer whose cookie has this name, where there are several: see
    /// [`Named`](super::Named). Default: that of the innermost layer.
    pub fn on_layer(mut self, cookie_name: impl Into<String>) -> Self {
        self.layer = Some(cookie_name.into());
        self
    }

    /// Sets a function that replaces the response to requests that may not pass; `None` keeps the response.
    /// For a whole application: `SessionLayer::answer_with`.
    ///
    /// ```
    /// use cloakroom::auth::Require;
    /// use cloakroom::web::{Cause, Guard, Reply};
    ///
    /// let second_factor = Require::login().when(|session| session.get_raw("otp").is_ok_and(|it| it.is_some()));
    /// let guard = Guard::new(second_factor).answer_with(|refused| match refused.cause {
    ///     Cause::Forbidden => Some(Reply::see_other("/second-factor")),
    ///     _ => Some(Reply::json(refused.status, r#"{"error":"login"}"#)),
    /// });
    /// # let _ = guard;
    /// ```
    pub fn answer_with(
        mut self,
        answer: impl Fn(&Refused<'_>) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        self.replies = Replies::new(answer);
        self
    }

    /// Decides whether a request goes on, or returns the response to it.
    pub(super) async fn admit(
        &self,
        head: &impl RequestHead,
        found: InExtensions<'_>,
    ) -> Result<(), ResponseParts> {
        let Err(refusal) = self.decide(head, found).await else {
            return Ok(());
        };
        let of_layer = found.any().map(|handle| handle.replies().clone());
        let replies = self.replies.or(&of_layer.unwrap_or_default());
        let cause = Cause::of(&refusal);
        Err(replies.of(refusal.into(), cause, &asking(head)))
    }

    async fn decide(
        &self,
        head: &impl RequestHead,
        found: InExtensions<'_>,
    ) -> Result<(), Rejection> {
        let handle = match &self.layer {
            Some(name) => found.named(name),
            None => found.handle(),
        };
        let handle = handle.inspect_err(|missing| missing.report("a guard"))?;
        let access = self.check(handle.open(head).await).await?;
        let accept = head.fields().joined(Name::Accept);
        let fields = head.fields();
        let is_htmx = fields.first(Name::HxRequest) == Some("true");
        let page = if is_htmx {
            Name::HxCurrentUrl
        } else {
            Name::Referer
        };
        let page = fields.first(page).unwrap_or_default();
        let asked = RequestContext {
            method: head.method(),
            accept: &accept,
            target: head.target(),
            page: RequestContext::page_of(page, head::host(head).unwrap_or_default()),
            is_htmx,
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
                    tracing::error!(%error, "the roles of a user could not be loaded");
                    Rejection::Unavailable
                })
            }
            // A client is not redirected to the login because the store is down.
            Ok(_) => Err(Rejection::Unavailable),
            Err(error) => {
                if error.is_outage() {
                    tracing::debug!(?error, "no session for a guard");
                } else {
                    tracing::error!(?error, "no session for a guard");
                }
                Err(Rejection::Unavailable)
            }
        }
    }

    /// Returns the stored session where more than a login is required; `None` where it has ended.
    async fn confirmed(&self, session: Session) -> Result<Option<Session>, StoreError> {
        if !self.require.is_strict() || session.confirm().await? {
            return Ok(Some(session));
        }
        Ok(None)
    }
}

/// Returns the parts of a request that the application's response may depend on.
pub(super) fn asking(head: &impl RequestHead) -> Asking {
    Asking {
        method: head.method().to_owned(),
        accept: head.fields().joined(Name::Accept),
        target: head.target().to_owned(),
    }
}
