//! Keeps requests out that another site makes a visitor's browser send.

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
/// Where the browser says where a request comes from, that decides: `Sec-Fetch-Site`, else `Origin`.
/// Where it says nothing, a token of the session does ([`Session::csrf_token`]), in the header
/// `X-CSRF-Token` or in the field `_csrf` of an urlencoded form. It stands inside the session layer.
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

/// What is left to do for a request that is not refused yet.
pub(super) enum Admission {
    Passed,
    /// The token may be in the body: see [`pass_form`].
    FormNeeded(Session),
}

impl Csrf {
    /// For requests of this site's own pages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets requests of another origin through as well, and lets it open WebSockets:
    /// `https://pay.example`, as `Origin` spells it.
    ///
    /// # Errors
    ///
    /// [`OriginError`] for what no browser sends, so that the application does not start with it;
    /// `null` among them, which any sandboxed frame sends.
    pub fn allow_origin(mut self, origin: impl AsRef<str>) -> Result<Self, OriginError> {
        let origin = Origin::parse(origin.as_ref())?;
        Arc::make_mut(&mut self.allowed).push(origin);
        Ok(self)
    }

    /// Lets all requests for this path and below through, from wherever they come, and takes no cookie of
    /// theirs: for webhooks, whose callers know neither page nor token, and prove by a signature of their own
    /// who they are. Below it a handler finds a visitor without a session; nobody is signed in there.
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

    /// What sockets of this request are told.
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

/// Whether no session of a request's cookies is opened, here or further out.
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

/// Returns the application's own answer in the place of ours, where it has one.
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
    let replies = found.any().map(|handle| handle.replies().clone());
    replies
        .unwrap_or_default()
        .of(answer, cause, &guard::asking(head))
}

/// RFC 9110 §9.2.1; methods that nobody knows are not.
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

/// Lets a form pass that holds a token of its session; `None` is one that could not be read.
pub(super) fn pass_form(session: &Session, form: Option<&[u8]>) -> Result<(), ResponseParts> {
    let Some(form) = form else {
        return Err(Rejection::TooLarge.into());
    };
    let mut fields = form_urlencoded::parse(form);
    let token = fields.find(|(name, _)| name == TokenPlace::FIELD);
    check(session, token.as_ref().map_or("", |(_, token)| token))
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
