//! A guard before routes: who may not pass never reaches them.

use super::answer::ResponseParts;
use super::handle::InExtensions;
use super::head::{self, HeaderMapExt as _, Name, RequestHead};
use super::reply::{Asking, Cause, Refused, Replies, Reply};
use crate::auth::{Access, Rejection, RequestContext, Require};
use crate::session::Session;
use crate::store::StoreError;

/// Lets those requests through whose session is what a [`Require`] asks for.
///
/// It stands inside the session layer: with axum, `route_layer(guard)` comes before
/// `layer(SessionLayer::new(manager))`; with actix-web, `wrap(guard)` before
/// `wrap(SessionMiddleware::new(manager))`. 401 where nobody is signed in, or where it is too long
/// ago; 403 where somebody is who may not; 503 where the store does not say, each with a sentence, in
/// JSON (RFC 9457) for who asks for it. Browsers that ask for a page, or send a form, are taken to the
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
    /// The name of the cookie of the layer whose session is looked at; the innermost one's without.
    layer: Option<String>,
    replies: Replies,
}

impl Guard {
    /// A guard that answers by status and a sentence.
    pub fn new(require: Require) -> Self {
        Self {
            require,
            login: None,
            layer: None,
            replies: Replies::default(),
        }
    }

    /// Takes browsers that ask for a page, or send a form, to this path of the site, with `next` as the way
    /// back: see [`safe_redirect_path`](crate::auth::safe_redirect_path). For a form that is the page that it stands in, as
    /// `Referer` says it. A login that is too long ago is asked for with `again=1` besides. htmx is sent
    /// there by `HX-Redirect`.
    pub fn login_at(mut self, path: impl Into<String>) -> Self {
        self.login = Some(path.into());
        self
    }

    /// Looks at the session of the layer whose cookie has this name, where there are several: see
    /// [`Named`](super::Named). Default: that of the innermost layer.
    pub fn on_layer(mut self, cookie_name: impl Into<String>) -> Self {
        self.layer = Some(cookie_name.into());
        self
    }

    /// Answers by this function whoever may not pass; `None` leaves the answer as it is. For a whole
    /// application: `SessionLayer::answer_with`.
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

    /// Decides whether a request goes on, or what is answered to it.
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
                    tracing::error!(%error, "the roles of a user are not known");
                    Rejection::Unavailable
                })
            }
            // Nobody is sent to the login because the store is down.
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

    /// The session as it is stored where more than a login is asked for; `None` where it has ended.
    async fn confirmed(&self, session: Session) -> Result<Option<Session>, StoreError> {
        if !self.require.is_strict() || session.confirm().await? {
            return Ok(Some(session));
        }
        Ok(None)
    }
}

/// What the application's own answer may depend on.
pub(super) fn asking(head: &impl RequestHead) -> Asking {
    Asking {
        method: head.method().to_owned(),
        accept: head.fields().joined(Name::Accept),
        target: head.target().to_owned(),
    }
}
