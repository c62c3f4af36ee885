//! What a layer or a middleware puts into a request: the way to its session.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OnceCell;

use super::head::{self, Head};
use crate::manager::Manager;
use crate::session::Session;
use crate::store::StoreError;

/// A request's way to its session; the layer puts it into the request's extensions.
///
/// With axum and actix-web the extractors use it. With another framework over `tower`, take it out
/// of the extensions and call its `session`.
#[derive(Clone)]
pub struct SessionHandle(Arc<Slot>);

struct Slot {
    manager: Manager,
    tls: bool,
    /// Extractors that run at once wait for one read of the store.
    session: OnceCell<Session>,
    /// Whether the head of the response is on its way.
    head_sent: AtomicBool,
    /// The handle of a session layer further out, with a cookie of another name.
    outer: Option<SessionHandle>,
}

/// An extension that marks a request as having come over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tls;

impl SessionHandle {
    /// The handle that a layer puts into a request, `None` where the request is not its own: the
    /// cookie's path does not cover it, or a layer further out has the same cookie.
    pub(super) fn new(
        manager: &Manager,
        tls: bool,
        path: &str,
        outer: Option<&Self>,
    ) -> Option<Self> {
        let name = manager.policy().name().as_str();
        let is_nested = outer.is_some_and(|outer| outer.find(name).is_some());
        if is_nested || !manager.policy().covers(path) {
            return None;
        }
        Some(Self(Arc::new(Slot {
            manager: manager.clone(),
            tls,
            session: OnceCell::new(),
            head_sent: AtomicBool::new(false),
            outer: outer.cloned(),
        })))
    }

    /// The request's session, read from the store the first time that it is asked for.
    pub(super) async fn open(&self, head: &impl Head) -> Result<Session, StoreError> {
        let read = || self.read(head);
        let session = self.0.session.get_or_try_init(read).await?;
        if self.0.head_sent.load(Ordering::SeqCst) {
            session.head_is_sent();
        }
        Ok(session.clone())
    }

    /// Takes note that the head of the response is on its way: a body may keep the handle. The session
    /// is given back if it was asked for.
    pub(super) fn head_is_sent(&self) -> Option<&Session> {
        self.0.head_sent.store(true, Ordering::SeqCst);
        self.opened().inspect(|session| session.head_is_sent())
    }

    /// The session that a request's cookie names, read anew: this request's response is not concerned
    /// with what becomes of it.
    pub(super) async fn read(&self, head: &impl Head) -> Result<Session, StoreError> {
        let cookies = head::Fields::all(head.fields(), head::Name::Cookie);
        let info = head::request_info(self.0.manager.policy(), self.0.tls, head);
        self.0.manager.open(cookies, info).await
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

    pub(super) fn manager(&self) -> &Manager {
        &self.0.manager
    }

    /// Whether a request came over TLS, to this server or to a proxy that the policy trusts.
    #[cfg(any(feature = "axum", feature = "actix", feature = "socketio"))]
    pub(super) fn is_secure(&self, head: &impl Head) -> bool {
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
