//! Writes whose caller is dropped before their statement is sent.

use std::time::Duration;

use testbed::{Postgres, Proxy};
use tokio::time::timeout;

use super::super::PostgresStore;
use super::{entry, eventually, options, stored, unique};
use crate::id::SessionId;
use crate::store::Store as _;

/// V8: a connection prepares a statement at its first use, in a round trip of its own.
#[tokio::test(flavor = "multi_thread")]
async fn v8_a_write_is_finished_that_was_preparing_its_statement() {
    let proxy = Proxy::to(Postgres::shared().port());
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
    let options = options(&unique("completion")).pool_size(1);
    let store = PostgresStore::connect_options(&url, options).await.unwrap();
    let (id, patience) = (SessionId::random(), Duration::from_millis(100));
    proxy.freeze(true);
    let creating = timeout(patience, store.create(&id, &entry(""))).await;
    assert!(creating.is_err());
    proxy.freeze(false);
    eventually("the session was lost", async || {
        store.get(&id).await.unwrap().is_some()
    })
    .await;
    let id = stored(&store, "").await;
    proxy.freeze(true);
    assert!(timeout(patience, store.destroy(&id)).await.is_err());
    proxy.freeze(false);
    eventually("the logout was lost", async || {
        store.get(&id).await.unwrap().is_none()
    })
    .await;
}

/// V8: a logout everywhere takes several statements.
#[tokio::test(flavor = "multi_thread")]
async fn v8_a_logout_everywhere_is_finished() {
    let proxy = Proxy::to(Postgres::shared().port());
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
    let options = options(&unique("everywhere")).pool_size(1);
    let store = PostgresStore::connect_options(&url, options).await.unwrap();
    for _ in 0..3 {
        stored(&store, r#","userId":"ada""#).await;
    }
    proxy.freeze(true);
    let patience = Duration::from_millis(100);
    let ending = timeout(patience, store.destroy_by_user("ada", None)).await;
    assert!(ending.is_err());
    proxy.freeze(false);
    eventually("the logout was lost", async || {
        store.count().await.unwrap() == 0
    })
    .await;
}
