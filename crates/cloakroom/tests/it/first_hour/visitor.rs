//! A visitor with many requests, on a real store.

use std::sync::Arc;

use cloakroom::policy::{PolicyBuilder, RequestInfo};
use cloakroom::{Clock, Manager, Policy, Secure, Session, SessionError, SessionId};

use crate::support::servers::connect;
use crate::support::{Cookies, keys};

pub(super) struct Visitor {
    pub(super) manager: Manager,
    cookie: Cookies,
}

impl Visitor {
    pub(super) async fn new(
        url: &str,
        settings: impl FnOnce(PolicyBuilder) -> PolicyBuilder,
    ) -> Self {
        let policy = settings(Policy::builder(keys()).secure(Secure::Never));
        let manager =
            Manager::with_clock(policy.build().unwrap(), connect(url).await, Clock::System);
        Self::of(manager)
    }

    pub(super) fn of(manager: Manager) -> Self {
        Self {
            manager,
            cookie: Cookies::by_system(),
        }
    }

    /// Returns a manager with other settings on the same store.
    pub(super) fn with(&self, settings: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Manager {
        let policy = settings(Policy::builder(keys()).secure(Secure::Never));
        let store = Arc::clone(self.manager.store());
        Manager::with_clock(policy.build().unwrap(), store, Clock::System)
    }

    pub(super) async fn open(&self) -> Session {
        let field = self.cookie.field();
        let cookies = field.iter().map(String::as_bytes);
        let opening = self.manager.open(cookies, RequestInfo::default());
        opening.await.unwrap()
    }

    pub(super) async fn close(&mut self, session: &Session) {
        let closing = self.manager.close(session).await.unwrap();
        if let Some(field) = closing.set_cookie {
            self.cookie.keep(&field);
        }
    }

    /// Runs one request.
    pub(super) async fn visit<R>(
        &mut self,
        handle: impl AsyncFnOnce(&Session) -> Result<R, SessionError>,
    ) -> R {
        let session = self.open().await;
        let result = handle(&session).await.unwrap();
        self.close(&session).await;
        result
    }
}

/// Returns a user of this test alone.
pub(super) fn somebody() -> String {
    format!("user-{}", SessionId::random().expose())
}
