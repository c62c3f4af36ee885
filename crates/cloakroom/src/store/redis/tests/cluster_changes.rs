//! A cluster and sentinels that change: nodes that hang, slots that move, users of few rights.

use std::time::{Duration, Instant};

use testbed::{Redis, RedisCluster, RedisOptions as Server, Sentinels};

use super::super::RedisStore;
use super::entry_of;
use crate::id::SessionId;
use crate::store::Store;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_with_a_frozen_node_is_connected_to() {
    let mut cluster = RedisCluster::start(1);
    let url = cluster.url();
    let store = RedisStore::connect(&url).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..30 {
        let (id, entry) = (SessionId::random(), entry_of(None));
        store.create(&id, &entry).await.unwrap();
        ids.push(id);
    }
    // The replicas have everything by then.
    tokio::time::sleep(Duration::from_secs(9)).await;
    cluster.nodes()[0].signal("STOP");
    let mut found = 0;
    for _ in 0..10 {
        found = found_in_time(&store, &ids).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let fresh = RedisStore::connect(&url).await;
    cluster.nodes()[0].signal("CONT");
    assert!(fresh.is_ok(), "one seed of six hangs");
    assert_eq!(found, 30, "its replica has taken over");
}

/// Returns the number of sessions that are found, each within the time of a request.
async fn found_in_time(store: &RedisStore, ids: &[SessionId]) -> usize {
    let mut tasks = tokio::task::JoinSet::new();
    for id in ids {
        let (store, id) = (store.clone(), id.clone());
        tasks.spawn(async move {
            let found = tokio::time::timeout(Duration::from_secs(2), store.get(&id)).await;
            matches!(found, Ok(Ok(Some(_))))
        });
    }
    let found = tasks.join_all().await;
    found.into_iter().filter(|found| *found).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_sentinel_is_passed_over() {
    let sentinels = Sentinels::start();
    sentinels.signal_sentinel(0, "STOP");
    let begin = Instant::now();
    let mut last = None;
    for _ in 0..4 {
        let found = RedisStore::connect(&sentinels.url()).await;
        last = Some(found.is_ok());
        if found.is_ok() {
            break;
        }
    }
    sentinels.signal_sentinel(0, "CONT");
    assert_eq!(last, Some(true), "after {:?}", begin.elapsed());
}

fn slot_of(node: &Redis, key: &str) -> String {
    node.command(&["CLUSTER", "KEYSLOT", key])
        .trim()
        .trim_start_matches(':')
        .to_owned()
}

async fn migrating(index_too: bool) {
    let mut cluster = RedisCluster::start(0);
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    let (id, entry) = (SessionId::random(), entry_of(Some("ada")));
    store.create(&id, &entry).await.unwrap();
    let other = SessionId::random();
    store.create(&other, &entry_of(Some("ada"))).await.unwrap();
    let key = if index_too {
        "user:ada:sessions".to_owned()
    } else {
        format!("sess:{}", id.expose())
    };
    let nodes = cluster.nodes();
    let slot = slot_of(&nodes[0], &key);
    let from = (0..3)
        .find(|&n| nodes[n].command(&["EXISTS", &key]) == ":1\r\n")
        .unwrap();
    let to = (from + 1) % 3;
    let name = |n: usize| {
        nodes[n]
            .command(&["CLUSTER", "MYID"])
            .lines()
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let (from_id, to_id) = (name(from), name(to));
    assert_eq!(
        nodes[to].command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]),
        "+OK\r\n"
    );
    assert_eq!(
        nodes[from].command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]),
        "+OK\r\n"
    );
    let port = nodes[to].port().to_string();
    assert_eq!(
        nodes[from].command(&["MIGRATE", "127.0.0.1", &port, &key, "0", "1000"]),
        "+OK\r\n"
    );
    let mut failed = Vec::new();
    let mut note = |what: &'static str, error: Option<crate::store::StoreError>| {
        if let Some(error) = error {
            failed.push((
                what,
                std::error::Error::source(&error).map(ToString::to_string),
            ));
        }
    };
    note("get", store.get(&id).await.err());
    note("touch", store.touch(&id, &entry.text, &entry).await.err());
    note("update", store.update(&id, &entry.text, &entry).await.err());
    note("of_user", store.list_by_user("ada").await.err());
    note(
        "create",
        store.create(&SessionId::random(), &entry).await.err(),
    );
    note("destroy", store.destroy(&id).await.err());
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_moves_to_another_node_is_found() {
    migrating(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_moves_to_another_node_is_found() {
    migrating(true).await;
}

/// The rights that the manual says a user needs.
#[rustfmt::skip]
const RIGHTS: [&str; 14] = [
    "ACL", "SETUSER", "app", "on", ">pw", "~sess:*", "~user:*", "~tomb:*", "+@read", "+@write", "+@scripting", "+@connection", "+cluster|slots", "+role",
];

#[tokio::test]
async fn the_rights_of_the_manual_are_enough_for_a_cluster() {
    let mut cluster = RedisCluster::start(0);
    for node in cluster.nodes() {
        node.command(&RIGHTS);
    }
    let url = cluster
        .url()
        .replace("redis+cluster://", "redis+cluster://app:pw@");
    let store = RedisStore::connect(&url).await;
    assert!(
        store.is_ok(),
        "{:?}",
        store
            .err()
            .map(|e| std::error::Error::source(&e).unwrap().to_string())
    );
    let store = store.unwrap();
    store
        .create(&SessionId::random(), &entry_of(Some("ada")))
        .await
        .unwrap();
    store.scan(None, 10).await.unwrap();
}

#[tokio::test]
async fn the_rights_of_the_manual_are_enough_behind_sentinels() {
    let mut sentinels = Sentinels::start();
    for node in sentinels.servers() {
        node.command(&RIGHTS);
    }
    let url = sentinels
        .url()
        .replace("redis+sentinel://", "redis+sentinel://app:pw@");
    let store = RedisStore::connect(&url).await;
    assert!(
        store.is_ok(),
        "{:?}",
        store
            .err()
            .map(|e| std::error::Error::source(&e).unwrap().to_string())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_to_a_new_node_is_found() {
    let mut cluster = RedisCluster::start(0);
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    let (id, entry) = (SessionId::random(), entry_of(None));
    store.create(&id, &entry).await.unwrap();
    let bus = testbed::free_port().to_string();
    let new = Redis::with(Server {
        arguments: [
            "--cluster-enabled",
            "yes",
            "--cluster-config-file",
            "nodes.conf",
            "--cluster-port",
            &bus,
        ]
        .map(str::to_owned)
        .into(),
        ..Server::default()
    });
    let nodes = cluster.nodes();
    let first = format!("127.0.0.1:{}", nodes[0].port());
    let added = std::process::Command::new("redis-cli")
        .args([
            "--cluster",
            "add-node",
            &format!("127.0.0.1:{}", new.port()),
            &first,
        ])
        .output()
        .unwrap();
    assert!(
        added.status.success(),
        "{}",
        String::from_utf8_lossy(&added.stdout)
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    let key = format!("sess:{}", id.expose());
    let slot = slot_of(&nodes[0], &key);
    let from = nodes
        .iter()
        .find(|n| n.command(&["EXISTS", &key]) == ":1\r\n")
        .unwrap();
    let name = |n: &Redis| {
        n.command(&["CLUSTER", "MYID"])
            .lines()
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        new.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &name(from)]),
        "+OK\r\n"
    );
    assert_eq!(
        from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &name(&new)]),
        "+OK\r\n"
    );
    assert_eq!(
        from.command(&[
            "MIGRATE",
            "127.0.0.1",
            &new.port().to_string(),
            &key,
            "0",
            "1000"
        ]),
        "+OK\r\n"
    );
    let got = store.get(&id).await;
    assert!(
        got.is_ok(),
        "{:?}",
        got.err()
            .map(|e| std::error::Error::source(&e).unwrap().to_string())
    );
}
