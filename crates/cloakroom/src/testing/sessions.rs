//! The sessions of a test: a manager, its store and clock, and visitors.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::Visitor;
use crate::clock::{ManualClock, Timestamp};
use crate::cookie::KeyRing;
use crate::manager::Manager;
use crate::policy::{Policy, PolicyBuilder, RequestInfo, Secure};
use crate::session::{Session, SessionError};
use crate::store::conformance::FaultInjectingStore;
use crate::store::memory::{MemoryLimit, MemoryStore};

/// 2026-01-02T03:04:05.678Z.
const START: i64 = 1_767_323_045_678;
/// The secret of tests alone.
const SECRET: &str = "for tests alone: 8f1d0c7b-longer-than-32-bytes";

/// The sessions of one test, which share nothing with those of another.
///
/// Clones share all. The clock stands still until [`advance`](Self::advance).
#[derive(Clone, Debug)]
pub struct TestSessions {
    manager: Manager,
    store: FaultInjectingStore,
    clock: ManualClock,
}

impl Default for TestSessions {
    fn default() -> Self {
        Self::new()
    }
}

impl TestSessions {
    /// Creates sessions with the default policy.
    pub fn new() -> Self {
        Self::with(Self::policy())
    }

    /// Creates sessions with the application's own policy.
    ///
    /// # Panics
    ///
    /// If the policy does not build.
    pub fn with(policy: PolicyBuilder) -> Self {
        let policy = policy.build();
        let policy = policy.unwrap_or_else(|error| panic!("the policy does not build: {error}"));
        let clock = ManualClock::at(Timestamp::from_millis(START));
        let store = MemoryStore::with(MemoryLimit::default(), clock.clone());
        let store = FaultInjectingStore::new(Arc::new(store));
        let manager = Manager::with_clock(policy, Arc::new(store.clone()), clock.clone());
        Self {
            manager,
            store,
            clock,
        }
    }

    /// Returns the default policy with a test's secret, to be changed: cookies are sent over plain HTTP as
    /// well.
    ///
    /// # Panics
    ///
    /// Never: the secret is fixed.
    pub fn policy() -> PolicyBuilder {
        let keys = KeyRing::new(SECRET).expect("it is long enough");
        Policy::builder(keys).secure(Secure::Auto)
    }

    /// Returns the manager, for the application under test.
    pub fn manager(&self) -> Manager {
        self.manager.clone()
    }

    /// Returns the store, whose calls can be made to fail:
    /// `sessions.store().fail(StoreErrorKind::Unavailable)`.
    pub fn store(&self) -> &FaultInjectingStore {
        &self.store
    }

    /// Returns the clock of the sessions and of visitors' cookies.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Advances the clock.
    pub fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// Returns a visitor without cookies.
    pub fn visitor(&self) -> Visitor {
        Visitor::new(&self.clock)
    }

    /// Returns a visitor who is signed in.
    ///
    /// # Panics
    ///
    /// If that fails: see [`visit`](Self::visit).
    #[doc(alias = "force_login")]
    pub async fn signed_in(&self, user: impl Serialize) -> Visitor {
        let mut visitor = self.visitor();
        let signing_in = async |session: &Session| session.login(&user).await;
        self.visit(&mut visitor, signing_in).await;
        visitor
    }

    /// Changes a visitor's session, as a request of theirs would, and gives them the cookie: roles, a cart,
    /// any data that a test starts from.
    ///
    /// ```
    /// # use cloakroom::testing::TestSessions;
    /// # async fn f(sessions: TestSessions) {
    /// let mut ada = sessions.signed_in("ada").await;
    /// sessions
    ///     .visit(&mut ada, async |session| session.insert("roles", ["admin"]))
    ///     .await;
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If the store fails, or `handle` does.
    pub async fn visit<R>(
        &self,
        visitor: &mut Visitor,
        handle: impl AsyncFnOnce(&Session) -> Result<R, SessionError>,
    ) -> R {
        let field = visitor.field();
        let cookies = field.iter().map(String::as_bytes);
        let request = RequestInfo {
            // Like an application's own tests: over plain HTTP, unless its cookies would not be sent there.
            is_secure: matches!(self.manager.policy().settings().secure, Secure::Always),
            ..RequestInfo::default()
        };
        let session = self.manager.open(cookies, request).await;
        let session = session.unwrap_or_else(|error| panic!("no session: {error}"));
        let result = handle(&session).await;
        let result = result.unwrap_or_else(|error| panic!("the session refuses: {error}"));
        let closing = self.manager.close(&session).await;
        let closing = closing.unwrap_or_else(|error| panic!("it is not saved: {error}"));
        if let Some(field) = closing.set_cookie {
            visitor.keep(&field);
        }
        result
    }

    /// Returns a client of a router, without cookies: `sessions.client(app).signed_in("ada").await`.
    #[cfg(feature = "axum")]
    pub fn client(&self, app: crate::web::TestedRouter) -> crate::web::Client {
        crate::web::Client::new(app, self.clone())
    }
}
