//! An application under test, and a client that keeps its cookies.

mod cookies;
pub(crate) mod servers;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::http::request::Builder;
use cloakroom::store::Store;
use cloakroom::store::memory::{MemoryLimit, MemoryStore};
use cloakroom::store::sqlite::SqliteStore;
use cloakroom::{KeyRing, Manager, ManualClock, Policy, SessionLayer, Timestamp};
use http_body_util::BodyExt as _;
use testbed::browser::{Ask, Browser, Wire};
use tower::ServiceExt as _;

pub(crate) use self::cookies::{Cookies, ORIGIN};
pub(crate) use testbed::browser::Answer;

/// 2026-01-02T03:04:05.678Z.
pub(crate) const NOW: i64 = 1_767_323_045_678;
pub(crate) const SECRET: &str = "the secret of these tests, long enough";

pub(crate) fn keys() -> KeyRing {
    KeyRing::new(SECRET).unwrap()
}

pub(crate) fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(NOW))
}

pub(crate) fn memory(clock: &ManualClock) -> MemoryStore {
    MemoryStore::with(MemoryLimit::default(), clock.clone())
}

/// Returns one store of each kind, by the machine's clock.
pub(crate) fn stores() -> Vec<(&'static str, Arc<dyn Store>)> {
    let file = testbed::directory().leave().join("sessions.db");
    vec![
        ("memory", Arc::new(MemoryStore::new())),
        ("sqlite", Arc::new(SqliteStore::open(file).unwrap())),
    ]
}

/// A router with its session layer, and the clock that its sessions go by.
pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) clock: ManualClock,
    pub(crate) store: MemoryStore,
    pub(crate) manager: Manager,
}

impl App {
    pub(crate) fn new(policy: Policy, routes: Router) -> Self {
        let clock = clock();
        let store = memory(&clock);
        let manager = Manager::with_clock(policy, Arc::new(store.clone()), clock.clone());
        let layered = routes.layer(SessionLayer::new(manager.clone()));
        Self {
            router: layered,
            clock,
            store,
            manager,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::by(self.router.clone(), &self.clock)
    }

    pub(crate) fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// Returns the number of live sessions in the store.
    pub(crate) async fn stored(&self) -> u64 {
        self.store.count().await.unwrap()
    }
}

/// Somebody who asks for one thing after the other, with a browser's jar of cookies.
///
/// A copy has a jar of its own from then on. Tests of tabs and late answers use
/// [`testbed::browser`] itself.
#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    pub(crate) cookies: Cookies,
}

impl Client {
    /// A client whose day does not end: its cookies outlive whatever a clock does.
    pub(crate) fn new(router: Router) -> Self {
        Self::by(router, &clock())
    }

    /// A client whose cookies end by the clock that its sessions go by.
    pub(crate) fn by(router: Router, clock: &ManualClock) -> Self {
        Self {
            router,
            cookies: Cookies::by(clock),
        }
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    /// Sends a request with this client's cookies, and keeps those that come back.
    pub(crate) async fn send(&mut self, request: Builder) -> Answer {
        let request = Ask::bare(request.body(Bytes::new()).unwrap());
        let wire = Wire::service(self.router.clone());
        let browser = Browser::new(ORIGIN, wire, self.cookies.jar().clone());
        let answer = browser.tab().ask(request).await;
        self.cookies.set_jar(browser.jar().clone());
        answer
    }
}

/// Sends one request as it is.
pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        url: ORIGIN.parse().unwrap(),
    }
}
