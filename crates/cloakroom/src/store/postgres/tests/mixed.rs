//! Sessions that Express resurrects.

use super::super::{PostgresStore, UserKeys};
use super::{entry, eventually, open, options, raw, stored, unique, until_blocked};
use crate::id::SessionId;
use crate::store::{CasOutcome, RetiredId, Store as _, StoreErrorKind};

fn upsert(table: &str) -> String {
    format!(
        r#"INSERT INTO "{table}" (sess, expire, sid)
           SELECT $1::text::json, now() + interval '1 hour', $2
           ON CONFLICT (sid) DO UPDATE SET sess = $1::text::json RETURNING sid"#
    )
}

async fn mixed(what: &str) -> (String, PostgresStore) {
    let table = unique(what);
    let store = open(options(&table).mixed_fleet(true)).await;
    (table, store)
}

async fn shield(table: &str, store: &PostgresStore) {
    let options = options(table).mixed_fleet(true);
    for ddl in PostgresStore::ddl(&options, &UserKeys::default()) {
        if ddl.name == "shield" {
            store.apply(&ddl).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_express_brings_back_is_refused() {
    let (table, store) = mixed("refused").await;
    let raw = raw().await;
    let text = r#","userId":"ada""#;
    let replaced = SessionId::random();
    let [destroyed, left, ended] = [
        stored(&store, text).await,
        stored(&store, text).await,
        stored(&store, text).await,
    ];
    assert!(store.destroy(&destroyed).await.unwrap());
    let saved = store
        .replace(&left, None, &replaced, &entry(""), &RetiredId::Closed)
        .await;
    assert_eq!(saved.unwrap(), CasOutcome::Stored);
    assert_eq!(store.destroy_by_user("ada", None).await.unwrap(), 1);
    let record = entry(text);
    for id in [&destroyed, &left, &ended] {
        let taken = store.create(id, &record).await.unwrap_err();
        assert_eq!(taken.kind(), StoreErrorKind::IdTaken);
        let taken = store
            .replace(&replaced, None, id, &record, &RetiredId::Closed)
            .await;
        assert_eq!(taken.unwrap_err().kind(), StoreErrorKind::IdTaken);
        assert!(store.get(&replaced).await.unwrap().is_some());
    }
    for id in [&destroyed, &left, &ended] {
        let back = raw
            .query(&upsert(&table), &[&&*record.text, &id.expose()])
            .await;
        assert_eq!(back.unwrap().len(), 1);
        assert_eq!(store.get(id).await.unwrap(), None);
        assert!(!store.touch(id, &record.text, &record).await.unwrap());
        let gone = store.update(id, &record.text, &record).await.unwrap();
        assert_eq!(gone, CasOutcome::NotFound);
        let gone = store
            .replace(
                id,
                Some(&record.text),
                &SessionId::random(),
                &record,
                &RetiredId::Closed,
            )
            .await;
        assert_eq!(gone.unwrap(), CasOutcome::NotFound);
        let taken = store.create(id, &record).await.unwrap_err();
        assert_eq!(taken.kind(), StoreErrorKind::IdTaken);
        let taken = store
            .replace(&replaced, None, id, &record, &RetiredId::Closed)
            .await;
        assert_eq!(taken.unwrap_err().kind(), StoreErrorKind::IdTaken);
        assert!(store.get(&replaced).await.unwrap().is_some());
    }
    assert!(store.list_by_user("ada").await.unwrap().is_empty());
    assert_eq!(store.destroy_by_user("ada", None).await.unwrap(), 0);
    assert_eq!(store.count().await.unwrap(), 1);
    assert_eq!(
        store.scan(None, 10).await.unwrap().ids,
        std::slice::from_ref(&replaced)
    );
    assert!(!store.destroy(&destroyed).await.unwrap());
    assert_eq!(store.get(&destroyed).await.unwrap(), None);
}

#[tokio::test]
async fn tombstone_is_pruned_with_the_row_written_under_it() {
    let (table, store) = mixed("marks").await;
    let raw = raw().await;
    let (old, recent) = (stored(&store, "").await, stored(&store, "").await);
    for id in [&old, &recent] {
        store.destroy(id).await.unwrap();
        let back = raw.query(&upsert(&table), &[&"{}", &id.expose()]).await;
        assert_eq!(back.unwrap().len(), 1);
    }
    let past =
        format!(r#"UPDATE "{table}_tomb" SET until = now() - interval '5 s' WHERE sid = $1"#);
    assert_eq!(raw.execute(&past, &[&old.expose()]).await.unwrap(), 1);
    assert_eq!(store.get(&old).await.unwrap(), None);
    store.prune().await.unwrap();
    assert_eq!(store.get(&old).await.unwrap(), None);
    assert_eq!(store.get(&recent).await.unwrap(), None);
    let left = raw
        .query(&format!(r#"SELECT sid FROM "{table}_tomb""#), &[])
        .await
        .unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].get::<_, &str>(0), recent.expose());
    store.create(&old, &entry("")).await.unwrap();
}

#[tokio::test]
async fn shield_keeps_express_from_resurrecting_a_session() {
    let (table, store) = mixed("shield").await;
    let raw = raw().await;
    shield(&table, &store).await;
    let (destroyed, live) = (stored(&store, "").await, stored(&store, "").await);
    store.destroy(&destroyed).await.unwrap();
    let count = format!(r#"SELECT sid FROM "{table}""#);
    for (id, written) in [(&destroyed, 0), (&live, 1)] {
        let rows = raw.query(&upsert(&table), &[&"{}", &id.expose()]).await;
        assert_eq!(rows.unwrap().len(), written);
    }
    assert_eq!(raw.query(&count, &[]).await.unwrap().len(), 1);
    let taken = store.create(&destroyed, &entry("")).await.unwrap_err();
    assert_eq!(taken.kind(), StoreErrorKind::IdTaken);
}

#[tokio::test]
async fn the_shield_holds_for_an_upsert_that_waited() {
    let (table, store) = mixed("waited").await;
    let (mut destroying, watching, node) = (raw().await, raw().await, raw().await);
    shield(&table, &store).await;
    let id = stored(&store, "").await;
    let destroy = destroying.transaction().await.unwrap();
    let rows = destroy
        .query(&store.0.sql.destroy, &[&id.expose(), &store.0.now()])
        .await;
    assert_eq!(rows.unwrap().len(), 1);
    let (sql, sid) = (upsert(&table), id.clone());
    let upserting =
        tokio::spawn(async move { node.query(&sql, &[&"{}", &sid.expose()]).await.unwrap() });
    until_blocked(&watching, &table).await;
    destroy.commit().await.unwrap();
    upserting.await.unwrap();
    let left = watching
        .query(&format!(r#"SELECT FROM "{table}""#), &[])
        .await;
    assert!(left.unwrap().is_empty());
}

#[tokio::test]
async fn listeners_are_notified_of_hashes() {
    let (table, store) = mixed("notify").await;
    let all = PostgresStore::ddl(&options(&table), &UserKeys::default());
    let notify = all.iter().find(|ddl| ddl.name == "notify").unwrap();
    store.apply(notify).await.unwrap();
    store.apply(notify).await.unwrap();
    let (client, mut connection) =
        tokio_postgres::connect(&testbed::Postgres::shared().url(), tokio_postgres::NoTls)
            .await
            .unwrap();
    let (send, mut heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) =
            std::future::poll_fn(|context| connection.poll_message(context)).await
        {
            if let tokio_postgres::AsyncMessage::Notification(note) = message {
                let _ = send.send(note.payload().to_owned());
            }
        }
    });
    client.batch_execute("LISTEN cloakroom").await.unwrap();
    let id = stored(&store, "").await;
    let hash = client
        .query_one(
            "SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')",
            &[&id.expose()],
        )
        .await
        .unwrap();
    let hash: &str = hash.get(0);
    let record = entry("");
    store.touch(&id, &record.text, &record).await.unwrap();
    store.destroy(&id).await.unwrap();
    let mut told = 0;
    eventually("two notes, none of a touch", async || {
        while let Ok(payload) = heard.try_recv() {
            told += usize::from(payload == hash);
        }
        told == 2
    })
    .await;
}
