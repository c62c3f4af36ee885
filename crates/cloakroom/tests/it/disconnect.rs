//! V8: a client that disconnects while its request runs, on real servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App as Actix, HttpServer, rt, web};
use axum::Router;
use axum::routing::get;
use cloakroom::store::Store as _;
use cloakroom::web::actix::SessionMiddleware;
use cloakroom::{Clock, Manager, MemoryStore, Policy, Secure, Session, SessionError, SessionLayer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::express::gate::Gate;
use crate::support::keys;

/// Time after which the client disconnects.
const PATIENCE: Duration = Duration::from_millis(150);
/// Time that a handler waits, and that a slow store takes.
const SLOW: Duration = Duration::from_millis(400);

async fn login(session: Session) -> Result<(), SessionError> {
    session.login("ada").await
}

async fn logout_slowly(session: Session) -> Result<(), SessionError> {
    sleep(SLOW).await;
    session.logout().await
}

async fn change(session: Session) -> Result<(), SessionError> {
    session.insert("n", 1)
}

async fn bye(session: Session) -> Result<(), SessionError> {
    session.unset();
    Ok(())
}

struct Site {
    at: SocketAddr,
    manager: Manager,
    gate: Gate,
    store: MemoryStore,
}

impl Site {
    fn parts() -> (Manager, Gate, MemoryStore) {
        let store = MemoryStore::new();
        let gate = Gate::before(Arc::new(store.clone()));
        let policy = Policy::builder(keys())
            .secure(Secure::Auto)
            .unset(cloakroom::policy::Unset::Destroy);
        let policy = policy.build().unwrap();
        let manager = Manager::with_clock(policy, Arc::new(gate.clone()), Clock::System);
        (manager, gate, store)
    }

    async fn axum(finishes: bool) -> Self {
        let (manager, gate, store) = Self::parts();
        let routes = Router::new()
            .route("/login", get(login))
            .route("/logout", get(logout_slowly))
            .route("/change", get(change))
            .route("/bye", get(bye));
        let layer = SessionLayer::new(manager.clone());
        let app = if finishes {
            routes.layer(layer.finish_handlers())
        } else {
            routes.layer(layer)
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            at,
            manager,
            gate,
            store,
        }
    }

    #[expect(clippy::unused_async, reason = "as the other one")]
    async fn actix() -> Self {
        let (manager, gate, store) = Self::parts();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let sessions = manager.clone();
        std::thread::spawn(move || {
            rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    Actix::new()
                        .route(
                            "/login",
                            web::get().to(async |s: Session| login(s).await.map(|()| "")),
                        )
                        .route(
                            "/logout",
                            web::get().to(async |s: Session| logout_slowly(s).await.map(|()| "")),
                        )
                        .route(
                            "/change",
                            web::get().to(async |s: Session| change(s).await.map(|()| "")),
                        )
                        .route(
                            "/bye",
                            web::get().to(async |s: Session| bye(s).await.map(|()| "")),
                        )
                        .wrap(SessionMiddleware::new(sessions.clone()))
                });
                let server = server
                    .workers(1)
                    .disable_signals()
                    .listen(listener)
                    .unwrap();
                server.run().await.unwrap();
            });
        });
        Self {
            at,
            manager,
            gate,
            store,
        }
    }

    async fn send(&self, path: &str, cookie: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\ncookie: {cookie}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    /// Signs ada in, and gives the cookie.
    async fn sign_in(&self) -> String {
        let mut stream = self.send("/login", "").await;
        let mut head = String::new();
        while !head.contains("\r\n\r\n") {
            let mut bytes = [0; 1024];
            let read = timeout(Duration::from_secs(10), stream.read(&mut bytes)).await;
            let read = read.expect("an answer in time").unwrap();
            assert_ne!(read, 0, "{head}");
            head.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        let field = head
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: "))
            .unwrap();
        field.split(';').next().unwrap().to_owned()
    }

    /// Asks, and disconnects before the answer.
    async fn ask_and_go(&self, path: &str, cookie: &str) {
        let stream = self.send(path, cookie).await;
        sleep(PATIENCE).await;
        drop(stream);
    }

    async fn is_signed_in(&self) -> bool {
        !self.manager.sessions_of("ada").await.unwrap().is_empty()
    }

    /// Waits for what should come to pass, for long on a busy machine.
    async fn ends(&self) -> bool {
        for _ in 0..50 {
            if !self.is_signed_in().await {
                return true;
            }
            sleep(PATIENCE).await;
        }
        false
    }
}

#[tokio::test]
async fn v8_axum_drops_a_handler_whose_client_disconnected() {
    let site = Site::axum(false).await;
    let cookie = site.sign_in().await;
    site.ask_and_go("/logout", &cookie).await;
    sleep(3 * SLOW).await;
    assert!(site.is_signed_in().await, "as the manual says");
}

#[tokio::test]
async fn v8_with_finish_handlers_the_logout_completes() {
    let site = Site::axum(true).await;
    let cookie = site.sign_in().await;
    site.ask_and_go("/logout", &cookie).await;
    assert!(site.ends().await);
    // A client that waits has its answer as ever.
    let mut stream = site.send("/change", "").await;
    let mut bytes = [0; 15];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn v8_actix_finishes_a_handler_whose_client_disconnected() {
    let site = Site::actix().await;
    let cookie = site.sign_in().await;
    site.ask_and_go("/logout", &cookie).await;
    assert!(site.ends().await);
}

/// The handler has answered, and the slow store is at it when the client goes.
async fn a_store_write_completes_after_a_disconnect(site: Site) {
    let cookie = site.sign_in().await;
    site.gate.delay(SLOW);
    site.ask_and_go("/change", "").await;
    for _ in 0..50 {
        if site.store.count().await.unwrap() == 2 {
            break;
        }
        sleep(PATIENCE).await;
    }
    assert_eq!(site.store.count().await.unwrap(), 2, "created");
    // The read takes as long: the client goes while the session is being destroyed.
    let stream = site.send("/bye", &cookie).await;
    sleep(SLOW + PATIENCE).await;
    drop(stream);
    site.gate.delay(Duration::ZERO);
    assert!(site.ends().await, "destroyed");
}

#[tokio::test]
async fn v8_a_store_write_completes_after_a_disconnect_axum() {
    a_store_write_completes_after_a_disconnect(Site::axum(false).await).await;
}

#[tokio::test]
async fn v8_a_store_write_completes_after_a_disconnect_actix() {
    a_store_write_completes_after_a_disconnect(Site::actix().await).await;
}
