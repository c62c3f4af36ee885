//! Writes whose caller is dropped, and connections whose runtime ends.

use std::time::Duration;

use testbed::{Proxy, Redis, RedisCluster};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

use super::super::RedisStore;
use super::{entry_of, options};
use crate::id::SessionId;
use crate::store::{CasOutcome, RetiredId, Store};

/// Reads until a session is in the expected state.
async fn eventually(store: &RedisStore, id: &SessionId, is_there: bool) -> bool {
    for _ in 0..100 {
        if store.get(id).await.unwrap().is_some() == is_there {
            return true;
        }
        sleep(Duration::from_millis(20)).await;
    }
    false
}

/// V8: the client disconnects after `EVALSHA` was sent to a server that does not know the script.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v8_a_write_ends_well_on_a_server_that_has_not_loaded_its_script() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    for mixed_fleet in [false, true] {
        let options = options().mixed_fleet(mixed_fleet);
        let store = RedisStore::connect_options(&url, options).await.unwrap();
        let patience = Duration::from_millis(100);
        let (id, new, entry) = (SessionId::random(), SessionId::random(), entry_of(None));
        redis.command(&["SCRIPT", "FLUSH"]);

        proxy.freeze(true);
        assert!(timeout(patience, store.create(&id, &entry)).await.is_err());
        proxy.freeze(false);
        assert!(eventually(&store, &id, true).await, "the session was lost");

        redis.command(&["SCRIPT", "FLUSH"]);
        proxy.freeze(true);
        let replacing = store.replace(&id, Some(&entry.text), &new, &entry, &RetiredId::Closed);
        assert!(timeout(patience, replacing).await.is_err());
        proxy.freeze(false);
        assert!(eventually(&store, &new, true).await, "the login was lost");
        assert!(eventually(&store, &id, false).await, "the old id is left");

        redis.command(&["SCRIPT", "FLUSH"]);
        proxy.freeze(true);
        assert!(timeout(patience, store.destroy(&new)).await.is_err());
        proxy.freeze(false);
        assert!(eventually(&store, &new, false).await, "the logout was lost");
    }
}

/// V8: the client disconnects while the store connects again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v8_a_logout_is_finished_that_waits_for_a_connection() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let store = RedisStore::connect_options(&url, options()).await.unwrap();
    let (id, entry) = (SessionId::random(), entry_of(None));
    store.create(&id, &entry).await.unwrap();
    proxy.cut(true);
    sleep(Duration::from_millis(100)).await;
    proxy.cut(false);
    proxy.freeze(true);
    let leaving = timeout(Duration::from_millis(100), store.destroy(&id)).await;
    assert!(leaving.is_err());
    proxy.freeze(false);
    assert!(eventually(&store, &id, false).await, "the logout was lost");
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

/// X14: each test of a program has a runtime of its own, and all share a store.
fn a_write_works_whichever_runtime_opened_the_connection(url: &str) {
    let first = runtime();
    let store = RedisStore::connect_options(url, options());
    let store = first.block_on(store).unwrap();
    drop(first);
    let (id, mut entry) = (SessionId::random(), entry_of(None));
    for turn in 0..6 {
        let next = entry_of(Some(["ada", "grace"][turn % 2]));
        let outcome = runtime().block_on(async {
            if turn == 0 {
                store.create(&id, &entry).await?;
            }
            store.update(&id, &entry.text, &next).await
        });
        assert_eq!(outcome.ok(), Some(CasOutcome::Stored), "turn {turn}");
        entry = next;
    }
}

#[test]
fn x14_a_write_works_when_the_runtime_is_gone_that_connected() {
    a_write_works_whichever_runtime_opened_the_connection(&Redis::shared().url());
}

#[test]
fn x14_a_write_to_a_cluster_works_when_the_runtime_is_gone_that_connected() {
    a_write_works_whichever_runtime_opened_the_connection(&RedisCluster::shared().url());
}
