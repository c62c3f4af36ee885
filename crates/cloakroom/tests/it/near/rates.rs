//! Store reads that a near cache saves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom::policy::RequestInfo;
use cloakroom::store::Store as _;
use cloakroom::store::near::NearStore;
use cloakroom::{Clock, Manager, Policy, Secure};
use testbed::{Postgres, Proxy, Redis, Server};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{are_held, near, warm};
use crate::support::keys;
use crate::support::servers::connect;

/// The subscription's ping interval; there may be one more at each end.
const BEAT: Duration = Duration::from_millis(150);

async fn a_hit_makes_no_round_trip(server: &dyn Server) {
    let proxy = Proxy::to(server.port());
    let url = server.url().replace(
        &format!(":{}", server.port()),
        &format!(":{}", proxy.port()),
    );
    let (near, writer) = (near(connect(&url).await), connect(&server.url()).await);
    let ids = warm(&near, &writer, 10).await;
    let before = near.stats();
    proxy.take_trips();
    let begin = Instant::now();
    for round in 0..1000 {
        assert!(near.get(&ids[round % 10]).await.unwrap().is_some());
    }
    let (trips, took) = (proxy.take_trips(), begin.elapsed());
    let hits = near.stats().hits - before.hits;
    let beats = u64::try_from(took.as_millis() / BEAT.as_millis()).unwrap() + 2;
    eprintln!("1,000 reads in {took:?}: {hits} hits, {trips} round trips, of the link");
    assert_eq!(hits, 1000);
    assert!(trips <= beats, "{trips} round trips");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_round_trip_to_redis() {
    a_hit_makes_no_round_trip(Redis::shared()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_round_trip_to_valkey() {
    a_hit_makes_no_round_trip(Redis::shared_valkey()).await;
}

/// Without the triggers; a copy is valid for the bound then, and a thousand reads take less.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_round_trip_to_postgres() {
    let postgres = Postgres::shared();
    let store = connect(&Server::url(postgres)).await;
    let (near, id) = (near(Arc::clone(&store)), cloakroom::SessionId::random());
    store.create(&id, &super::entry()).await.unwrap();
    let begin = Instant::now();
    for _ in 0..1000 {
        assert!(near.get(&id).await.unwrap().is_some());
    }
    let misses = near.stats().misses;
    assert!(misses <= 1 + begin.elapsed().as_secs(), "{misses}");
}

/// Four servers at which the same visitors come and go; their expiry is moved every 5 % of their time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nineteen_of_twenty_reads_are_hits_while_sessions_are_touched() {
    let redis = Redis::start();
    let mut nodes: Vec<(NearStore, Manager)> = Vec::new();
    for _ in 0..4 {
        let near = near(connect(&redis.url()).await);
        let policy = Policy::builder(keys())
            .secure(Secure::Never)
            .idle_timeout(Duration::from_mins(1))
            .build()
            .unwrap();
        let manager = Manager::with_clock(policy, Arc::new(near.clone()), Clock::System);
        nodes.push((near, manager));
    }
    let mut visitors = JoinSet::new();
    // A busy machine visits less often: what is compared are counts, of as many visits.
    let visits_each = 600;
    for visitor in 0..8 {
        let nodes: Vec<Manager> = nodes.iter().map(|(_, manager)| manager.clone()).collect();
        visitors.spawn(visits(nodes, visitor, visits_each));
    }
    let touches: usize = visitors.join_all().await.into_iter().sum();
    let (hits, misses) = nodes.iter().fold((0, 0), |(hits, misses), (near, _)| {
        (hits + near.stats().hits, misses + near.stats().misses)
    });
    #[expect(clippy::cast_precision_loss, reason = "a percentage")]
    let rate = 100.0 * hits as f64 / (hits + misses) as f64;
    eprintln!("{hits} hits, {misses} misses, {touches} touches: {rate:.1} %");
    assert!(
        touches >= 8,
        "a touch is due every three seconds: {touches}"
    );
    assert!(rate >= 95.0, "{rate:.1} %");
}

/// A visitor who comes to one server after the other, a hundred times a second; how often the session
/// was touched.
async fn visits(nodes: Vec<Manager>, visitor: usize, visits: usize) -> usize {
    let session = nodes[0].open([], RequestInfo::default()).await.unwrap();
    session.insert("visitor", visitor).unwrap();
    let closing = nodes[0].close(&session).await.unwrap();
    let field = closing.set_cookie.unwrap();
    let cookie = field.split(';').next().unwrap().to_owned();
    let mut touches = 0;
    for at in 1..=visits {
        let manager = &nodes[at % nodes.len()];
        let cookies = [cookie.as_bytes()];
        let session = manager.open(cookies, RequestInfo::default()).await.unwrap();
        assert!(!session.is_new());
        let before = manager.store().get_uncached(&session.id()).await.unwrap();
        manager.close(&session).await.unwrap();
        let after = manager.store().get_uncached(&session.id()).await.unwrap();
        let moved = after.unwrap().expires.since(before.unwrap().expires);
        touches += usize::from(moved > Duration::from_millis(500));
        sleep(Duration::from_millis(10)).await;
    }
    touches
}

/// A fleet that starts again asks for everything once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_costs_each_other_server_one_read() {
    let redis = Redis::start();
    let writer = connect(&redis.url()).await;
    let near = near(connect(&redis.url()).await);
    let ids = warm(&near, &writer, 10).await;
    let before = near.stats().misses;
    for _ in 0..5 {
        writer
            .touch(&ids[0], &super::entry().text, &super::entry())
            .await
            .unwrap();
        sleep(Duration::from_millis(100)).await;
        are_held(&near, &ids).await;
    }
    let misses = near.stats().misses - before;
    assert!((5..=10).contains(&misses), "{misses}");
}
