//! Reads that bypass the cache, and waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use cloakroom::auth::Require;
use cloakroom::store::memory::MemoryStore;
use cloakroom::store::near::{NearOptions, NearStore};
use cloakroom::store::{AnyStore, Store, StoreOptions};
use cloakroom::web::Guard;
use cloakroom::{Clock, Manager, Policy, Secure, Session, SessionError, SessionLayer};

use crate::support::servers::{self, STORES};
use crate::support::{Client, keys};

async fn sign_in(session: Session) -> Result<(), SessionError> {
    session.login("ada").await?;
    session.insert("roles", ["admin"])
}

async fn reload(session: Session) -> Result<String, SessionError> {
    session.reload().await?;
    Ok("still there".into())
}

/// Changes the session before its guard looks at it.
async fn visit(session: Session) -> Result<String, SessionError> {
    let n = session.get::<u32>("n")?.unwrap_or(0);
    Ok(format!("{n} of {:?}", session.get::<String>("more")?))
}

fn router(manager: &Manager) -> Router {
    let with = |path, require| {
        Router::new()
            .route(path, get(visit))
            .route_layer(Guard::new(require))
    };
    Router::new()
        .route("/in", get(sign_in))
        .route(
            "/out",
            get(async |session: Session| session.destroy().await),
        )
        .route(
            "/add",
            get(async |session: Session| session.insert("more", "it")),
        )
        .route("/reload", get(reload))
        .route("/plain", get(visit))
        .merge(with("/login", Require::login()))
        .merge(with("/role", Require::role("admin")))
        .merge(with(
            "/fresh",
            Require::login().fresh(Duration::from_hours(1)),
        ))
        .merge(with("/when", Require::login().when(|_| true)))
        .layer(SessionLayer::new(manager.clone()))
}

/// Returns two servers, each with a cache, on a store that notifies neither of the other's changes.
fn pair() -> [(Manager, Client); 2] {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    [(); 2].map(|()| {
        let near = NearStore::with(Arc::clone(&store), &NearOptions::default());
        let policy = Policy::builder(keys()).secure(Secure::Never);
        let policy = policy.build().unwrap();
        let manager = Manager::with_clock(policy, Arc::new(near), Clock::System);
        let client = Client::new(router(&manager));
        (manager, client)
    })
}

async fn status(client: &mut Client, path: &str) -> StatusCode {
    client.get(path).await.status
}

#[tokio::test]
async fn guards_of_roles_and_fresh_logins_bypass_the_cache() {
    let [(_, mut here), (other, mut there)] = pair();
    status(&mut here, "/in").await;
    there.cookies.clone_from(&here.cookies);
    for path in ["/login", "/role", "/fresh", "/when", "/reload"] {
        assert_eq!(status(&mut there, path).await, StatusCode::OK, "{path}");
    }
    assert_eq!(status(&mut here, "/out").await, StatusCode::OK);
    let cookies = there.cookies.clone();
    for path in ["/role", "/fresh", "/when"] {
        assert_eq!(
            status(&mut there, path).await,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
        there.cookies.clone_from(&cookies);
    }
    assert_ne!(status(&mut there, "/reload").await, StatusCode::OK);
    there.cookies.clone_from(&cookies);
    // The control: the cache knows nothing of it yet.
    assert_eq!(status(&mut there, "/login").await, StatusCode::OK);
    other.wait_for_caches().await;
    there.cookies.clone_from(&cookies);
    assert_eq!(status(&mut there, "/login").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_handler_sees_the_record_that_the_guard_read() {
    let [(_, mut here), (_, mut there)] = pair();
    status(&mut here, "/in").await;
    there.cookies.clone_from(&here.cookies);
    assert_eq!(there.get("/plain").await.body, "0 of None");
    status(&mut here, "/add").await;
    assert_eq!(there.get("/plain").await.body, "0 of None", "from memory");
    assert_eq!(there.get("/role").await.body, r#"0 of Some("it")"#);
}

#[tokio::test(start_paused = true)]
async fn wait_for_caches_takes_the_bound_and_no_time_without_a_cache() {
    let [(cached, _), _] = pair();
    let policy = Policy::builder(keys()).build().unwrap();
    let plain = Manager::new(policy, MemoryStore::new());
    for (manager, takes) in [(cached, Duration::from_secs(1)), (plain, Duration::ZERO)] {
        let begin = tokio::time::Instant::now();
        manager.wait_for_caches().await;
        let took = begin.elapsed();
        assert!(
            took >= takes && took < takes + Duration::from_millis(10),
            "{took:?}"
        );
    }
}

/// The option, and the parameter of the URL, which takes precedence.
#[tokio::test]
async fn one_line_enables_the_near_cache() {
    let (bound, mut options) = (Duration::from_millis(700), StoreOptions::default());
    let plain = AnyStore::connect_with("memory:", &options).await.unwrap();
    assert!(plain.near_store().is_none());
    assert_eq!(plain.staleness(), Duration::ZERO);
    let by_url = AnyStore::connect("memory:?near=700ms").await.unwrap();
    options.near = Some(bound);
    let by_option = AnyStore::connect_with("memory:", &options).await.unwrap();
    options.near = Some(2 * bound);
    let by_both = AnyStore::connect_with("memory:?near=700ms", &options).await;
    for any in [by_url, by_option, by_both.unwrap()] {
        assert_eq!(any.staleness(), bound);
        let id = cloakroom::SessionId::random();
        any.create(&id, &super::entry()).await.unwrap();
        for _ in 0..3 {
            assert!(any.get(&id).await.unwrap().is_some());
        }
        assert_eq!(any.near_store().unwrap().stats().hits, 2);
    }
}

/// The servers themselves see nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_url_enables_the_near_cache() {
    for store in STORES {
        let url = servers::url(store);
        let more = if url.contains('?') { '&' } else { '?' };
        let any = AnyStore::connect(&format!("{url}{more}near=2s")).await;
        let any = any.unwrap_or_else(|error| panic!("{store}: {error}"));
        assert_eq!(any.staleness(), Duration::from_secs(2), "{store}");
        let id = cloakroom::SessionId::random();
        any.create(&id, &super::entry()).await.unwrap();
        let begin = Instant::now();
        // A subscription that is made meanwhile clears the cache once.
        while any.near_store().unwrap().stats().hits == 0 {
            assert!(any.get(&id).await.unwrap().is_some(), "{store}");
            assert!(begin.elapsed() < Duration::from_mins(1), "{store}");
        }
    }
}
