//! An application to be asked, and a client that keeps its cookies.

pub(crate) mod servers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use cloakroom::store::Store;
use cloakroom::store::memory::{MemoryLimit, MemoryStore};
use cloakroom::store::sqlite::SqliteStore;
use cloakroom::{KeyRing, Manager, ManualClock, Policy, SessionLayer, Timestamp};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

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

/// One of each store, by the machine's clock.
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
        Client::new(self.router.clone())
    }

    pub(crate) fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// How many sessions are live in the store.
    pub(crate) async fn stored(&self) -> u64 {
        self.store.count().await.unwrap()
    }
}

/// A browser: it keeps cookies and sends them back.
#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    pub(crate) cookies: BTreeMap<String, String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The Set-Cookie fields.
    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        self.headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|field| field.to_str().unwrap())
            .collect()
    }

    /// The one Set-Cookie field, `None` where there is none.
    pub(crate) fn set_cookie(&self) -> Option<&str> {
        let fields = self.set_cookies();
        assert!(fields.len() <= 1, "{fields:?}");
        fields.first().copied()
    }
}

impl Client {
    pub(crate) fn new(router: Router) -> Self {
        Self {
            router,
            cookies: BTreeMap::new(),
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
        let mut request = request.body(Body::empty()).unwrap();
        if !self.cookies.is_empty() {
            let field: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request
                .headers_mut()
                .insert(COOKIE, field.join("; ").parse().unwrap());
        }
        let answer = send(&self.router, request).await;
        for field in answer.set_cookies() {
            let (name, value) = field.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
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
    }
}
