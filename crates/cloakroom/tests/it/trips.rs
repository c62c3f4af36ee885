//! Round trips to the store per request, counted by a proxy between the two.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::COOKIE;
use axum::routing::get;
use cloakroom::{Clock, Manager, Policy, Secure, Session, SessionError, SessionLayer};
use testbed::{Mongo, Postgres, Proxy, Redis, Server};

use crate::support::servers::connect;
use crate::support::{Answer, Client, keys, send};

/// Each request and the most round trips that it may take; that of a sign-in, which stores one session
/// and ends another, is the store's affair.
const MOST: [(&str, u64); 7] = [
    ("read", 1),
    ("write", 2),
    ("add", 2),
    ("touch", 2),
    ("anonymous", 0),
    ("forged", 0),
    ("not asked for", 0),
];

/// Number of times that a request is counted; the least is what it takes.
const TRIES: u32 = 3;

/// Returns the round trips that a request waited for. A driver's own question, of whether its server lives, hides
/// the waits of a request that it overlaps; then at most one of the round trips was made at the same time as another.
fn waits(counted: u64, trips: u64) -> u64 {
    if counted == 0 {
        trips.saturating_sub(1)
    } else {
        counted
    }
}

async fn ask(request: &str, client: &mut Client, router: &Router, forged: &str) -> Answer {
    match request {
        "read" => client.get("/who").await,
        "write" => client.get("/write").await,
        "add" => client.get("/add").await,
        "touch" => client.get("/touch").await,
        "sign in" => client.get("/in").await,
        "anonymous" => Client::new(router.clone()).get("/who").await,
        "forged" => {
            let request = Request::get("/who").header(COOKIE, forged);
            send(router, request.body(Body::empty()).unwrap()).await
        }
        _ => client.get("/plain").await,
    }
}

fn app(manager: Manager) -> Router {
    async fn who(session: Session) -> Result<String, SessionError> {
        Ok(session.get("userId")?.unwrap_or_else(|| "nobody".into()))
    }
    async fn sign_in(session: Session) -> Result<(), SessionError> {
        session.regenerate()?;
        session.insert("userId", "ada")
    }
    async fn write(session: Session) -> Result<(), SessionError> {
        let n = session.get::<u32>("written")?.unwrap_or(0);
        session.insert("written", n + 1)
    }
    async fn add(session: Session) -> Result<(), SessionError> {
        session
            .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
            .await?;
        Ok(())
    }
    async fn touch(session: Session) {
        session.touch();
    }
    Router::new()
        .route("/who", get(who))
        .route("/in", get(sign_in))
        .route("/write", get(write))
        .route("/add", get(add))
        .route("/touch", get(touch))
        .route("/plain", get(async || "ok"))
        .layer(SessionLayer::new(manager))
}

async fn count(server: &dyn Server, sign_in: u64) {
    let proxy = Proxy::to(server.port());
    let url = server.url().replace(
        &format!(":{}", server.port()),
        &format!(":{}", proxy.port()),
    );
    let policy = Policy::builder(keys())
        .secure(Secure::Never)
        .build()
        .unwrap();
    let manager = Manager::with_clock(policy, connect(&url).await, Clock::System);
    let router = app(manager);
    let mut client = Client::new(router.clone());
    // Statements that are prepared at their first use are prepared now.
    for path in [
        "/in", "/who", "/write", "/add", "/touch", "/in", "/write", "/add",
    ] {
        assert!(client.get(path).await.status.is_success(), "{path}");
    }
    let forged = format!("connect.sid={}x", client.cookies["connect.sid"]);
    for (request, most) in MOST.into_iter().chain([("sign in", sign_in)]) {
        let (mut waited, mut trips) = (u64::MAX, 0);
        // What else a driver asks on a busy machine, by a clock of its own, only adds to a count.
        for _ in 0..TRIES {
            proxy.take_waits();
            proxy.take_trips();
            let answer = ask(request, &mut client, &router, &forged).await;
            assert!(answer.status.is_success(), "{request}");
            trips = proxy.take_trips();
            waited = waited.min(waits(proxy.take_waits(), trips));
            if waited <= most {
                break;
            }
        }
        assert!(waited <= most, "{request}: {waited} round trips");
        if most > 0 {
            assert!(
                trips > 0,
                "{request}: a count that counts nothing shows nothing"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_redis() {
    count(Redis::shared(), 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_valkey() {
    count(Redis::shared_valkey(), 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_postgres() {
    count(Postgres::shared(), 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_mongodb() {
    // Stored first, while the old id is noted as retired, then ended: MongoDB does all at once in a
    // transaction only.
    count(Mongo::shared(), 3).await;
}
