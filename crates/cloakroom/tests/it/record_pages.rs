//! Pages of whole records: the round trips that one takes, however many records it has.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom::store::{AnyStore, NewRecord, PutIf, PutOutcome, Store, StoreOptions};
use cloakroom::{SessionId, Timestamp};
use testbed::{Mongo, Postgres, Proxy, Redis, RedisCluster, Server};

/// The sessions in the store: on a server of its own, so that a page has only these.
const SESSIONS: usize = 90;

fn entry(n: usize) -> NewRecord {
    NewRecord {
        text: format!(r#"{{"cookie":{{"path":"/"}},"n":{n}}}"#).into(),
        expires: Timestamp::from(SystemTime::now()).after(Duration::from_mins(10)),
        users: Vec::new(),
    }
}

async fn fill(store: &dyn Store) {
    for n in 0..SESSIONS {
        let (id, entry) = (SessionId::random(), entry(n));
        let putting = store.put(&id, &entry, &PutIf::Absent);
        assert_eq!(putting.await.unwrap(), PutOutcome::Stored);
    }
}

/// Returns the records of one page, and the round trips that it took, over all of the proxies.
async fn page(store: &dyn Store, limit: usize, proxies: &[Proxy]) -> (usize, u64) {
    proxies.iter().map(Proxy::take_trips).sum::<u64>();
    let page = store.scan_records(None, limit).await.unwrap();
    assert!(page.records.iter().all(|(_, read)| read.is_ok()));
    let trips = proxies.iter().map(Proxy::take_trips).sum();
    (page.records.len(), trips)
}

/// Scans and reads one after the other, as without pages of records: the control.
async fn one_by_one(store: &dyn Store, proxies: &[Proxy]) -> u64 {
    proxies.iter().map(Proxy::take_trips).sum::<u64>();
    for id in store.scan(None, 1000).await.unwrap().ids {
        store.get(&id).await.unwrap();
    }
    proxies.iter().map(Proxy::take_trips).sum()
}

/// A driver asks from time to time if its server lives: one trip more.
const MOST: u64 = 4;

async fn takes_few(url: &str, proxies: &[Proxy], options: &StoreOptions) {
    let any = AnyStore::connect_with(url, options).await.unwrap();
    let store: Arc<dyn Store> = any.into();
    fill(&*store).await;
    // Statements that are prepared at their first use are prepared now.
    page(&*store, 1000, proxies).await;
    let (many, trips) = page(&*store, 1000, proxies).await;
    assert!(many > 20, "a page of {many} shows nothing");
    assert!(trips > 0, "a count that counts nothing shows nothing");
    assert!(trips <= MOST, "{trips} round trips for a page of {many}");
    let control = one_by_one(&*store, proxies).await;
    assert!(
        control >= 20,
        "one by one they take {control}: the count counts"
    );
}

async fn behind_a_proxy(server: &dyn Server, options: &StoreOptions) {
    let proxy = Proxy::to(server.port());
    let url = server.url().replace(
        &format!(":{}", server.port()),
        &format!(":{}", proxy.port()),
    );
    takes_few(&url, &[proxy], options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_redis_take_few_round_trips() {
    behind_a_proxy(&Redis::start(), &StoreOptions::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_redis_in_a_mixed_fleet_take_few_round_trips() {
    behind_a_proxy(&Redis::start(), &StoreOptions::new().mixed_fleet(true)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_cluster_take_few_round_trips() {
    let cluster = RedisCluster::start(0);
    let proxies = cluster.behind_proxies();
    let hosts: Vec<String> = proxies
        .iter()
        .map(|proxy| format!("127.0.0.1:{}", proxy.port()))
        .collect();
    let url = format!("redis+cluster://{}", hosts.join(","));
    for mixed in [false, true] {
        let options = StoreOptions::new()
            .mixed_fleet(mixed)
            .prefix(format!("{mixed}:"));
        takes_few(&url, &proxies, &options).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_postgres_take_few_round_trips() {
    behind_a_proxy(&Postgres::start(&[]), &StoreOptions::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_mongodb_take_few_round_trips() {
    behind_a_proxy(&Mongo::start(), &StoreOptions::new()).await;
}
