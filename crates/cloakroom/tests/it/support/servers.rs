//! Every store, on a real server where it has one.

use std::sync::Arc;

use cloakroom::store::{AnyStore, Store};
use testbed::{Mongo, Postgres, Redis, RedisCluster};

/// All stores, as [`url`] calls them.
pub(crate) const STORES: [&str; 7] = [
    "memory", "sqlite", "redis", "valkey", "cluster", "postgres", "mongodb",
];

/// The URLs of all stores; servers are shared, sessions and users are not.
pub(crate) fn url(store: &str) -> String {
    match store {
        "memory" => "memory:".to_owned(),
        "sqlite" => {
            let file = testbed::directory().leave().join("sessions.db");
            format!("sqlite:{}", file.display())
        }
        "redis" => Redis::shared().url(),
        "valkey" => Redis::shared_valkey().url(),
        "cluster" => RedisCluster::shared().url(),
        "postgres" => Postgres::shared().url(),
        "mongodb" => Mongo::shared().url("sessions"),
        other => panic!("no store {other}"),
    }
}

/// Returns the store that a URL of [`url`] names; another server's is named by its scheme.
pub(crate) fn kind(url: &str) -> &str {
    if url == Redis::shared_valkey().url() {
        return "valkey";
    }
    url.split(':').next().unwrap_or_default()
}

pub(crate) async fn connect(url: &str) -> Arc<dyn Store> {
    AnyStore::connect(url)
        .await
        .expect("the server is up")
        .into()
}

/// Makes each function a test of each store; it takes the store's URL.
macro_rules! on_every_store {
    ($($test:ident)*) => {
        $crate::support::servers::on_one_store!(memory: $($test)*);
        $crate::support::servers::on_every_shared_store!($($test)*);
    };
}

/// Defines a test for each store that several processes can share.
macro_rules! on_every_shared_store {
    ($($test:ident)*) => {
        $crate::support::servers::on_one_store!(sqlite: $($test)*);
        $crate::support::servers::on_one_store!(redis: $($test)*);
        $crate::support::servers::on_one_store!(valkey: $($test)*);
        $crate::support::servers::on_one_store!(cluster: $($test)*);
        $crate::support::servers::on_one_store!(postgres: $($test)*);
        $crate::support::servers::on_one_store!(mongodb: $($test)*);
    };
}

macro_rules! on_one_store {
    ($store:ident: $($test:ident)*) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    super::$test(&$crate::support::servers::url(stringify!($store))).await;
                }
            )*
        }
    };
}

pub(crate) use {on_every_shared_store, on_every_store, on_one_store};
