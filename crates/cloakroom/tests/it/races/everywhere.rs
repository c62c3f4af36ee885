//! A logout everywhere that races its user's requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloakroom::store::Store;
use cloakroom::{Manager, Session};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Visitor, secure};
use crate::faults::rounds;
use crate::support::servers::{connect, on_every_store};

/// The work of a request in its session, if a user is still signed in to it.
#[derive(Clone, Copy)]
enum Doing {
    Login,
    Save,
    Touch,
    Update,
}

/// A signed-in client that many requests at once come from.
struct Client {
    manager: Manager,
    user: String,
    cookie: watch::Sender<String>,
    stop: AtomicBool,
}

impl Client {
    async fn new(manager: &Manager) -> Self {
        let user = cloakroom::SessionId::random().expose().to_owned();
        let client = Self {
            manager: manager.clone(),
            user,
            cookie: watch::Sender::default(),
            stop: AtomicBool::new(false),
        };
        let session = client.open().await;
        session.login(&client.user).await.unwrap();
        client.close(&session).await;
        client
    }

    async fn open(&self) -> Session {
        let cookie = self.cookie.borrow().clone();
        let opened = self.manager.open([cookie.as_bytes()], secure());
        opened.await.unwrap()
    }

    async fn close(&self, session: &Session) {
        let closed = match self.manager.close(session).await {
            // A busy server answered too late: the client is told, and has no other cookie.
            Err(error) if error.is_temporary() => return,
            // A session that ended meanwhile is not saved: that is what is asked here.
            closed => closed.unwrap(),
        };
        if let Some(field) = closed.set_cookie {
            let cookie = field.split(';').next().unwrap().to_owned();
            self.cookie.send_replace(cookie);
        }
    }

    /// Requests of one kind, one after the other, as long as the client is signed in.
    async fn go_on(&self, doing: Doing) {
        let mut n = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let session = self.open().await;
            if session.user().is_none() {
                // The cookie may be that of a login which is just over.
                tokio::task::yield_now().await;
                continue;
            }
            n += 1;
            match doing {
                Doing::Login => session.login(&self.user).await.unwrap(),
                Doing::Save => session.insert("saved", n).unwrap(),
                Doing::Touch => session.touch(),
                Doing::Update => {
                    // It may succeed or fail.
                    let step = |n: Option<u64>| n.unwrap_or(0) + 1;
                    let _ = session.update("steps", step).await;
                }
            }
            self.close(&session).await;
        }
    }
}

async fn survivors(store: Arc<dyn Store>, rounds: usize) -> usize {
    let here = Visitor::manager(Arc::clone(&store));
    let there = Visitor::manager(store);
    let mut survivors = 0;
    for round in 0..rounds {
        let client = Arc::new(Client::new(&here).await);
        let mut tasks = JoinSet::new();
        for doing in [
            Doing::Login,
            Doing::Login,
            Doing::Save,
            Doing::Touch,
            Doing::Update,
        ] {
            let client = Arc::clone(&client);
            tasks.spawn(async move { client.go_on(doing).await });
        }
        let pause = Duration::from_micros(100 * (round as u64 % 50));
        tokio::time::sleep(pause).await;
        there.end_sessions_of(&client.user, None).await.unwrap();
        client.stop.store(true, Ordering::Relaxed);
        tasks.join_all().await;
        let signed_in = client.open().await.user().is_some();
        let left = there.sessions_of(&client.user).await.unwrap().len();
        survivors += left.max(usize::from(signed_in));
    }
    survivors
}

/// The requests carry on with what they have: a login renews the session that it found, and finds
/// none once it has ended.
async fn no_session_survives_a_logout_everywhere_that_it_races(url: &str) {
    assert_eq!(survivors(connect(url).await, rounds(20)).await, 0);
}

on_every_store! { no_session_survives_a_logout_everywhere_that_it_races }
