//! V2: the table of retired ids.

use std::time::Duration;

use testbed::Postgres;

use super::super::{PostgresStore, UserKeys};
use super::{entry, open, options, raw, raw_to, reason, stored, unique};
use crate::clock::{ManualClock, Timestamp};
use crate::id::SessionId;
use crate::store::{CasOutcome, RETIRED_FOR, RetiredId, Store as _};

/// Returns the number of rows of `table` that meet a condition.
async fn rows(table: &str, condition: &str) -> i64 {
    let count = format!("SELECT count(*) FROM \"{table}\" WHERE {condition}");
    raw().await.query_one(&count, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn v2_a_retired_id_has_a_row_for_a_minute_and_none_among_sessions() {
    let (table, clock) = (
        unique("retired"),
        ManualClock::at(Timestamp::from_millis(4_102_444_800_001)),
    );
    let store = open(options(&table).clock(clock.clone())).await;
    let mut record = entry("");
    record.expires = clock.now().after(Duration::from_hours(1));
    let (old, new) = (SessionId::random(), SessionId::random());
    store.create(&old, &record).await.unwrap();
    let renewed = RetiredId::Renewed("it's a successor".to_owned());
    let replacing = store.replace(&old, Some(&record.text), &new, &record, &renewed);
    assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
    assert_eq!(rows(&table, "true").await, 1);
    let kept = format!("{table}_retired");
    let until = "until = to_timestamp(4102444860.001) AND successor = 'it''s a successor'";
    assert_eq!(rows(&kept, until).await, 1);
    store.prune().await.unwrap();
    assert_eq!(rows(&kept, "true").await, 1);
    clock.advance(RETIRED_FOR);
    assert_eq!(store.prune().await.unwrap(), 0, "no session went");
    assert_eq!(rows(&kept, "true").await, 0);
}

#[tokio::test]
async fn v2_retired_ids_are_pruned_a_thousand_at_a_time() {
    let table = unique("retired_many");
    let store = open(options(&table)).await;
    let fill = format!(
        "INSERT INTO {table}_retired SELECT n::text, '', now() - interval '1 second'
         FROM generate_series(1, 2500) AS n"
    );
    raw().await.batch_execute(&fill).await.unwrap();
    store.retire(&SessionId::random()).await.unwrap();
    assert_eq!(store.prune().await.unwrap(), 0);
    assert_eq!(rows(&format!("{table}_retired"), "true").await, 1);
}

#[tokio::test]
async fn v2_a_role_that_may_not_create_the_table_works_without_it() {
    let table = unique("no_right");
    open(options(&table)).await;
    let role = format!("clerk_{table}");
    let raw = raw().await;
    let setup = format!(
        "CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
         GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}; DROP TABLE {table}_retired"
    );
    raw.batch_execute(&setup).await.unwrap();
    let url = Postgres::shared()
        .url()
        .replace("postgres@", &format!("{role}@"));
    // The table is missing; then it exists, and the role may not use it; then it may.
    let made = PostgresStore::ddl(&options(&table), &UserKeys::default());
    let made = made.iter().find(|ddl| ddl.name == "retired").unwrap();
    let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table}_retired TO {role}");
    for (step, retires) in [("", false), (&*made.sql, false), (&*grant, true)] {
        raw_to(&Postgres::shared().url())
            .await
            .batch_execute(step)
            .await
            .unwrap();
        let opened = PostgresStore::connect_options(&url, options(&table)).await;
        let store = opened.map_err(|error| reason(&error)).unwrap();
        let (old, new, record) = (stored(&store, "").await, SessionId::random(), entry(""));
        let read = Some(&record.text);
        let replacing = store.replace(&old, read, &new, &record, &RetiredId::Closed);
        assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
        let known = store.retired(&old).await.unwrap();
        assert_eq!(known.is_some(), retires);
        let (other, unknown) = (SessionId::random(), SessionId::random());
        let replacing = store.replace(&unknown, None, &other, &record, &RetiredId::Closed);
        assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
        assert!(store.retire(&new).await.unwrap());
        assert_eq!(store.retired(&new).await.unwrap().is_some(), retires);
        store.prune().await.unwrap();
    }
}

/// Blind replacements, replacements with the text that was read, and a logout, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn v6_of_many_who_replace_a_live_session_one_wins() {
    for mixed in [false, true] {
        let store = open(options(&unique("retired_race")).mixed_fleet(mixed)).await;
        for _ in 0..10 {
            let (old, record) = (stored(&store, "").await, entry(""));
            let tasks: Vec<_> = (0..12)
                .map(|n| {
                    let (store, old, record) = (store.clone(), old.clone(), record.clone());
                    tokio::spawn(async move {
                        if n == 11 {
                            store.retire(&old).await.unwrap();
                            return false;
                        }
                        let new = SessionId::random();
                        let read = (n % 2 == 0).then_some(&record.text);
                        let replacing =
                            store.replace(&old, read, &new, &record, &RetiredId::Closed);
                        let written = replacing.await.unwrap();
                        let is_stored = store.get(&new).await.unwrap().is_some();
                        assert_eq!(is_stored, written == CasOutcome::Stored, "{written:?}");
                        is_stored
                    })
                })
                .collect();
            let mut won = 0;
            for task in tasks {
                won += u32::from(task.await.unwrap());
            }
            assert!(won <= 1, "{won} replaced one session");
            assert!(store.retired(&old).await.unwrap().is_some());
        }
    }
}
