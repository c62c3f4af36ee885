//! Four complete servers, each with a cache: the others see a change at one within the bound.

use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use cloakroom::auth::Require;
use cloakroom::store::AnyStore;
use cloakroom::store::near::NearStore;
use cloakroom::web::Guard;
use cloakroom::{Clock, Manager, Policy, Secure, Session, SessionError, SessionLayer};
use testbed::{Proxy, Redis};
use tokio::time::sleep;

use super::{BOUND, LOOK};
use crate::support::{Answer, Client, Cookies, keys};

/// The others are asked for a change that the first made.
const SERVERS: usize = 4;

struct Server {
    near: NearStore,
    client: Client,
}

async fn sign_in(session: Session) -> Result<(), SessionError> {
    session.login("ada").await?;
    session.insert("roles", ["reader"])
}

async fn me(session: Session) -> Result<String, SessionError> {
    let roles: Option<Vec<String>> = session.get("roles")?;
    Ok(roles.unwrap_or_default().join(" "))
}

async fn end_all(session: Session) -> Result<String, SessionError> {
    Ok(session.end_all().await?.to_string())
}

async fn change_password(session: Session) -> Result<String, SessionError> {
    Ok(session.password_changed().await?.to_string())
}

fn router(manager: &Manager) -> Router {
    let guarded = |path, require| {
        Router::new()
            .route(path, get(me))
            .route_layer(Guard::new(require))
    };
    Router::new()
        .route("/in", get(sign_in))
        .route("/out", get(async |session: Session| session.logout().await))
        .route("/out-everywhere", get(end_all))
        .route("/password", get(change_password))
        .route(
            "/promote",
            get(async |session: Session| session.insert("roles", ["editor"])),
        )
        .merge(guarded("/me", Require::login()))
        .merge(guarded("/reader", Require::role("reader")))
        .merge(guarded("/editor", Require::role("editor")))
        .layer(SessionLayer::new(manager.clone()))
}

impl Server {
    async fn at(url: &str) -> Self {
        let any = AnyStore::connect(&format!("{url}?near=1s")).await.unwrap();
        let near = any.near_store().unwrap().clone();
        let policy = Policy::builder(keys()).secure(Secure::Never);
        let policy = policy.build().unwrap();
        let manager = Manager::with_clock(policy, any.into(), Clock::System);
        let client = Client::new(router(&manager));
        Self { near, client }
    }

    /// Answers a visitor who has these cookies, and no others afterwards.
    async fn ask(&self, cookies: &Cookies, path: &str) -> Answer {
        let mut client = self.client.clone();
        client.cookies.clone_from(cookies);
        client.get(path).await
    }

    async fn status(&self, cookies: &Cookies, path: &str) -> StatusCode {
        self.ask(cookies, path).await.status
    }

    /// Signs a user in here and returns the cookies.
    async fn signed_in(&self) -> Cookies {
        let mut client = self.client.clone();
        assert_eq!(client.get("/in").await.status, StatusCode::OK);
        client.cookies
    }

    /// Asks for a session until it is answered from memory.
    async fn hold(&self, cookies: &Cookies) {
        let begin = Instant::now();
        loop {
            let before = self.near.stats();
            assert_eq!(self.status(cookies, "/me").await, StatusCode::OK);
            if before.staleness.is_some() && self.near.stats().hits > before.hits {
                return;
            }
            assert!(begin.elapsed() < Duration::from_mins(2), "no link");
            sleep(LOOK).await;
        }
    }
}

/// Servers on a Redis of their own: other tests have users of the same name.
async fn fleet() -> (Redis, Vec<Server>) {
    let (redis, mut servers) = (Redis::start(), Vec::new());
    for _ in 0..SERVERS {
        servers.push(Server::at(&redis.url()).await);
    }
    (redis, servers)
}

async fn hold(servers: &[Server], cookies: &Cookies) {
    for server in servers {
        server.hold(cookies).await;
    }
}

/// Checks that all of them answer so within the bound of `since`, and go on to.
async fn all_answer(servers: &[Server], since: Instant, so: impl AsyncFn(&Server) -> bool) {
    for server in servers {
        loop {
            let asked = since.elapsed();
            if so(server).await {
                break;
            }
            assert!(asked <= BOUND, "{asked:?}");
            sleep(LOOK).await;
        }
    }
    for server in servers {
        assert!(so(server).await, "it had been seen");
    }
}

async fn all_refuse(servers: &[Server], since: Instant, cookies: &Cookies) {
    let refuses =
        async |server: &Server| server.status(cookies, "/me").await == StatusCode::UNAUTHORIZED;
    all_answer(servers, since, refuses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_and_a_logout_are_seen_by_all_servers() {
    let (_redis, servers) = fleet().await;
    let cookies = servers[0].signed_in().await;
    // At once: no cache holds a record from before the login.
    for server in &servers {
        assert_eq!(server.status(&cookies, "/me").await, StatusCode::OK);
    }
    hold(&servers, &cookies).await;
    assert_eq!(servers[1].status(&cookies, "/out").await, StatusCode::OK);
    let ended = Instant::now();
    let here = servers[1].status(&cookies, "/me").await;
    assert_eq!(here, StatusCode::UNAUTHORIZED, "where it ended, at once");
    all_refuse(&servers, ended, &cookies).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_everywhere_ends_the_devices_that_signed_in_elsewhere() {
    let (_redis, servers) = fleet().await;
    let [phone, laptop] = [servers[0].signed_in().await, servers[1].signed_in().await];
    hold(&servers, &phone).await;
    hold(&servers, &laptop).await;
    let said = servers[2].ask(&phone, "/out-everywhere").await;
    let ended = Instant::now();
    assert!(said.body.parse::<u64>().unwrap() >= 2, "{said:?}");
    for cookies in [&phone, &laptop] {
        let here = servers[2].status(cookies, "/me").await;
        assert_eq!(here, StatusCode::UNAUTHORIZED, "where they ended, at once");
    }
    all_refuse(&servers, ended, &phone).await;
    all_refuse(&servers, ended, &laptop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_ends_all_but_the_session_that_changed_it() {
    let (_redis, servers) = fleet().await;
    let (mine, stolen) = (servers[0].signed_in().await, servers[3].signed_in().await);
    hold(&servers, &mine).await;
    hold(&servers, &stolen).await;
    let mut client = servers[0].client.clone();
    client.cookies.clone_from(&mine);
    assert_eq!(client.get("/password").await.status, StatusCode::OK);
    let changed = Instant::now();
    assert_ne!(client.cookies, mine, "it has another id");
    all_refuse(&servers, changed, &stolen).await;
    all_refuse(&servers, changed, &mine).await;
    for server in &servers {
        assert_eq!(server.status(&client.cookies, "/me").await, StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_change_is_seen_by_all_servers() {
    let (_redis, servers) = fleet().await;
    let cookies = servers[0].signed_in().await;
    hold(&servers, &cookies).await;
    assert_eq!(
        servers[0].status(&cookies, "/promote").await,
        StatusCode::OK
    );
    let promoted = Instant::now();
    for server in &servers {
        assert_eq!(server.status(&cookies, "/editor").await, StatusCode::OK);
        let now = server.status(&cookies, "/reader").await;
        assert_eq!(
            now,
            StatusCode::FORBIDDEN,
            "a guard of roles sees it at once"
        );
    }
    let sees = async |server: &Server| server.ask(&cookies, "/me").await.body == "editor";
    all_answer(&servers, promoted, sees).await;
}

/// With its control: within the bound the cache serves the earlier record to guards without a role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_guard_does_not_wait_for_a_frozen_connection() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let proxied = format!("redis://127.0.0.1:{}", proxy.port());
    let (here, there) = (Server::at(&redis.url()).await, Server::at(&proxied).await);
    let cookies = here.signed_in().await;
    there.hold(&cookies).await;
    proxy.only("TRACKING");
    proxy.freeze(true);
    assert_eq!(here.status(&cookies, "/promote").await, StatusCode::OK);
    let promoted = Instant::now();
    assert_eq!(
        there.ask(&cookies, "/me").await.body,
        "reader",
        "from memory"
    );
    assert_eq!(there.status(&cookies, "/editor").await, StatusCode::OK);
    let now = there.status(&cookies, "/reader").await;
    assert_eq!(now, StatusCode::FORBIDDEN);
    assert_eq!(here.status(&cookies, "/out").await, StatusCode::OK);
    let now = there.status(&cookies, "/editor").await;
    assert_eq!(now, StatusCode::UNAUTHORIZED);
    all_refuse(&[there], promoted, &cookies).await;
}
