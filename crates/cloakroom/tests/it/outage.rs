//! A store that is killed, stopped and started again under 300 requests a second: every request is
//! answered within the deadline, no session is lost, and soon all is well.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::COOKIE;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use cloakroom::policy::OnStoreError;
use cloakroom::{Manager, Policy, Session, SessionError, SessionLayer};
use testbed::{Mongo, Postgres, Redis, RedisOptions, Server};
use tokio::task::JoinSet;

use crate::support::servers::connect;
use crate::support::{Client, keys, send};

const DEADLINE: Duration = Duration::from_secs(1);
/// What a machine that does much else may add to it.
const GRACE: Duration = Duration::from_millis(100);
const EVERY: Duration = Duration::from_micros(3333);
const VISITORS: usize = 30;

/// What one request came to.
struct Answer {
    at: Instant,
    took: Duration,
    status: StatusCode,
    body: String,
}

/// What is done to a server while requests come.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Killed,
    Stopped,
}

impl Trouble {
    /// Lets it happen, and returns when the server was back.
    async fn happen(self, mut server: Box<dyn Server>) -> (Box<dyn Server>, Instant) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let work = move || {
            match self {
                Self::Killed => {
                    server.kill();
                    std::thread::sleep(Duration::from_secs(2));
                    server.restart();
                }
                Self::Stopped => {
                    server.signal("STOP");
                    std::thread::sleep(Duration::from_secs(5));
                    server.signal("CONT");
                }
            }
            (server, Instant::now())
        };
        tokio::task::spawn_blocking(work).await.unwrap()
    }
}

async fn app(url: &str, on_store_error: OnStoreError) -> Router {
    async fn who(session: Session) -> Result<String, SessionError> {
        Ok(session.get("userId")?.unwrap_or_else(|| "nobody".into()))
    }
    async fn sign_in(session: Session) -> Result<(), SessionError> {
        session.insert("userId", session.id().expose())
    }
    async fn write(session: Session) -> Result<String, SessionError> {
        session.insert("at", 1)?;
        who(session).await
    }
    let policy = Policy::builder(keys())
        .store_timeout(DEADLINE)
        .on_store_error(on_store_error)
        .secure(cloakroom::Secure::Never)
        .build()
        .unwrap();
    let manager = Manager::with_clock(policy, connect(url).await, cloakroom::Clock::System);
    Router::new()
        .route("/", get(who))
        .route("/in", get(sign_in))
        .route("/write", get(write))
        .layer(SessionLayer::new(manager))
}

/// Requests of signed-in visitors at a steady rate until the server was well for two seconds.
async fn requests(
    router: Router,
    cookies: Vec<String>,
    trouble: impl Future<Output = (Box<dyn Server>, Instant)>,
) -> (Vec<Answer>, Box<dyn Server>, Instant) {
    let (router, cookies) = (Arc::new(router), Arc::new(cookies));
    let mut running = JoinSet::new();
    let mut answers = Vec::new();
    let mut timer = tokio::time::interval(EVERY);
    let mut trouble = Box::pin(trouble);
    let mut over: Option<(Box<dyn Server>, Instant)> = None;
    for number in 0.. {
        tokio::select! {
            end = &mut trouble, if over.is_none() => over = Some(end),
            _ = timer.tick() => {}
        }
        while let Some(answer) = running.try_join_next() {
            answers.push(answer.unwrap());
        }
        if over
            .as_ref()
            .is_some_and(|(_, back)| back.elapsed() > Duration::from_secs(4))
        {
            break;
        }
        let (router, cookies) = (Arc::clone(&router), Arc::clone(&cookies));
        running.spawn(async move {
            let visitor: usize = number % cookies.len();
            let path = if number % 4 == 0 { "/write" } else { "/" };
            let request = Request::get(path).header(COOKIE, &cookies[visitor]);
            let at = Instant::now();
            let answer = send(&router, request.body(Body::empty()).unwrap()).await;
            Answer {
                at,
                took: at.elapsed(),
                status: answer.status,
                body: answer.body,
            }
        });
    }
    answers.extend(running.join_all().await);
    let (server, back) = over.unwrap();
    (answers, server, back)
}

async fn survive(server: Box<dyn Server>, trouble: Trouble, on_store_error: OnStoreError) {
    let router = app(&server.url(), on_store_error).await;
    let mut cookies = Vec::new();
    for _ in 0..VISITORS {
        let mut client = Client::new(router.clone());
        assert_eq!(client.get("/in").await.status, StatusCode::OK);
        cookies.push(format!("connect.sid={}", client.cookies["connect.sid"]));
    }
    let happening = trouble.happen(server);
    let (answers, _server, back) = requests(router.clone(), cookies.clone(), happening).await;
    assert!(answers.len() > 300 * 5, "{} requests", answers.len());
    let late = answers.iter().map(|answer| answer.took).max().unwrap();
    assert!(late <= DEADLINE + GRACE, "{late:?}");
    let (mut troubled, mut empty) = (0, 0);
    for answer in &answers {
        let is_well = answer.status == StatusCode::OK;
        troubled += usize::from(!is_well);
        empty += usize::from(is_well && answer.body == "nobody");
        if !is_well {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        }
        if answer.at > back + Duration::from_secs(2) {
            let since = answer.at - back;
            assert!(
                is_well && answer.body != "nobody",
                "not normal after {since:?}: {}",
                answer.body
            );
        }
    }
    match on_store_error {
        OnStoreError::Unavailable => assert_eq!(empty, 0, "an outage is no empty session"),
        OnStoreError::Anonymous => assert!(empty > 0),
    }
    assert!(
        troubled + empty > 0,
        "a trouble that nobody notices shows nothing"
    );
    // Most of those that came while it was away were spared the wait.
    let waited = answers
        .iter()
        .filter(|answer| answer.took > DEADLINE / 2)
        .count();
    assert!(waited < answers.len() / 3, "{waited} of {}", answers.len());
    for cookie in cookies {
        let request = Request::get("/").header(COOKIE, cookie);
        let answer = send(&router, request.body(Body::empty()).unwrap()).await;
        assert!(answer.body != "nobody", "a session is lost");
    }
}

/// Each trouble of a server, with each of the policies.
macro_rules! survives {
    ($store:ident, $server:expr) => {
        mod $store {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn being_killed() {
                survive(
                    Box::new($server),
                    Trouble::Killed,
                    OnStoreError::Unavailable,
                )
                .await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn being_stopped() {
                survive(
                    Box::new($server),
                    Trouble::Stopped,
                    OnStoreError::Unavailable,
                )
                .await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn being_stopped_with_anonymous_requests() {
                survive(Box::new($server), Trouble::Stopped, OnStoreError::Anonymous).await;
            }
        }
    };
}

survives!(
    redis,
    Redis::with(RedisOptions {
        durable: true,
        ..RedisOptions::default()
    })
);

survives!(
    valkey,
    Redis::with(RedisOptions {
        durable: true,
        valkey: true,
        ..RedisOptions::default()
    })
);

survives!(postgres, Postgres::start(&[]));

survives!(mongodb, Mongo::start());
