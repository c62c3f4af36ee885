//! Connections that outlive their request, and the end of their session.

mod ended;
mod hints;
mod outages;
mod sockets;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom::policy::{PolicyBuilder, RequestInfo};
use cloakroom::store::Store;
use cloakroom::watch::{EndReason, Ended};
use cloakroom::{Clock, Manager, Policy, Secure, Session, SessionId};
use testbed::Pace;

use crate::support::keys;
use crate::support::servers::connect;

/// The promised bound; the machine that runs the tests is busy with much else.
const PROMISE: Duration = Duration::from_secs(1);
/// The asserted bound, to which the pace of the machine is added.
const BOUND: Duration = Duration::from_secs(2);
/// Time limit of every wait.
const LIMIT: Duration = Duration::from_mins(1);
/// Long enough for a watch to have begun.
const BEGUN: Duration = Duration::from_millis(700);

fn policy() -> PolicyBuilder {
    Policy::builder(keys()).secure(Secure::Never)
}

/// One server of an application.
#[derive(Clone)]
struct Node(Manager);

impl Node {
    async fn new(url: &str) -> Self {
        Self::on(connect(url).await, |policy| policy)
    }

    fn on(store: Arc<dyn Store>, settings: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Self {
        let policy = settings(policy()).build().unwrap();
        Self(Manager::with_clock(policy, store, Clock::System))
    }

    /// Returns two servers on one store, each with a connection of its own where there are connections.
    async fn pair(url: &str) -> (Self, Self) {
        Self::pair_with(url, |policy| policy).await
    }

    async fn pair_with(
        url: &str,
        settings: impl Fn(PolicyBuilder) -> PolicyBuilder,
    ) -> (Self, Self) {
        let store = connect(url).await;
        let other = match url {
            "memory:" => Arc::clone(&store),
            _ => connect(url).await,
        };
        (Self::on(store, &settings), Self::on(other, &settings))
    }

    /// A new session of `user`, and its cookie.
    async fn sign_in(&self, user: &str) -> String {
        let session = self.open("").await;
        session.insert("userId", user).unwrap();
        self.close(&session).await.expect("it is new")
    }

    async fn open(&self, cookie: &str) -> Session {
        let opened = self.0.open([cookie.as_bytes()], RequestInfo::default());
        opened.await.unwrap()
    }

    /// Closes a request, and tells its new cookie if it has one.
    async fn close(&self, session: &Session) -> Option<String> {
        let closing = self.0.close(session).await.unwrap();
        let field = closing.set_cookie?;
        Some(field.split(';').next().unwrap().to_owned())
    }
}

fn user() -> String {
    format!("user-{}", SessionId::random().expose())
}

/// Waits for an end that came about at `since`, and says how long it took.
async fn told(what: &str, ended: Ended, since: Instant) -> EndReason {
    let pace = Pace::since(since);
    let end = tokio::time::timeout(LIMIT, ended).await;
    let end = end.unwrap_or_else(|_| panic!("{what}: not told"));
    is_soon(what, &pace);
    end
}

/// Fails where what was promised within a second took more than the machine accounts for.
fn is_soon(what: &str, pace: &Pace) {
    let took = pace.took();
    let late = if took > PROMISE { " (late)" } else { "" };
    eprintln!("{what}: told after {} ms{late}", took.as_millis());
    assert!(pace.is_within(BOUND), "{what}: {pace}");
}

/// Fails if a live session is reported as ended.
async fn lives(what: &str, ended: &mut Ended, wait: Duration) {
    let end = tokio::time::timeout(wait, ended).await;
    assert!(end.is_err(), "{what}: {end:?}");
}
