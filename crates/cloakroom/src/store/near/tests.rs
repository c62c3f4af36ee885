//! Tests of the near cache: over a store whose connection the test controls, and over real ones.

mod fake;
mod invalidate;
#[cfg(all(feature = "redis", feature = "postgres", feature = "conformance"))]
mod postgres;
#[cfg(all(feature = "redis", feature = "postgres", feature = "conformance"))]
mod suites;
mod told;
#[cfg(feature = "redis")]
mod untold;

use self::fake::{Fake, n, record};
use super::*;
use crate::clock::Timestamp;

#[tokio::test(start_paused = true)]
async fn expired_records_are_not_served_from_cache() {
    let clock = crate::clock::ManualClock::at(record(1).expires);
    clock.set(Timestamp::from_millis(
        record(1).expires.as_millis() - 60_000,
    ));
    let fake = Fake::default();
    fake.set(1);
    let options = NearOptions::default().clock(clock.clone());
    let (near, id) = (
        NearStore::with(Arc::new(fake.clone()), &options),
        SessionId::random(),
    );
    near.get(&id).await.unwrap();
    assert_eq!(n(&near, &id).await, Some(1));
    assert_eq!(fake.take_reads(), 1);
    clock.advance(Duration::from_secs(61));
    n(&near, &id).await;
    assert_eq!(fake.take_reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn cache_size_is_bounded_and_too_large_records_are_not_kept() {
    let fake = Fake::default();
    fake.set(1);
    let options = NearOptions::default().memory(64 << 10);
    let near = NearStore::with(Arc::new(fake.clone()), &options);
    for _ in 0..2_000 {
        near.get(&SessionId::random()).await.unwrap();
    }
    let NearStats {
        bytes, sessions, ..
    } = near.stats();
    assert!(bytes <= 64 << 10, "{bytes}");
    assert!(sessions >= 64, "{sessions}");
    let large = format!(r#"{{"cookie":{{}},"a":"{}"}}"#, "a".repeat(100_000));
    fake.0.stored.lock().unwrap().as_mut().unwrap().text = large.into();
    let id = SessionId::random();
    fake.take_reads();
    for _ in 0..2 {
        near.get(&id).await.unwrap();
    }
    assert_eq!(fake.take_reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bound_of_zero_caches_nothing() {
    let fake = Fake::default();
    fake.set(1);
    let options = NearOptions::default().staleness(Duration::ZERO);
    let (near, id) = (
        NearStore::with(Arc::new(fake.clone()), &options),
        SessionId::random(),
    );
    for _ in 0..3 {
        near.get(&id).await.unwrap();
    }
    assert_eq!(fake.take_reads(), 3);
}

#[test]
fn debug_output_reveals_no_session() {
    let near = NearStore::new(Fake::default());
    assert_eq!(format!("{near:?}"), "NearStore { staleness: 1s, .. }");
}
