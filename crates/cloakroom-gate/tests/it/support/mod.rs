//! A gate on a free port, an upstream that writes down what it gets, and clients that say anything.

pub(crate) mod upstream;
pub(crate) mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use cloakroom::policy::TrustedProxy;
use cloakroom::testing::{TestSessions, Visitor};
use cloakroom::{Manager, Session, SessionError};
use cloakroom_gate::{Gate, GateOptions, Keys, Rotation, Rules, Upstream};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::Service as _;

pub(crate) use upstream::Recorder;
pub(crate) use wire::{Answer, PATIENCE, head, raw};

pub(crate) const RULES: &str = concat!(
    include_str!("rules.toml"),
    r#"
[[route]]
path = "/api/{*rest}"
on_denied = "401"

[[route]]
name = "billing"
path = "/billing/{*rest}"
audience = "billing"
"#
);

/// A gate in proxy mode before a recording upstream, and one in verify mode for the same sessions.
pub(crate) struct Place {
    pub(crate) sessions: TestSessions,
    pub(crate) gate: Gate,
    pub(crate) proxy: SocketAddr,
    pub(crate) verify: SocketAddr,
    pub(crate) upstream: Recorder,
}

impl Place {
    pub(crate) async fn open() -> Self {
        Self::with(TestSessions::new(), RULES).await
    }

    pub(crate) async fn with(sessions: TestSessions, rules: &str) -> Self {
        let upstream = Recorder::start().await;
        let gate = Gate::new(
            sessions.manager(),
            Rules::parse(rules).unwrap(),
            Keys::of_this_process(Rotation::default()).unwrap(),
            GateOptions::default(),
        );
        let before = Upstream::parse(&format!("http://{}", upstream.address)).unwrap();
        let loopback = TrustedProxy::networks(["127.0.0.0/8", "::1"]).unwrap();
        Self {
            proxy: serve(gate.proxy(&before)).await,
            verify: serve(gate.verify(loopback)).await,
            sessions,
            gate,
            upstream,
        }
    }

    /// Returns the Cookie field of a user with roles.
    pub(crate) async fn user(&self, name: &str, roles: &[&str]) -> String {
        self.visitor(name, roles).await.field().unwrap()
    }

    pub(crate) async fn visitor(&self, name: &str, roles: &[&str]) -> Visitor {
        let mut visitor = self.sessions.signed_in(name).await;
        self.sessions
            .visit(&mut visitor, async |session| session.insert("roles", roles))
            .await;
        visitor
    }

    /// Returns the manager of another server that shares the store.
    pub(crate) fn elsewhere(&self) -> Manager {
        let manager = self.sessions.manager();
        let store = Arc::new(self.sessions.store().clone());
        Manager::with_clock(
            manager.policy().clone(),
            store,
            self.sessions.clock().clone(),
        )
    }

    /// Ends a user's sessions on another server.
    pub(crate) async fn end(&self, user: &str) {
        self.elsewhere().end_sessions_of(user, None).await.unwrap();
    }

    pub(crate) async fn change(
        &self,
        visitor: &mut Visitor,
        how: impl AsyncFnOnce(&Session) -> Result<(), SessionError>,
    ) {
        self.sessions.visit(visitor, how).await;
    }

    /// Sends bytes to the proxy and returns all that comes back until the connection ends.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        raw(self.proxy, bytes.as_ref()).await
    }

    /// Sends one request without a body to the proxy; the last one on its connection.
    pub(crate) async fn get(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("GET", target, fields).await
    }

    pub(crate) async fn send(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::of(
            &raw(
                self.proxy,
                head(method, target, self.proxy, fields).as_bytes(),
            )
            .await,
        )
    }

    /// Asks the gate in verify mode.
    pub(crate) async fn ask(&self, place: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::of(
            &raw(
                self.verify,
                head("GET", place, self.verify, fields).as_bytes(),
            )
            .await,
        )
    }
}

/// Serves HTTP/1, as the command does.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move {
        while let Ok((socket, peer)) = listener.accept().await {
            let Ok(service) = service.call(peer).await;
            let service = TowerToHyperService::new(service);
            let http = hyper::server::conn::http1::Builder::new();
            let connection = http.serve_connection(TokioIo::new(socket), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    address
}
