//! Invalidations that a subscription reports, and changes that it does not.

use tokio::sync::Semaphore;

use super::super::*;
use super::fake::{n, warm};

#[tokio::test(start_paused = true)]
async fn second_read_is_a_cache_hit_while_the_subscription_is_alive() {
    let (fake, near, id) = warm().await;
    for _ in 0..20 {
        tokio::time::advance(Duration::from_secs(1)).await;
        fake.prove();
        assert_eq!(n(&near, &id).await, Some(1));
    }
    assert_eq!(fake.take_reads(), 0);
    let stats = near.stats();
    assert_eq!(
        (stats.hits, stats.misses, stats.sessions),
        (21, 2, 1),
        "and one in `warm`"
    );
    assert_eq!(stats.staleness, Some(Duration::ZERO));
    // However well the subscription works, half a minute is all.
    tokio::time::advance(Duration::from_secs(10)).await;
    fake.prove();
    n(&near, &id).await;
    assert_eq!(fake.take_reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn invalidated_record_is_read_again() {
    let (fake, near, id) = warm().await;
    fake.set(2);
    fake.tell(Invalidation::Of(&SessionId::random()));
    fake.tell(Invalidation::Of(&id));
    assert_eq!(n(&near, &id).await, Some(2));
    fake.set(3);
    fake.tell(Invalidation::All);
    assert_eq!(n(&near, &id).await, Some(3));
    assert_eq!(near.stats().invalidations, 2);
}

/// The connection is frozen: nothing is reported, and nothing proven.
#[tokio::test(start_paused = true)]
async fn unreported_change_is_seen_once_the_staleness_bound_is_over() {
    let (fake, near, id) = warm().await;
    fake.set(2);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(n(&near, &id).await, Some(1), "within the bound");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(n(&near, &id).await, Some(2));
    assert_eq!(near.stats().unproven, 1);
    // A read from now on is good for the bound, and no proof prolongs it: the subscription may be to another
    // server.
    fake.set(3);
    tokio::time::advance(Duration::from_secs(1)).await;
    fake.prove();
    assert_eq!(n(&near, &id).await, Some(2));
    tokio::time::advance(Duration::from_millis(1)).await;
    fake.prove();
    assert_eq!(n(&near, &id).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn lost_subscription_clears_the_cache() {
    let (fake, near, id) = warm().await;
    fake.lose();
    fake.set(2);
    assert_eq!(n(&near, &id).await, Some(2));
    assert_eq!(near.stats().staleness, None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_overtaken_is_not_kept() {
    let (fake, near, id) = warm().await;
    fake.tell(Invalidation::Of(&id));
    fake.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    let reading = tokio::spawn({
        let (near, id) = (near.clone(), id.clone());
        async move { n(&near, &id).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(fake.take_reads(), 1);
    fake.set(2);
    fake.tell(Invalidation::Of(&id));
    fake.0.gate.add_permits(Semaphore::MAX_PERMITS);
    assert_eq!(
        reading.await.unwrap(),
        Some(1),
        "it was so when it was asked"
    );
    assert_eq!(n(&near, &id).await, Some(2));
}
