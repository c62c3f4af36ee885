//! Concurrent requests: no update is lost, no ended session comes back.

mod everywhere;
mod fleet;

use std::sync::Arc;
use std::time::Duration;

use cloakroom::policy::RequestInfo;
use cloakroom::record::RecordLimit;
use cloakroom::store::conformance::LastWriteWinsStore;
use cloakroom::store::{Store, StoreError};
use cloakroom::{Clock, Manager, Policy, Session, SessionError};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::faults::{control, rounds, saw};
use crate::support::keys;
use crate::support::servers::{connect, kind, on_every_store};

/// Maximum number of attempts in which a control may show the race.
const ENOUGH: usize = 500;

/// A session that is stored, and what its client sends.
struct Visitor {
    manager: Manager,
    cookie: String,
}

impl Visitor {
    fn manager(store: Arc<dyn Store>) -> Manager {
        let policy = Policy::builder(keys())
            .store_timeout(Duration::from_mins(1))
            .record_limit(RecordLimit {
                keys: 2000,
                ..RecordLimit::default()
            })
            .build()
            .unwrap();
        Manager::with_clock(policy, store, Clock::System)
    }

    async fn new(store: Arc<dyn Store>) -> Self {
        let manager = Self::manager(store);
        let session = manager.open([], secure()).await.unwrap();
        session.insert("began", true).unwrap();
        let sent = manager.close(&session).await.unwrap().set_cookie.unwrap();
        let cookie = sent.split(';').next().unwrap().to_owned();
        Self { manager, cookie }
    }

    async fn open(&self) -> Result<Session, StoreError> {
        self.manager.open([self.cookie.as_bytes()], secure()).await
    }

    /// Returns `true` if the client's cookie still opens the session.
    async fn is_signed_in(&self) -> bool {
        !self.open().await.unwrap().is_new()
    }
}

fn secure() -> RequestInfo {
    let mut request = RequestInfo::default();
    request.is_secure = true;
    request
}

/// Runs requests that have all read the session before the first of them writes.
async fn together<F>(visitor: &Arc<Visitor>, requests: usize, handler: impl Fn(usize, Session) -> F)
where
    F: Future<Output = Result<(), SessionError>> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(requests));
    let mut tasks = JoinSet::new();
    for request in 0..requests {
        let session = visitor.open().await.unwrap();
        let (visitor, barrier) = (Arc::clone(visitor), Arc::clone(&barrier));
        let handling = handler(request, session.clone());
        tasks.spawn(async move {
            barrier.wait().await;
            handling.await.unwrap();
            visitor.manager.close(&session).await.unwrap();
        });
    }
    tasks.join_all().await;
}

async fn of_200_requests_that_set_a_key_each_all_keys_survive(url: &str) {
    let store = connect(url).await;
    let visitor = Arc::new(Visitor::new(store).await);
    together(&visitor, 200, |request, session| async move {
        session.insert(&format!("key-{request}"), request)
    })
    .await;
    let keys = visitor.open().await.unwrap().keys();
    let survived = keys.iter().filter(|key| key.starts_with("key-")).count();
    assert_eq!(survived, 200);
}

/// The control: a last-write-wins store loses almost all of them.
async fn a_last_write_wins_store_loses_keys(url: &str) {
    let store = connect(url).await;
    let visitor = Arc::new(Visitor::new(Arc::new(LastWriteWinsStore::new(store))).await);
    let barrier = Arc::new(Barrier::new(50));
    let mut tasks = JoinSet::new();
    for request in 0..50 {
        // Each on a manager of its own, as on another server: nothing joins their saves.
        let (store, policy) = (
            Arc::clone(visitor.manager.store()),
            visitor.manager.policy().clone(),
        );
        let manager = Manager::with_clock(policy, store, Clock::System);
        let session = manager
            .open([visitor.cookie.as_bytes()], secure())
            .await
            .unwrap();
        let barrier = Arc::clone(&barrier);
        tasks.spawn(async move {
            barrier.wait().await;
            session.insert(&format!("key-{request}"), request).unwrap();
            manager.close(&session).await.unwrap();
        });
    }
    tasks.join_all().await;
    let survived = visitor.open().await.unwrap().keys().len() - 1;
    assert!(survived < 50, "a control that loses nothing proves nothing");
}

async fn of_200_requests_that_add_one_no_update_is_lost(url: &str) {
    let store = connect(url).await;
    let visitor = Arc::new(Visitor::new(store).await);
    together(&visitor, 200, |_, session| async move {
        session
            .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
            .await?;
        Ok(())
    })
    .await;
    assert_eq!(
        visitor.open().await.unwrap().get("n").unwrap(),
        Some(200_u64),
    );
}

/// The control: reading, adding and inserting loses updates on any store.
async fn control_read_and_insert_loses_updates(url: &str) {
    let store = connect(url).await;
    let visitor = Arc::new(Visitor::new(store).await);
    together(&visitor, 50, |_, session| async move {
        let n = session.get::<u64>("n")?.unwrap_or(0);
        session.insert("n", n + 1)
    })
    .await;
    let n: Option<u64> = visitor.open().await.unwrap().get("n").unwrap();
    assert!(n < Some(50), "{n:?}");
}

async fn no_logout_is_undone_by_1000_saves_in_flight(url: &str) {
    let store = connect(url).await;
    let visitor = Arc::new(Visitor::new(store).await);
    logout_among_saves(&visitor, 1000).await;
    assert!(!visitor.is_signed_in().await);
}

async fn no_logout_is_undone_in_many_rounds(url: &str) {
    let store = connect(url).await;
    let rounds = rounds(200);
    for round in 0..rounds {
        let visitor = Arc::new(Visitor::new(Arc::clone(&store)).await);
        logout_among_saves(&visitor, 8).await;
        assert!(!visitor.is_signed_in().await, "round {round}");
    }
    saw(
        "F05",
        &format!("{}: a logout among 8 saves, {rounds} rounds", kind(url)),
        "0 undone",
    );
}

/// The control: a last-write-wins store resurrects sessions.
async fn a_last_write_wins_store_undoes_logouts(url: &str) {
    let store = connect(url).await;
    let store: Arc<dyn Store> = Arc::new(LastWriteWinsStore::new(store));
    for _ in 0..ENOUGH {
        let visitor = Arc::new(Visitor::new(Arc::clone(&store)).await);
        logout_among_saves(&visitor, 8).await;
        if visitor.is_signed_in().await {
            return control(
                "F05",
                &format!("{}: a last-write-wins store undoes one", kind(url)),
            );
        }
    }
    panic!("a control that revives nothing proves nothing");
}

/// Saves, each of a session that was read before, and in their midst a logout.
async fn logout_among_saves(visitor: &Arc<Visitor>, saves: usize) {
    together(visitor, saves + 1, move |request, session| async move {
        if request == saves / 2 {
            return session.destroy().await;
        }
        session.insert("late", request)
    })
    .await;
}

async fn no_save_on_the_old_id_reaches_a_login(url: &str) {
    let store = connect(url).await;
    let rounds = rounds(100);
    for round in 0..rounds {
        let visitor = Arc::new(Visitor::new(Arc::clone(&store)).await);
        let login = visitor.open().await.unwrap();
        login.reset().unwrap();
        login.insert("userId", "ada").unwrap();
        let logging_in = login.clone();
        together(&visitor, 8, move |request, session| {
            let login = logging_in.clone();
            async move {
                if request == 4 {
                    login.save().await
                } else {
                    session.insert("late", request)
                }
            }
        })
        .await;
        assert!(
            !visitor.is_signed_in().await,
            "round {round}: the old id lives"
        );
        let stored = visitor
            .manager
            .store()
            .get(&login.id())
            .await
            .unwrap()
            .unwrap();
        assert!(
            !stored.text.contains("late"),
            "round {round}: {:?}",
            stored.text
        );
    }
    let load = format!(
        "{}: a login among 7 saves on the old id, {rounds} rounds",
        kind(url)
    );
    saw(
        "F06",
        &load,
        "0 old ids that open, 0 writes that reached the new one",
    );
}

/// A client that disconnects leaves one state or the other, and a session that works.
async fn a_client_that_disconnects_fails_no_other_save(url: &str) {
    let store = connect(url).await;
    let visitor = Arc::new(Visitor::new(store).await);
    for micros in [0, 20, 50, 100, 200, 500, 1000] {
        let hangs_up = visitor.open().await.unwrap();
        hangs_up.insert("hangs-up", micros).unwrap();
        let closing = visitor.manager.clone();
        let task = tokio::spawn(async move { closing.close(&hangs_up).await });
        let stays = visitor.open().await.unwrap();
        stays.insert(&format!("stays-{micros}"), true).unwrap();
        let ((), closed) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_micros(micros)).await;
                task.abort();
            },
            visitor.manager.close(&stays)
        );
        closed.unwrap();
        let session = visitor.open().await.unwrap();
        assert_eq!(
            session.get(&format!("stays-{micros}")).unwrap(),
            Some(true),
            "{micros}"
        );
    }
}

/// Requests on two servers, each with a manager of its own, on one store.
async fn two_servers_lose_no_update(url: &str) {
    let store = connect(url).await;
    let visitor = Visitor::new(store).await;
    let other = Manager::with_clock(
        visitor.manager.policy().clone(),
        Arc::clone(visitor.manager.store()),
        Clock::System,
    );
    let mut tasks = JoinSet::new();
    for request in 0..60_u32 {
        let manager = if request % 2 == 0 {
            &visitor.manager
        } else {
            &other
        }
        .clone();
        let session = manager
            .open([visitor.cookie.as_bytes()], secure())
            .await
            .unwrap();
        tasks.spawn(async move {
            session.insert(&format!("key-{request}"), request).unwrap();
            session
                .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
                .await
                .unwrap();
            manager.close(&session).await.unwrap();
        });
    }
    tasks.join_all().await;
    let session = visitor.open().await.unwrap();
    assert_eq!(
        (session.keys().len(), session.get("n").unwrap()),
        (62, Some(60_u64)),
    );
}

/// A function of the application that panics while others wait for their turn fails no other caller:
/// their changes are made, and the session can be saved again.
async fn an_update_that_panics_blocks_no_other_caller(url: &str) {
    let store = connect(url).await;
    let visitor = Arc::new(Visitor::new(store).await);
    let barrier = Arc::new(Barrier::new(40));
    let mut tasks = JoinSet::new();
    for request in 0..40 {
        let (session, barrier) = (visitor.open().await.unwrap(), Arc::clone(&barrier));
        tasks.spawn(async move {
            barrier.wait().await;
            let change = move |n: Option<u32>| {
                assert!(request % 2 == 0, "the application is at fault");
                n.unwrap_or(0) + 1
            };
            session.update("n", change).await.unwrap();
        });
    }
    let mut panicked = 0;
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            let panic = error.into_panic();
            let said = panic.downcast_ref::<&str>();
            assert_eq!(said, Some(&"the application is at fault"));
            panicked += 1;
        }
    }
    assert_eq!(panicked, 20, "the panic is its own request's");
    let session = visitor.open().await.unwrap();
    assert_eq!(session.get::<u32>("n").unwrap(), Some(20));
    session.insert("after", true).unwrap();
    let saved = tokio::time::timeout(Duration::from_secs(10), session.save()).await;
    saved
        .unwrap_or_else(|_| panic!("the session is locked"))
        .unwrap();
}

on_every_store!(
    of_200_requests_that_set_a_key_each_all_keys_survive
    a_last_write_wins_store_loses_keys
    of_200_requests_that_add_one_no_update_is_lost
    control_read_and_insert_loses_updates
    no_logout_is_undone_by_1000_saves_in_flight
    no_logout_is_undone_in_many_rounds
    a_last_write_wins_store_undoes_logouts
    no_save_on_the_old_id_reaches_a_login
    a_client_that_disconnects_fails_no_other_save
    two_servers_lose_no_update
    an_update_that_panics_blocks_no_other_caller
);
