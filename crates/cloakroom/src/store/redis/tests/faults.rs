//! Connections that hang or end, and callers with short time-outs.

use std::time::Duration;

use testbed::{Proxy, Redis};

use super::super::RedisStore;
use super::{entry_of, options};
use crate::id::SessionId;
use crate::store::{NewRecord, Store, StoreErrorKind};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_with_short_timeouts_get_a_new_connection_too() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let store =
        RedisStore::connect_options(&format!("redis://127.0.0.1:{}", proxy.port()), options())
            .await
            .unwrap();
    let (id, entry) = (SessionId::random(), entry_of(None));
    store.create(&id, &entry).await.unwrap();
    proxy.lose_answers(true);
    for _ in 0..20 {
        let _ = tokio::time::timeout(Duration::from_millis(200), store.get(&id)).await;
    }
    proxy.lose_answers(false);
    let mut last = None;
    for _ in 0..200 {
        last = tokio::time::timeout(Duration::from_millis(200), store.get(&id))
            .await
            .ok();
        if last.is_some() {
            break;
        }
    }
    assert!(last.is_some(), "the dead connection is never given up");
}

fn manager(store: impl Store) -> crate::Manager {
    let keys = crate::KeyRing::new("the secret of these tests, long enough").unwrap();
    let policy = crate::Policy::builder(keys)
        .secure(crate::Secure::Never)
        .store_timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    crate::Manager::new(policy, store)
}

fn cookie_of(id: &SessionId) -> String {
    let keys = crate::KeyRing::new("the secret of these tests, long enough").unwrap();
    let signed = crate::cookie::sign(id.expose(), &keys);
    format!(
        "connect.sid=s%3A{}",
        signed
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D")
    )
}

#[tokio::test]
async fn unreadable_record_costs_its_visitor_a_session_not_a_permanent_503() {
    let redis = Redis::start();
    let manager = manager(RedisStore::connect(&redis.url()).await.unwrap());
    let id = SessionId::random();
    let cookie = cookie_of(&id);
    redis.command(&["LPUSH", &format!("sess:{}", id.expose()), "a"]);
    let opened = manager
        .open([cookie.as_bytes()], crate::policy::RequestInfo::default())
        .await;
    assert!(opened.is_ok(), "{:?}", opened.err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn save_queued_behind_another_times_out_too() {
    use crate::store::conformance::FaultInjectingStore;
    let faulty =
        FaultInjectingStore::new(std::sync::Arc::new(crate::store::memory::MemoryStore::new()));
    let manager = manager(faulty.clone());
    let (id, entry) = (SessionId::random(), entry_of(None));
    faulty.create(&id, &entry).await.unwrap();
    let cookie = cookie_of(&id);
    let open = || manager.open([cookie.as_bytes()], crate::policy::RequestInfo::default());
    let (one, two) = (open().await.unwrap(), open().await.unwrap());
    one.insert("a", 1).unwrap();
    two.insert("b", 1).unwrap();
    faulty.hang();
    let first = tokio::spawn(async move { one.save().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let pace = testbed::pace();
    assert!(two.save().await.is_err());
    assert!(pace.is_within(Duration::from_millis(600)), "500 ms: {pace}");
    let _ = first.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circuit_breaker_opens_when_all_callers_disconnect() {
    use crate::store::conformance::FaultInjectingStore;
    let faulty =
        FaultInjectingStore::new(std::sync::Arc::new(crate::store::memory::MemoryStore::new()));
    let manager = manager(faulty.clone());
    let cookie = cookie_of(&SessionId::random());
    faulty.hang();
    for _ in 0..12 {
        let open = manager.open([cookie.as_bytes()], crate::policy::RequestInfo::default());
        let _ = tokio::time::timeout(Duration::from_millis(300), open).await;
    }
    // Most are rejected at once; now and then one is let through as a probe, and waits.
    let mut refused = 0;
    for _ in 0..50 {
        let open = manager.open([cookie.as_bytes()], crate::policy::RequestInfo::default());
        let opened = tokio::time::timeout(Duration::from_millis(300), open).await;
        refused += usize::from(opened.is_ok());
    }
    assert!(
        refused > 25,
        "every request still waits until its client disconnects: {refused} do not"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_waiting_for_a_connection_share_its_result() {
    let mut redis = Redis::start();
    let store = RedisStore::connect_options(
        &redis.url(),
        options().connect_timeout(Duration::from_millis(500)),
    )
    .await
    .unwrap();
    let port = redis.port();
    redis.process().kill();
    tokio::time::sleep(Duration::from_millis(100)).await;
    // Accepts connections and never answers, like a host that went silent.
    let _mute = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let pace = testbed::pace();
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.get(&SessionId::random()).await.is_err() })
        })
        .collect();
    for t in tasks {
        assert!(t.await.unwrap());
    }
    // Sequentially it would be five seconds.
    assert!(pace.is_within(Duration::from_millis(1200)), "{pace}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_connection_ends_before_its_answer_is_not_sent_again() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let store =
        RedisStore::connect_options(&format!("redis://127.0.0.1:{}", proxy.port()), options())
            .await
            .unwrap();
    let (id, entry) = (SessionId::random(), entry_of(None));
    let next = NewRecord {
        users: Vec::new(),
        ..entry_of(Some("ada"))
    };
    store.create(&id, &entry).await.unwrap();
    // The server knows the script from here on.
    store.update(&id, &entry.text, &entry).await.unwrap();
    proxy.lose_answers(true);
    let writing = tokio::spawn({
        let (store, id, read, next) = (store.clone(), id.clone(), entry.text.clone(), next.clone());
        async move { store.update(&id, &read, &next).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    proxy.cut(true);
    tokio::time::sleep(Duration::from_millis(100)).await;
    proxy.cut(false);
    proxy.lose_answers(false);
    let error = writing.await.unwrap().expect_err("sent again");
    assert_eq!(error.kind(), StoreErrorKind::Unknown);
    assert_eq!(store.get(&id).await.unwrap().unwrap().text, next.text);
}
