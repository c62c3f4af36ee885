//! A server that hangs, and a subscription that does: the staleness bound holds.

use std::time::Duration;

use cloakroom::store::Store as _;
use cloakroom::store::near::{NearOptions, NearStore};
use testbed::{Proxy, Redis};
use tokio::time::sleep;

use super::{BATCH, LOOK, Late, Watching, end, near, rounds, warm};
use crate::support::servers::connect;

/// The whole server stands still for a while: whatever is accepted after that is not past the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs() {
    let redis = Redis::start();
    let near = near(connect(&redis.url()).await);
    let writer = connect(&redis.url()).await;
    let mut late = Late::default();
    for _ in 0..rounds().div_ceil(BATCH).min(20) {
        let ids = warm(&near, &writer, BATCH).await;
        let watching = Watching::of(&near, &ids);
        redis.signal("STOP");
        sleep(Duration::from_millis(1200)).await;
        let hits = near.stats().hits;
        sleep(Duration::from_millis(200)).await;
        assert_eq!(
            near.stats().hits,
            hits,
            "past the bound nobody vouches for a copy"
        );
        redis.signal("CONT");
        let ended = end(&writer, &ids).await;
        late.0.extend(watching.until_refused(&ended).await);
    }
    late.are_within_the_bound("Redis that hung");
}

/// Measures the time for which a frozen subscription is trusted under a bound.
async fn believed(bound: Duration) -> Duration {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let proxied = format!("redis://127.0.0.1:{}", proxy.port());
    let options = NearOptions::default().staleness(bound);
    let near = NearStore::with(connect(&proxied).await, &options);
    let writer = connect(&redis.url()).await;
    let ids = warm(&near, &writer, 1).await;
    proxy.lose_answers(true);
    let ended = end(&writer, &ids).await[0];
    let mut late = Duration::ZERO;
    while ended.elapsed() < Duration::from_secs(2) {
        let asked = ended.elapsed();
        let read = tokio::time::timeout(Duration::from_millis(100), near.get(&ids[0])).await;
        if matches!(read, Ok(Ok(Some(_)))) {
            late = asked;
        }
        sleep(LOOK).await;
    }
    eprintln!("a frozen link was believed for {late:?} under a bound of {bound:?}");
    late
}

/// With the control: without a bound, only the time-out of the ping would help.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_staleness_bound_holds_on_a_frozen_connection() {
    let short = Duration::from_millis(400);
    assert!(believed(short).await <= short);
    assert!(believed(Duration::from_mins(1)).await > 2 * short);
}
