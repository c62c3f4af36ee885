//! A store that is killed, stopped and started again under load: every request is answered within the
//! deadline, no session is lost, and soon all is well.
//!
//! The load is what this machine can do at the time, at most 300 requests a second; "soon" is measured by a
//! control: another client of the same server, on connections of its own.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::COOKIE;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use cloakroom::SessionId;
use cloakroom::policy::OnStoreError;
use cloakroom::store::{AnyStore, Store as _};
use cloakroom::{Manager, Policy, Session, SessionError, SessionLayer};
use testbed::{Mongo, Pace, Postgres, Redis, RedisOptions, Server};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::faults::saw;
use crate::support::servers::connect;
use crate::support::{Client, keys, send};

const DEADLINE: Duration = Duration::from_secs(1);
/// Time that an idle machine may add to it: a request that writes asks the store twice.
const GRACE: Duration = Duration::from_millis(100);
const EVERY: Duration = Duration::from_micros(3333);
const VISITORS: usize = 30;
/// Time after the server's return within which every request succeeds.
const SOON: Duration = Duration::from_secs(2);
/// Time for which every request has to succeed at the end.
const WELL: Duration = Duration::from_secs(2);
/// Time limit of that wait.
const LIMIT: Duration = Duration::from_mins(2);

/// The result of one request.
struct Answer {
    at: Instant,
    took: Duration,
    /// `true` if it took longer than the deadline and what the machine accounts for.
    is_late: bool,
    status: StatusCode,
    body: String,
}

impl Answer {
    fn is_well(&self) -> bool {
        self.status == StatusCode::OK && self.body != "nobody"
    }
}

/// Somebody who asks the server itself, each time on a connection that has seen no trouble.
struct Control {
    asking: JoinHandle<()>,
    asked: Arc<Mutex<Vec<(Instant, bool)>>>,
}

impl Control {
    fn of(url: String) -> Self {
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let seen = Arc::clone(&asked);
        let asking = tokio::spawn(async move {
            loop {
                let (at, pace) = (Instant::now(), testbed::pace());
                let asks = async {
                    let store = AnyStore::connect(&url).await.ok()?;
                    store.get(&SessionId::random()).await.ok()
                };
                let is_well = matches!(timeout(DEADLINE / 2, asks).await, Ok(Some(_)));
                sleep(DEADLINE / 4).await;
                // A machine that stands still answers no client.
                let slowness = tokio::task::spawn_blocking(move || pace.slowness());
                let is_well = is_well && slowness.await.unwrap() < DEADLINE / 2;
                seen.lock().unwrap().push((at, is_well));
            }
        });
        Self { asking, asked }
    }

    /// Returns `true` if the server answered all requests around that time.
    fn was_well(&self, at: Instant) -> bool {
        let asked = self.asked.lock().unwrap();
        let around = |other: Instant| {
            let apart = other.max(at) - other.min(at);
            // Operations that timed out open the circuit breaker for a moment.
            apart <= 2 * DEADLINE
        };
        let mut around = asked.iter().filter(|(at, _)| around(*at)).peekable();
        around.peek().is_some() && around.all(|(_, is_well)| *is_well)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

/// The faults of a server under load.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Killed,
    Stopped,
}

impl Trouble {
    /// Lets it happen, and returns when the server was back.
    async fn happen(self, mut server: Box<dyn Server>) -> (Box<dyn Server>, Instant) {
        sleep(Duration::from_secs(1)).await;
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

/// Returns the interval of requests that this server sustains on this machine: three times the duration
/// of one request.
async fn interval(router: &Router, cookies: &[String]) -> Duration {
    let begin = Instant::now();
    for number in 0..100 {
        let answer = ask(router, cookies, number).await;
        assert!(answer.is_well(), "{}", answer.body);
    }
    EVERY.max(begin.elapsed() * 3 / 100)
}

/// Sends one request of a signed-in visitor; every fourth writes.
async fn ask(router: &Router, cookies: &[String], number: usize) -> Answer {
    let writes = number.is_multiple_of(4);
    let (path, operations) = if writes { ("/write", 2) } else { ("/", 1) };
    let request = Request::get(path).header(COOKIE, &cookies[number % cookies.len()]);
    let (at, pace) = (Instant::now(), testbed::pace());
    let answer = send(router, request.body(Body::empty()).unwrap()).await;
    let (took, bound) = (at.elapsed(), operations * DEADLINE + GRACE);
    Answer {
        at,
        took,
        is_late: took > bound && is_late(took, bound, pace).await,
        status: answer.status,
        body: answer.body,
    }
}

async fn is_late(took: Duration, bound: Duration, pace: Pace) -> bool {
    let slowness = tokio::task::spawn_blocking(move || pace.slowness());
    took > bound + slowness.await.unwrap()
}

/// Requests at a steady rate, until after the trouble all was well for a while.
async fn requests(
    router: &Router,
    cookies: &[String],
    trouble: impl Future<Output = (Box<dyn Server>, Instant)>,
) -> (Vec<Answer>, Box<dyn Server>, Instant) {
    let mut timer = tokio::time::interval(interval(router, cookies).await);
    let (router, cookies) = (router.clone(), Arc::<[String]>::from(cookies));
    let mut running = JoinSet::new();
    let mut answers: Vec<Answer> = Vec::new();
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
            .is_some_and(|(_, back)| is_over(&answers, *back))
        {
            break;
        }
        let (router, cookies) = (router.clone(), Arc::clone(&cookies));
        running.spawn(async move { ask(&router, &cookies, number).await });
    }
    answers.extend(running.join_all().await);
    let (server, back) = over.unwrap();
    (answers, server, back)
}

/// Returns `true` if all requests of the last while succeeded.
fn is_over(answers: &[Answer], back: Instant) -> bool {
    let troubled = answers.iter().filter(|answer| !answer.is_well());
    let last = troubled
        .map(|answer| answer.at)
        .max()
        .unwrap_or(back)
        .max(back);
    assert!(back.elapsed() < LIMIT, "never well again");
    last.elapsed() > SOON + WELL
}

async fn survive(server: Box<dyn Server>, trouble: Trouble, on_store_error: OnStoreError) {
    let url = server.url();
    let router = app(&url, on_store_error).await;
    let mut cookies = Vec::new();
    for _ in 0..VISITORS {
        let mut client = Client::new(router.clone());
        assert_eq!(client.get("/in").await.status, StatusCode::OK);
        cookies.push(format!("connect.sid={}", client.cookies["connect.sid"]));
    }
    let control = Control::of(url.clone());
    let happening = trouble.happen(server);
    let (answers, _server, back) = requests(&router, &cookies, happening).await;
    assert!(answers.len() > VISITORS, "{} requests", answers.len());
    let late: Vec<_> = answers.iter().filter(|answer| answer.is_late).collect();
    assert!(
        late.is_empty(),
        "{:?}",
        late.iter().map(|answer| answer.took).max()
    );
    let (mut troubled, mut empty) = (0, 0);
    for answer in &answers {
        let is_well = answer.status == StatusCode::OK;
        troubled += usize::from(!is_well);
        empty += usize::from(is_well && answer.body == "nobody");
        if !is_well {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        }
        // Afterwards no request is refused that the server would have answered.
        if answer.at > back + SOON && !answer.is_well() {
            let since = answer.at - back;
            assert!(
                !control.was_well(answer.at),
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
        .filter(|answer| answer.took > DEADLINE / 2 && !answer.is_well())
        .count();
    assert!(waited < answers.len() / 3, "{waited} of {}", answers.len());
    let load = format!(
        "{}: {trouble:?}, {} requests",
        url.split(':').next().unwrap(),
        answers.len()
    );
    let seen = format!(
        "{troubled} refused, {waited} of them after a wait, {empty} anonymous; 0 late, 0 lost"
    );
    saw("F12", &load, &seen);
    for cookie in cookies {
        let request = Request::get("/").header(COOKIE, cookie);
        let answer = send(&router, request.body(Body::empty()).unwrap()).await;
        let is_there = answer.status == StatusCode::OK && answer.body != "nobody";
        assert!(is_there, "a session is lost: {}", answer.body);
    }
}

/// Defines a test for each trouble of a server, with each of the policies.
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
        program: testbed::RedisProgram::Valkey9,
        ..RedisOptions::default()
    })
);

survives!(postgres, Postgres::start(&[]));

survives!(mongodb, Mongo::start());
