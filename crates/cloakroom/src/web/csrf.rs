//! The CSRF guard: refuses requests that another site makes a user's browser send.

use std::sync::Arc;

use super::answer::ResponseParts;
use super::guard;
use super::handle::InExtensions;
use super::head::{HeaderMapExt as _, Name, RequestHead};
use super::origin::evaluate;
use super::reply::Cause;
use super::{SessionHandle, SessionRejection};
use crate::auth::{Decision, Origin, OriginError, Rejection, TokenPlace};
use crate::session::Session;

/// Refuses requests with unsafe methods that come from another site, login forms included.
///
/// The request's source decides where the browser states it: `Sec-Fetch-Site`, else `Origin`. Otherwise a
/// token of the session does ([`Session::csrf_token`]), in the header `X-CSRF-Token` or in the field `_csrf`
/// of an urlencoded form. Add it inside the session layer.
///
/// ```
/// use axum::{Router, routing::post};
/// use cloakroom::web::Csrf;
///
/// # fn shop() -> Result<Router, Box<dyn std::error::Error>> {
/// let csrf = Csrf::new().allow_origin("https://pay.example")?;
/// let shop = Router::new().route("/order", post(async || "ordered")).layer(csrf);
/// # Ok(shop)
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Csrf {
    allowed: Arc<Vec<Origin>>,
    without_cookies: Arc<Vec<String>>,
}

/// The remaining step for a request that is not refused yet.
pub(super) enum Admission {
    Passed,
    /// The token may be in the body: see [`pass_form`].
    FormNeeded(Session),
}

impl Csrf {
    /// Creates a guard that allows requests of this site's own pages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows requests of another origin as well, and WebSockets that it opens: `https://pay.example`, as
    /// `Origin` spells it.
    ///
    /// # Errors
    ///
    /// [`OriginError`] for an origin that no browser sends, so that the application does not start with it;
    /// also for `null`, which any sandboxed frame sends.
    pub fn allow_origin(mut self, origin: impl AsRef<str>) -> Result<Self, OriginError> {
        let origin = Origin::parse(origin.as_ref())?;
        Arc::make_mut(&mut self.allowed).push(origin);
        Ok(self)
    }

    /// Allows all requests for this path and below, from any source, and ignores their cookies: for webhooks,
    /// whose callers have neither page nor token, and prove their identity by a signature of their own. Below
    /// it a handler gets a session without a client's data; no user is signed in there.
    ///
    /// The path is compared by its segments, as the client sent it.
    ///
    /// ```
    /// # use cloakroom::web::Csrf;
    /// let csrf = Csrf::new().without_cookies("/hooks");
    /// # let _ = csrf;
    /// ```
    pub fn without_cookies(mut self, path: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.without_cookies).push(path.into());
        self
    }

    /// Returns the origins that sockets of this request may come from.
    #[cfg(any(feature = "ws", feature = "socketio"))]
    #[cfg_attr(
        not(feature = "axum"),
        expect(dead_code, reason = "for axum's requests")
    )]
    pub(super) fn allowed(&self) -> super::origin::Allowed {
        super::origin::Allowed(Arc::clone(&self.allowed))
    }

    pub(super) async fn admit(
        &self,
        head: &impl RequestHead,
        found: InExtensions<'_>,
    ) -> Result<Admission, ResponseParts> {
        if self.takes_no_cookies(head.path()) && forgoes_cookies(found) {
            return Ok(Admission::Passed);
        }
        let admitted = self.decide(head, found).await;
        admitted.map_err(|answer| own_answer(answer, head, found))
    }

    fn takes_no_cookies(&self, path: &str) -> bool {
        let is_below = |prefix: &String| {
            let rest = path.strip_prefix(prefix.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.without_cookies.iter().any(is_below)
    }

    async fn decide(
        &self,
        head: &impl RequestHead,
        found: InExtensions<'_>,
    ) -> Result<Admission, ResponseParts> {
        match evaluate(head, found, &self.allowed, is_safe(head)) {
            Decision::Pass => Ok(Admission::Passed),
            Decision::Refused => Err(refused("this request comes from another site")),
            Decision::TokenNeeded => by_token(head, found).await,
        }
    }
}

/// Returns `true` if no session is opened by a request's cookies, here or in outer layers.
fn forgoes_cookies(found: InExtensions<'_>) -> bool {
    let forgoes = found.any().is_none_or(SessionHandle::forgo_cookies);
    if !forgoes {
        tracing::error!(
            "a session was asked for before the guard against forged requests saw its request: the path is \
             not exempt from it"
        );
    }
    forgoes
}

/// Returns the application's response instead of the library's, where it has one.
pub(super) fn own_answer(
    answer: ResponseParts,
    head: &impl RequestHead,
    found: InExtensions<'_>,
) -> ResponseParts {
    let cause = match answer.status {
        403 => Cause::Forged,
        503 => Cause::Unavailable,
        _ => Cause::Other,
    };
    if let (Cause::Forged, Some(handle)) = (cause, found.any()) {
        handle.manager().tell_csrf_refused(handle.opened());
    }
    let replies = found.any().map(|handle| handle.replies().clone());
    replies
        .unwrap_or_default()
        .of(answer, cause, &guard::asking(head))
}

/// Returns `true` for a safe method (RFC 9110 §9.2.1); unknown methods are not.
fn is_safe(head: &impl RequestHead) -> bool {
    matches!(head.method(), "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

async fn by_token(
    head: &impl RequestHead,
    found: InExtensions<'_>,
) -> Result<Admission, ResponseParts> {
    let handle = found.handle().map_err(|missing| {
        missing.report("a guard against forged requests");
        Rejection::from(missing)
    })?;
    let session = handle.open(head).await;
    let session = session.map_err(|error| {
        let rejection = SessionRejection::from(error);
        rejection.report();
        rejection.answer()
    })?;
    let fields = head.fields();
    match TokenPlace::of(
        fields.first(Name::CsrfToken),
        fields.first(Name::ContentType),
    ) {
        TokenPlace::Header(token) => check(&session, token).map(|()| Admission::Passed),
        TokenPlace::Form => Ok(Admission::FormNeeded(session)),
        TokenPlace::Missing => Err(refused("this request needs the header X-CSRF-Token")),
    }
}

/// Passes a form that holds a token of its session; `None` is one that could not be read.
pub(super) fn pass_form(session: &Session, form: Option<&[u8]>) -> Result<(), ResponseParts> {
    let Some(form) = form else {
        return Err(Rejection::TooLarge.into());
    };
    let mut fields = form_urlencoded::parse(form);
    match fields.find(|(name, _)| name == TokenPlace::FIELD) {
        Some((_, token)) => check(session, &token),
        None => Err(refused(
            "this form has no token, and its request names no Origin",
        )),
    }
}

fn check(session: &Session, token: &str) -> Result<(), ResponseParts> {
    if session.accepts_csrf_token(token) {
        return Ok(());
    }
    Err(refused("this form is out of date: load its page again"))
}

fn refused(why: &'static str) -> ResponseParts {
    Rejection::Forbidden(why).into()
}
