//! F08: a request's write is under way while the session ends: it arrives afterwards, and resurrects
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::policy::RequestInfo;
use cloakroom::store::Store;
use cloakroom::store::conformance::LastWriteWinsStore;
use cloakroom::{Clock, Manager, Policy, Secure, Session};
use tokio::task::JoinSet;

use super::{control, saw};
use crate::express::gate::Gate;
use crate::support::keys;
use crate::support::servers::{connect, kind, on_every_store};

/// Delay of each write.
const DELAY: Duration = Duration::from_secs(1);
const SAVES: usize = 20;

fn manager(store: Arc<dyn Store>) -> Manager {
    let policy = Policy::builder(keys())
        .secure(Secure::Never)
        .store_timeout(Duration::from_mins(1));
    Manager::with_clock(policy.build().unwrap(), store, Clock::System)
}

async fn open(manager: &Manager, cookie: &str) -> Session {
    let opened = manager.open([cookie.as_bytes()], RequestInfo::default());
    opened.await.unwrap()
}

/// Returns `true` if the session exists after saves that were under way when it ended.
async fn comes_back(store: Arc<dyn Store>) -> bool {
    let (gate, here) = (
        Gate::before(Arc::clone(&store)),
        manager(Arc::clone(&store)),
    );
    let slow = manager(Arc::new(gate.clone()));
    let session = open(&here, "").await;
    session.insert("began", true).unwrap();
    let sent = here.close(&session).await.unwrap().set_cookie.unwrap();
    let cookie = sent.split(';').next().unwrap();
    let mut saves = JoinSet::new();
    let mut sessions = Vec::new();
    for _ in 0..SAVES {
        sessions.push(open(&slow, cookie).await);
    }
    gate.delay(DELAY);
    gate.take_calls();
    for session in sessions {
        let slow = slow.clone();
        session.insert("late", true).unwrap();
        saves.spawn(async move { slow.close(&session).await.map(drop) });
    }
    // They have left, and have not arrived.
    while gate.take_calls().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    open(&here, cookie).await.destroy().await.unwrap();
    gate.delay(Duration::ZERO);
    saves.join_all().await;
    !open(&here, cookie).await.is_new()
}

async fn f08_writes_that_arrive_after_the_end_resurrect_nothing(url: &str) {
    let store = connect(url).await;
    assert!(!comes_back(Arc::clone(&store)).await);
    let kind = kind(url);
    saw(
        "F08",
        &format!("{kind}: {SAVES} saves on their way for {DELAY:?} while the session is destroyed"),
        "0 brought back",
    );
    // The control: a last-write-wins store.
    assert!(comes_back(Arc::new(LastWriteWinsStore::new(store))).await);
    control(
        "F08",
        &format!("{kind}: a last-write-wins store resurrects it"),
    );
}

on_every_store!(f08_writes_that_arrive_after_the_end_resurrect_nothing);
