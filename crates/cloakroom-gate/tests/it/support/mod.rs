//! A gate on a free port, an upstream that writes down what it gets, and clients that say anything.

pub mod upstream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use cloakroom::policy::TrustedProxy;
use cloakroom::testing::{TestSessions, Visitor};
use cloakroom::{Manager, Session, SessionError};
use cloakroom_gate::{Gate, GateOptions, Keys, Rotation, Rules, Upstream};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower::Service as _;

pub use upstream::Recorder;

/// The longest that anything here may take before a test fails instead of hanging.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const RULES: &str = r#"
login = "/login"
origins = ["https://pay.example"]

[[route]]
path = "/login"
public = true
methods = ["GET", "POST"]
cookie = "pass"

[[route]]
path = "/public/{*rest}"
public = true

[[route]]
path = "/admin/{*rest}"
require = { role = "admin" }

[[route]]
path = "/reports/{id}"
methods = ["GET"]

[[route]]
path = "/shared/{*rest}"
cookie = "pass"

[[route]]
path = "/api/{*rest}"
on_denied = "401"

[[route]]
name = "billing"
path = "/billing/{*rest}"
audience = "billing"
"#;

/// A gate in proxy mode before a recording upstream, and one in verify mode for the same sessions.
pub struct Place {
    pub sessions: TestSessions,
    pub gate: Gate,
    pub proxy: SocketAddr,
    pub verify: SocketAddr,
    pub upstream: Recorder,
}

impl Place {
    pub async fn open() -> Self {
        Self::with(TestSessions::new(), RULES).await
    }

    pub async fn with(sessions: TestSessions, rules: &str) -> Self {
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
    pub async fn user(&self, name: &str, roles: &[&str]) -> String {
        self.visitor(name, roles).await.field().unwrap()
    }

    pub async fn visitor(&self, name: &str, roles: &[&str]) -> Visitor {
        let mut visitor = self.sessions.signed_in(name).await;
        self.sessions
            .visit(&mut visitor, async |session| session.insert("roles", roles))
            .await;
        visitor
    }

    /// Returns the manager of another server that shares the store.
    pub fn elsewhere(&self) -> Manager {
        let manager = self.sessions.manager();
        let store = Arc::new(self.sessions.store().clone());
        Manager::with_clock(
            manager.policy().clone(),
            store,
            self.sessions.clock().clone(),
        )
    }

    /// Ends a user's sessions on another server.
    pub async fn end(&self, user: &str) {
        self.elsewhere().end_sessions_of(user, None).await.unwrap();
    }

    pub async fn change(
        &self,
        visitor: &mut Visitor,
        how: impl AsyncFnOnce(&Session) -> Result<(), SessionError>,
    ) {
        self.sessions.visit(visitor, how).await;
    }

    /// Sends bytes to the proxy and returns all that comes back until the connection ends.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        raw(self.proxy, bytes.as_ref()).await
    }

    /// Sends one request without a body to the proxy; the last one on its connection.
    pub async fn get(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("GET", target, fields).await
    }

    pub async fn send(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::of(
            &raw(
                self.proxy,
                head(method, target, self.proxy, fields).as_bytes(),
            )
            .await,
        )
    }

    /// Asks the gate in verify mode.
    pub async fn ask(&self, place: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::of(
            &raw(
                self.verify,
                head("GET", place, self.verify, fields).as_bytes(),
            )
            .await,
        )
    }
}

/// Returns a request's head that closes its connection.
pub fn head(method: &str, target: &str, host: SocketAddr, fields: &[(&str, &str)]) -> String {
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    let is = |wanted: &str| {
        fields
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(wanted))
    };
    if !is("host") {
        text.push_str(&format!("Host: {host}\r\n"));
    }
    if !is("connection") {
        text.push_str("Connection: close\r\n");
    }
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text + "\r\n"
}

/// Serves HTTP/1, as the command does.
pub async fn serve(router: Router) -> SocketAddr {
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

/// Sends bytes and returns all that comes back until the other side closes.
pub async fn raw(to: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // A server that has heard enough may close before it has read all.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let reading = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ =
        reading.unwrap_or_else(|_| panic!("no end after {:?}", String::from_utf8_lossy(&answer)));
    String::from_utf8_lossy(&answer).into_owned()
}

/// A response as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// Returns the value of a field; the last one of its name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut found = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.next_back().map(|(_, value)| value.trim())
    }
}
