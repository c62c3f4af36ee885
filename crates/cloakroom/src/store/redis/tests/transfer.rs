//! Pages of records that other programs have written, of sessions that are over, and of slots that move.

use testbed::{Redis, RedisCluster};

use super::super::{RedisOptions, RedisStore};
use super::entry_of;
use crate::id::SessionId;
use crate::store::{ENDLESS, PutIf, PutOutcome, RecordPage, Store, StoreErrorKind};

async fn all(store: &RedisStore) -> RecordPage {
    let (mut all, mut cursor) = (RecordPage::default(), None::<String>);
    loop {
        let page = store.scan_records(cursor.as_deref(), 10).await.unwrap();
        all.records.extend(page.records);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn an_unreadable_record_has_its_reason_in_a_page() {
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    let (good, bad) = (SessionId::random(), SessionId::random());
    store.create(&good, &entry_of(None)).await.unwrap();
    let key = format!("sess:{}", bad.expose());
    redis.command(&["SET", &key, "x", "EX", "60"]);
    let code = "return redis.call('SETRANGE', KEYS[1], 0, '\\255')";
    redis.command(&["EVAL", code, "1", &key]);
    redis.command(&["HSET", "sess:a-hash", "a", "b"]);
    let page = all(&store).await;
    assert_eq!(page.records.len(), 2);
    for (id, read) in page.records {
        match read {
            Ok(stored) => assert!(id == good && stored.text == entry_of(None).text),
            Err(error) => assert!(id == bad && error.kind() == StoreErrorKind::Corrupt),
        }
    }
}

#[tokio::test]
async fn a_record_without_end_is_endless_in_a_page_and_after_a_put() {
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    let (id, mut entry) = (SessionId::random(), entry_of(Some("ada")));
    redis.command(&["SET", &format!("sess:{}", id.expose()), &entry.text]);
    let page = all(&store).await;
    let read = page.records[0].1.as_ref().unwrap();
    assert!(read.expires >= ENDLESS);
    let copy = SessionId::random();
    entry.expires = read.expires;
    let put = store.put(&copy, &entry, &PutIf::Absent).await.unwrap();
    assert_eq!(put, PutOutcome::Stored);
    let key = format!("sess:{}", copy.expose());
    assert_eq!(redis.command(&["TTL", &key]), ":-1\r\n");
    assert_eq!(store.list_by_user("ada").await.unwrap(), [copy]);
}

/// A listing is read-only: a session that Express resurrected is left out, and left alone.
#[tokio::test]
async fn what_express_brings_back_is_in_no_page_and_not_put() {
    let redis = Redis::start();
    let mut cluster = RedisCluster::start(0);
    for is_cluster in [false, true] {
        let url = if is_cluster {
            cluster.url()
        } else {
            redis.url()
        };
        let options = RedisOptions::default().mixed_fleet(true);
        let store = RedisStore::connect_options(&url, options).await.unwrap();
        let (id, entry) = (SessionId::random(), entry_of(None));
        store.create(&id, &entry).await.unwrap();
        assert_eq!(all(&store).await.records.len(), 1);
        assert!(store.destroy(&id).await.unwrap());
        let key = format!("sess:{}", id.expose());
        let servers: Vec<&Redis> = match is_cluster {
            true => cluster.nodes().iter().collect(),
            false => vec![&redis],
        };
        let set = |server: &&Redis| server.command(&["SET", &key, &entry.text, "EX", "60"]);
        let written = servers.iter().map(set).filter(|said| said == "+OK\r\n");
        assert!(written.count() > 0);
        assert_eq!(all(&store).await.records.len(), 0);
        let exists = |server: &&&Redis| server.command(&["EXISTS", &key]) == ":1\r\n";
        assert!(servers.iter().any(|server| exists(&server)));
        let put = store.put(&id, &entry, &PutIf::Absent).await.unwrap();
        assert_eq!(put, PutOutcome::Retired);
        let over = PutIf::Text(entry.text.clone());
        let put = store.put(&id, &entry, &over).await.unwrap();
        assert_eq!(put, PutOutcome::NotFound);
    }
}

/// A node that has moved one of its keys away answers no pipeline as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_slot_that_moves_has_its_records() {
    let mut cluster = RedisCluster::start(0);
    let options = RedisOptions::default().prefix("{one}:");
    let store = RedisStore::connect_options(&cluster.url(), options).await;
    let store = store.unwrap();
    for _ in 0..8 {
        let id = SessionId::random();
        store.create(&id, &entry_of(None)).await.unwrap();
    }
    let (node, page) = store.0.scan_keys(None, 1000).await.unwrap();
    let (mut at, mut ids) = (node.unwrap(), page.ids);
    let mut cursor = page.next;
    while ids.len() < 8 {
        let (node, page) = store.0.scan_keys(cursor.as_deref(), 1000).await.unwrap();
        (at, ids, cursor) = (node.unwrap(), page.ids, page.next);
    }
    let nodes = cluster.nodes();
    let from = nodes.iter().position(|node| node.port() == at.port);
    let from = from.unwrap();
    let to = (from + 1) % 3;
    let id_of = |n: usize| {
        let said = nodes[n].command(&["CLUSTER", "MYID"]);
        said.lines().nth(1).unwrap().to_owned()
    };
    let slot = nodes[0].command(&["CLUSTER", "KEYSLOT", "{one}:"]);
    let slot = slot.trim().trim_start_matches(':').to_owned();
    let (from_id, to_id) = (id_of(from), id_of(to));
    nodes[to].command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    nodes[from].command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    let port = nodes[to].port().to_string();
    let key = format!("{{one}}:{}", ids[3].expose());
    let moved = nodes[from].command(&["MIGRATE", "127.0.0.1", &port, &key, "0", "1000"]);
    assert_eq!(moved, "+OK\r\n");
    let records = store.0.records_at(at, ids).await.unwrap();
    assert_eq!(records.len(), 8);
    assert!(records.iter().all(|(_, read)| read.is_ok()));
}
