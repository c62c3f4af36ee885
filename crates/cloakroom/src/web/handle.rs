//! The handle that a layer or a middleware puts into a request: the access to its session.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OnceCell;

use super::head::{self, RequestHead};
use super::reply::Replies;
use crate::auth::Rejection;
use crate::manager::Manager;
use crate::session::Session;
use crate::store::StoreError;

/// The access to a request's session; the layer puts it into the request's extensions.
///
/// With axum and actix-web the extractors use it. With another framework over `tower`, take it out of the
/// extensions and call its `session`.
#[derive(Clone)]
pub struct SessionHandle(Arc<HandleInner>);

struct HandleInner {
    manager: Manager,
    tls: bool,
    /// Concurrent extractors wait for one read of the store.
    session: OnceCell<Session>,
    /// `true` once the head of the response is on its way.
    head_sent: AtomicBool,
    /// The responses that replace a handler's.
    replies: Replies,
    /// `true` if the request does not count as use of its session.
    is_passive: AtomicBool,
    /// `true` if the request is treated as one without cookies.
    is_cookieless: AtomicBool,
    /// The handle of an outer session layer, with a cookie of another name.
    outer: Option<SessionHandle>,
    /// The handle of an outer layer with this very cookie, which opens and closes its session.
    same: Option<SessionHandle>,
}

/// An extension that marks a request as having come over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tls;

/// The extension that a session layer puts into a request.
pub(super) enum Placed {
    /// The handle of its own session.
    Handle(SessionHandle),
    /// The handle of an outer layer, whose cookie has the same name: that one closes the session.
    Outer(SessionHandle),
    /// Replaces every handle: the layer does not cover the request.
    Outside(Outside),
}

/// An extension in the place of a [`SessionHandle`]: the innermost layer does not cover the request, and no
/// outer layer takes its place. [`Named`](super::Named) still finds its own.
#[derive(Clone)]
pub(super) struct Outside {
    outer: Option<SessionHandle>,
    is_path: bool,
}

/// The reason for which a request has no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// No layer is around the route.
    Layer,
    /// The layer's `match_path` does not cover the request's path.
    Path,
    /// The request target is no path at all: `OPTIONS *`, CONNECT.
    Target,
}

/// The extensions of a request.
#[derive(Clone, Copy)]
pub(super) struct InExtensions<'a> {
    pub(super) handle: Option<&'a SessionHandle>,
    pub(super) outside: Option<&'a Outside>,
}

impl<'a> InExtensions<'a> {
    /// Returns the handle of the innermost layer.
    pub(super) fn handle(self) -> Result<&'a SessionHandle, Missing> {
        let missing = match self.outside {
            None => Missing::Layer,
            Some(Outside { is_path: true, .. }) => Missing::Path,
            Some(_) => Missing::Target,
        };
        self.handle.ok_or(missing)
    }

    /// Returns the handle whose cookie has that name.
    pub(super) fn named(self, name: &str) -> Result<&'a SessionHandle, Missing> {
        let found = self.any().and_then(|handle| handle.find(name));
        found.ok_or_else(|| self.handle().err().unwrap_or(Missing::Layer))
    }

    /// Returns a handle that leads to all sessions, for internal use.
    pub(super) fn any(self) -> Option<&'a SessionHandle> {
        self.handle.or_else(|| self.outside?.outer.as_ref())
    }
}

impl Missing {
    /// Logs the reason: a mistake in the application, each time; a client's doing, once for each process or
    /// not at all.
    pub(super) fn report(self, what: &str) {
        static SAID: AtomicBool = AtomicBool::new(false);
        match self {
            Self::Layer => tracing::error!(
                "{what} stands outside every session layer: in axum call `.layer(SessionLayer::new(manager))` \
                 after `.route_layer(guard)`, the last layer is the outermost; in actix-web \
                 `.wrap(SessionMiddleware::new(manager))` after `.wrap(guard)`"
            ),
            Self::Path if !SAID.swap(true, Ordering::Relaxed) => tracing::error!(
                "{what} is asked for a path that its session layer does not cover: see \
                 `PolicyBuilder::match_path`"
            ),
            Self::Path | Self::Target => tracing::debug!("{what} has no session: {self:?}"),
        }
    }
}

impl From<Missing> for Rejection {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Layer | Missing::Path => Self::NoLayer,
            Missing::Target => Self::NoPath,
        }
    }
}

impl SessionHandle {
    /// Decides what a layer puts into a request, by what outer layers have put there.
    pub(super) fn place(
        (manager, tls, replies): (&Manager, bool, &Replies),
        path: &str,
        found: InExtensions<'_>,
    ) -> Placed {
        let name = manager.policy().name().as_str();
        let outer = found.any();
        if let Some(same) = outer.and_then(|outer| outer.find(name)) {
            return Placed::Outer(same.among(outer));
        }
        if !manager.policy().covers(path) {
            return Placed::Outside(Outside {
                outer: outer.cloned(),
                is_path: path.starts_with('/'),
            });
        }
        Placed::Handle(Self(Arc::new(HandleInner {
            manager: manager.clone(),
            tls,
            replies: replies.clone(),
            session: OnceCell::new(),
            head_sent: AtomicBool::new(false),
            is_passive: AtomicBool::new(false),
            is_cookieless: AtomicBool::new(false),
            outer: outer.cloned(),
            same: None,
        })))
    }

    /// Returns this handle, linked to the handles of all other layers.
    fn among(&self, all: Option<&Self>) -> Self {
        let is_innermost = all.is_some_and(|all| Arc::ptr_eq(&all.0, &self.0));
        if is_innermost {
            return self.clone();
        }
        Self(Arc::new(HandleInner {
            manager: self.0.manager.clone(),
            tls: self.0.tls,
            replies: self.0.replies.clone(),
            session: OnceCell::new(),
            head_sent: AtomicBool::new(false),
            is_passive: AtomicBool::new(false),
            is_cookieless: AtomicBool::new(false),
            outer: all.cloned(),
            same: Some(self.clone()),
        }))
    }

    /// Returns the handle that opens the session.
    fn own(&self) -> &HandleInner {
        self.0.same.as_ref().map_or(&self.0, |same| &same.0)
    }

    /// Returns the request's session, read from the store on the first call.
    pub(super) async fn open(&self, head: &impl RequestHead) -> Result<Session, StoreError> {
        let read = || self.read(head);
        let session = self.own().session.get_or_try_init(read).await?;
        if self.own().head_sent.load(Ordering::SeqCst) {
            session.head_is_sent();
        }
        if self.own().is_passive.load(Ordering::Relaxed) {
            session.keep_expiry();
        }
        Ok(session.clone())
    }

    /// Notes that the head of the response is on its way: a body may keep the handle. Returns the session if
    /// it was opened.
    pub(super) fn head_is_sent(&self) -> Option<&Session> {
        self.own().head_sent.store(true, Ordering::SeqCst);
        self.opened().inspect(|session| session.head_is_sent())
    }

    /// Reads the session that a request's cookie names again; its changes do not affect this request's
    /// response.
    pub(super) async fn read(&self, head: &impl RequestHead) -> Result<Session, StoreError> {
        let is_cookieless = self.own().is_cookieless.load(Ordering::Relaxed);
        let cookies = head::HeaderMapExt::all(head.fields(), head::Name::Cookie);
        let cookies = cookies.filter(|_| !is_cookieless);
        let info = head::request_info(self.0.manager.policy(), self.0.tls, head);
        self.0.manager.open(cookies, info).await
    }

    /// Returns the session, if it was opened already.
    pub fn opened(&self) -> Option<&Session> {
        self.own().session.get()
    }

    /// Treats the request as one without cookies, here and in outer layers; returns `false` where those have
    /// opened a session before.
    #[cfg(any(feature = "axum", feature = "actix"))]
    pub(super) fn forgo_cookies(&self) -> bool {
        let slot = self.own();
        slot.is_cookieless.store(true, Ordering::Relaxed);
        let is_unopened = slot.session.get().is_none();
        let outer = self.0.outer.as_ref();
        is_unopened & outer.is_none_or(Self::forgo_cookies)
    }

    /// Leaves the session's expiry unchanged, whenever it is opened: see [`Session::keep_expiry`].
    pub fn keep_expiry(&self) {
        self.own().is_passive.store(true, Ordering::Relaxed);
        if let Some(session) = self.opened() {
            session.keep_expiry();
        }
    }

    /// Returns the handle whose cookie has that name: this one, or one of an outer layer.
    pub fn find(&self, name: &str) -> Option<&Self> {
        if self.0.manager.policy().name().as_str() == name {
            return Some(self);
        }
        self.0.outer.as_ref()?.find(name)
    }

    pub(super) fn replies(&self) -> &Replies {
        &self.own().replies
    }

    pub(super) fn manager(&self) -> &Manager {
        &self.0.manager
    }

    /// Returns `true` if a request came over TLS, to this server or to a proxy that the policy trusts.
    #[cfg(any(feature = "axum", feature = "actix", feature = "socketio"))]
    pub(super) fn is_secure(&self, head: &impl RequestHead) -> bool {
        head::is_secure(self.0.manager.policy(), self.0.tls, head)
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle")
            .field("opened", &self.opened().is_some())
            .finish()
    }
}
