//! Four processes on PostgreSQL: the time for which three accept a session after its logout at the fourth.

use std::time::Duration;

use cloakroom::SessionId;
use cloakroom::store::Store as _;
use testbed::Postgres;

use super::peer::{Peer, micros, store};
use super::{BATCH, BOUND, Late, entry, near, rounds};

const PROCESSES: usize = 4;

async fn others_refuse(what: &str, url: &str) {
    let store = near(store(url).await);
    let mut peers: Vec<Peer> = (1..PROCESSES).map(|_| Peer::start(url, BOUND)).collect();
    let mut late = Late::default();
    for _ in 0..rounds().div_ceil(BATCH) {
        let mut ids = Vec::new();
        for _ in 0..BATCH {
            let id = SessionId::random();
            store.create(&id, &entry()).await.unwrap();
            ids.push(id);
        }
        for peer in &mut peers {
            peer.watch(&ids);
        }
        peers.iter_mut().for_each(Peer::watches);
        let mut ended = Vec::new();
        for id in &ids {
            assert!(store.destroy(id).await.unwrap());
            ended.push(micros());
            assert_eq!(store.get(id).await.unwrap(), None);
        }
        peers.iter_mut().for_each(Peer::are_over);
        for peer in &mut peers {
            for (seen, ended) in peer.saw().into_iter().zip(&ended) {
                let micros = seen.accepted.saturating_sub(*ended);
                late.0.push(Duration::from_micros(micros));
            }
        }
    }
    late.are_within_the_bound(&format!("{what}, {PROCESSES} processes"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_that_notifies() {
    let url = Postgres::shared().create_database("near_fleet");
    others_refuse("PostgreSQL", &url).await;
}
