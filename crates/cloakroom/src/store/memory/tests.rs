use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::shard::spread;
use super::{MemoryLimit, MemoryStore};
use crate::clock::{ManualClock, SkewedClock, Timestamp};
use crate::id::SessionId;
use crate::store::conformance::{self, Subject};
use crate::store::{NewRecord, Store as _};

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(1_767_323_045_678))
}

fn subject() -> Subject {
    let clock = clock();
    Subject::with_clock(
        MemoryStore::with(MemoryLimit::default(), clock.clone()),
        clock,
    )
}

conformance::suite!(subject());

#[tokio::test]
#[should_panic(expected = "back by 540s")]
async fn r5_control_store_whose_touches_shorten_lives_is_caught() {
    let (clock, limit) = (clock(), MemoryLimit::default());
    let store = MemoryStore::with(limit, clock.clone());
    let spoiled = conformance::TouchesBack::new(Arc::new(store));
    conformance::a_touch_never_moves_an_expiry_back(&Subject::with_clock(spoiled, clock)).await;
}

#[tokio::test]
async fn r5_jumping_wall_clock_neither_ends_nor_prolongs_sessions() {
    let wall = SkewedClock::new();
    let store = MemoryStore::with(MemoryLimit::default(), wall.clone());
    let entry = NewRecord {
        text: "{\"cookie\":{}}".into(),
        expires: wall.now().after(Duration::from_mins(30)),
        users: Vec::new(),
    };
    let id = SessionId::random();
    store.create(&id, &entry).await.unwrap();
    for fast_by in [86_400_000, -86_400_000, 3_600_000, -3_600_000, 0] {
        wall.set(fast_by);
        assert_eq!(store.prune().await.unwrap(), 0);
        let expires = store.get(&id).await.unwrap().unwrap().expires;
        let left = expires.since(wall.now());
        let meant = Duration::from_mins(29)..=Duration::from_secs(30 * 60 + 2);
        assert!(meant.contains(&left), "{left:?}");
    }
}

fn entry(clock: &ManualClock, seconds: u64, user: Option<&str>) -> NewRecord {
    let expires = clock.now().after(Duration::from_secs(seconds));
    NewRecord {
        text: "{\"cookie\":{}}".into(),
        expires,
        users: user.map(str::to_owned).into_iter().collect(),
    }
}

async fn fill(store: &MemoryStore, entry: &NewRecord, count: usize) -> Vec<SessionId> {
    let ids: Vec<SessionId> = (0..count).map(|_| SessionId::random()).collect();
    for id in &ids {
        store.create(id, entry).await.unwrap();
    }
    ids
}

#[test]
fn hashes_within_a_shard_differ_in_their_upper_bits() {
    let store = MemoryStore::new().0;
    let hashes = (0..50_000).map(|n: u32| store.hash(&n.to_string()));
    let of_one = hashes.filter(|hash| store.shard_of(*hash) == 7);
    // The seven upper bits are what a table looks at first.
    let told: HashSet<u64> = of_one.map(|hash| spread(hash) >> 57).collect();
    assert!(told.len() > 64, "{}", told.len());
}

#[tokio::test]
async fn sessions_and_bytes_are_bounded() {
    let clock = clock();
    for limit in [
        MemoryLimit {
            sessions: 100,
            bytes: usize::MAX,
        },
        MemoryLimit {
            sessions: usize::MAX / 2048,
            bytes: 10_000,
        },
    ] {
        let store = MemoryStore::with(
            MemoryLimit {
                sessions: limit.sessions.min(1000),
                ..limit
            },
            clock.clone(),
        );
        fill(&store, &entry(&clock, 60, None), 1000).await;
        let count = store.count().await.unwrap();
        assert!(count <= limit.sessions as u64 && count >= 90, "{count}");
        assert!(store.bytes() <= limit.bytes);
    }
}

#[tokio::test]
async fn growing_records_stay_within_the_byte_limit() {
    let clock = clock();
    let limit = MemoryLimit {
        sessions: 1000,
        bytes: 10_000,
    };
    let store = MemoryStore::with(limit, clock.clone());
    let (small, user) = (entry(&clock, 60, Some("ada")), Some("ada".to_owned()));
    let large = NewRecord {
        text: format!("{{\"cookie\":{{}},\"a\":\"{}\"}}", "x".repeat(600)).into(),
        users: user.into_iter().collect(),
        ..small.clone()
    };
    for id in &fill(&store, &small, 40).await {
        store.update(id, &small.text, &large).await.unwrap();
        assert!(store.bytes() <= limit.bytes, "{}", store.bytes());
    }
    let (left, of_ada) = (
        store.count().await.unwrap(),
        store.list_by_user("ada").await,
    );
    assert!((10..=16).contains(&left), "{left}");
    assert_eq!(of_ada.unwrap().len() as u64, left);
}

#[tokio::test]
async fn anonymous_sessions_are_evicted_first() {
    let clock = clock();
    let store = MemoryStore::with(
        MemoryLimit {
            sessions: 100,
            bytes: usize::MAX,
        },
        clock.clone(),
    );
    let signed_in = fill(&store, &entry(&clock, 30, Some("ada")), 10).await;
    fill(&store, &entry(&clock, 60, None), 5000).await;
    let mut kept = 0;
    for id in &signed_in {
        kept += usize::from(store.get(id).await.unwrap().is_some());
    }
    assert!(kept >= 9, "of 10 signed in {kept} were kept");
}

#[tokio::test]
async fn memory_is_released_when_sessions_expire() {
    let clock = clock();
    let store = MemoryStore::with(MemoryLimit::default(), clock.clone());
    fill(&store, &entry(&clock, 60, Some("ada")), 10_000).await;
    assert!(store.bytes() > 400_000);
    clock.advance(Duration::from_secs(61));
    assert_eq!(store.prune().await.unwrap(), 10_000);
    assert_eq!(
        (
            store.bytes(),
            store.list_by_user("ada").await.unwrap().len()
        ),
        (0, 0)
    );
}
