//! An application with Express's settings and one handler, and what can be seen of it.

use std::sync::Arc;
use std::time::Duration;

use axum::handler::Handler;
use axum::http::Uri;
use axum::http::request::Builder;
use axum::{Extension, Router};
use cloakroom::cookie::sign;
use cloakroom::id::SessionId;
use cloakroom::policy::PolicyBuilder;
use cloakroom::store::{NewRecord, Store as _};
use cloakroom::{Manager, Policy, Session, SessionError, SessionLayer};

use super::gate::Gate;
use crate::support::{Answer, App, Client, clock, keys, memory};

pub(super) const MINUTE: Duration = Duration::from_mins(1);

/// Express's own settings, `resave` and `saveUninitialized` aside.
pub(super) fn express() -> PolicyBuilder {
    Policy::express(keys())
}

/// Returns the policy of `cookie: { maxAge: 60000 }`.
pub(super) fn lasting() -> PolicyBuilder {
    express().idle_timeout(MINUTE)
}

/// Counts a visit where the path is `/set`, reads elsewhere, and answers with the session's data.
pub(super) async fn visit(session: Session, uri: Uri) -> Result<String, SessionError> {
    if uri.path() == "/set" {
        let views = session.get::<u32>("views")?.unwrap_or(0) + 1;
        session.insert("views", views)?;
    }
    session.to_json()
}

/// An application that answers each path with one handler; its store is behind a gate, which the
/// handler finds among the request's extensions.
pub(super) struct Server {
    pub(super) app: App,
    pub(super) gate: Gate,
}

impl Server {
    pub(super) fn new<H, T>(policy: PolicyBuilder, handler: H) -> Self
    where
        H: Handler<T, ()>,
        T: 'static,
    {
        let clock = clock();
        let store = memory(&clock);
        let gate = Gate::before(Arc::new(store.clone()));
        let policy = policy.build().unwrap();
        let manager = Manager::with_clock(policy, Arc::new(gate.clone()), clock.clone());
        let router = Router::new()
            .fallback(handler)
            .layer(SessionLayer::new(manager.clone()))
            .layer(Extension(gate.clone()));
        let app = App {
            router,
            clock,
            store,
            manager,
        };
        Self { app, gate }
    }

    pub(super) fn client(&self) -> Client {
        self.app.client()
    }

    /// A client that comes with a signed id.
    pub(super) fn client_with(&self, id: &str) -> Client {
        let mut client = self.client();
        let value = format!("s:{}", sign(id, &keys()));
        client.cookies.insert("connect.sid".into(), value);
        client
    }

    pub(super) fn advance(&self, duration: Duration) {
        self.app.advance(duration);
    }

    /// Returns the number of live sessions in the store.
    pub(super) async fn stored(&self) -> u64 {
        self.app.stored().await
    }

    /// The text of a live record.
    pub(super) async fn record(&self, id: &str) -> Option<String> {
        let stored = self.app.store.get(&SessionId::from_store(id)).await;
        Some(stored.unwrap()?.text.to_string())
    }

    /// Puts a record of another writer into the store, for an hour.
    pub(super) async fn put(&self, id: &str, text: &str) {
        let entry = NewRecord {
            text: text.into(),
            expires: self.app.clock.now().after(60 * MINUTE),
            users: Vec::new(),
        };
        let id = SessionId::from_store(id);
        self.app.store.create(&id, &entry).await.unwrap();
    }

    /// Returns the store's calls since the last such call, and clears them.
    pub(super) fn calls(&self) -> Vec<&'static str> {
        self.gate.take_calls()
    }
}

/// The id that a response hands out.
pub(super) fn sid(answer: &Answer) -> String {
    let field = answer.set_cookie().expect("the response sends a cookie");
    let value = field.strip_prefix("connect.sid=s%3A").unwrap();
    let (id, _) = value.split(';').next().unwrap().rsplit_once('.').unwrap();
    id.to_owned()
}

/// The attributes of the cookie that a response hands out.
pub(super) fn attributes(answer: &Answer) -> Option<String> {
    let (_, attributes) = answer.set_cookie()?.split_once("; ")?;
    Some(attributes.to_owned())
}

/// The attributes of the cookie that a session gets that begins with `request`.
pub(super) async fn attributes_of(policy: PolicyBuilder, request: Builder) -> Option<String> {
    let server = Server::new(
        policy,
        |session: Session| async move { session.insert("a", 1) },
    );
    let answer = server.client().send(request).await;
    assert!(answer.status.is_success(), "{answer:?}");
    assert_eq!(server.stored().await, 1, "stored with or without a cookie");
    attributes(&answer)
}
