//! What is there when the store connects, and what is not.

use testbed::Postgres;
use tokio::task::JoinSet;

use super::super::{PostgresStore, UserKeys};
use super::{open, options, raw, raw_to, reason, stored, unique};
use crate::store::{AnyStore, Store as _, StoreErrorKind};

#[tokio::test(flavor = "multi_thread")]
async fn ten_processes_may_start_at_once_on_an_empty_database() {
    let database = unique("empty");
    raw()
        .await
        .batch_execute(&format!("CREATE DATABASE {database}"))
        .await
        .unwrap();
    let url = Postgres::shared()
        .url()
        .replace("/postgres", &format!("/{database}"))
        .replace(&format!("//{database}@"), "//postgres@");
    let mut starting = JoinSet::new();
    for _ in 0..10 {
        let url = url.clone();
        starting.spawn(async move {
            let options = options("session").mixed_fleet(true);
            let store = PostgresStore::connect_options(&url, options.clone()).await;
            let store = store.map_err(|error| reason(&error)).unwrap();
            for ddl in PostgresStore::ddl(&options, &UserKeys::default()) {
                store
                    .apply(&ddl)
                    .await
                    .map_err(|error| reason(&error))
                    .unwrap();
            }
            stored(&store, "").await;
            store
        });
    }
    let stores = starting.join_all().await;
    assert_eq!(stores[0].count().await.unwrap(), 10);
    let names = raw_to(&url)
        .await
        .query(
            "SELECT relname::text FROM pg_class WHERE relname IN ('session_pkey', 'IDX_session_expire')",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(names.len(), 2);
    // A second table in the same schema.
    let second = PostgresStore::connect_options(&url, options("other")).await;
    stored(&second.unwrap(), "").await;
    let any = AnyStore::connect(&url).await.unwrap();
    assert_eq!(any.count().await.unwrap(), 10);
}

#[tokio::test]
async fn any_name_is_a_name() {
    let raw = raw().await;
    let schema = r#"odd "schema'"#;
    raw.batch_execute(r#"CREATE SCHEMA "odd ""schema'""#)
        .await
        .unwrap();
    let long = "é".repeat(31);
    let longer = format!("{}x", "l".repeat(62));
    for table in [
        r#"a"."b"#,
        r"a'; DROP TABLE x --$cloakroom$",
        &long,
        &longer,
    ] {
        let options = options(table).schema(schema).mixed_fleet(true);
        let store = open(options.clone()).await;
        for ddl in PostgresStore::ddl(&options, &UserKeys::default()) {
            store
                .apply(&ddl)
                .await
                .map_err(|error| reason(&error))
                .unwrap();
        }
        let id = stored(&store, r#","userId":"ada""#).await;
        assert_eq!(
            store.of_user("ada").await.unwrap(),
            std::slice::from_ref(&id)
        );
        assert!(store.destroy(&id).await.unwrap());
        // It is found again.
        open(options.create_table(false)).await;
    }
}

#[tokio::test]
async fn a_table_that_does_not_do_says_why_and_how_to_mend_it() {
    let raw = raw().await;
    #[rustfmt::skip]
    let table = [
        ("sid varchar PRIMARY KEY, sess json, expire timestamp", ""),
        ("sid text PRIMARY KEY, sess jsonb, expire timestamptz", ""),
        ("sid text UNIQUE, sess json, expire timestamp", ""),
        ("sid varchar, sess json, expire timestamp", "is not unique: ALTER TABLE"),
        ("sid varchar, sess json, expire timestamp, UNIQUE (sid, expire)", "is not unique"),
        ("sid varchar, sess json, expire timestamp, UNIQUE (sid) DEFERRABLE", "is not unique"),
        ("sid int PRIMARY KEY, sess json, expire timestamp", "column sid of"),
        ("sid varchar PRIMARY KEY, sess text, expire timestamp", "TYPE json USING sess::json"),
        ("sid varchar PRIMARY KEY, sess json, expire bigint", "has the type int8"),
        ("sid varchar PRIMARY KEY, expire timestamp", "has no column sess"),
        ("id int", "has no column sid"),
    ];
    for (columns, said) in table {
        let name = unique("check");
        raw.batch_execute(&format!("CREATE TABLE {name} ({columns})"))
            .await
            .unwrap();
        let url = Postgres::shared().url();
        let opened = PostgresStore::connect_options(&url, options(&name)).await;
        if said.is_empty() {
            stored(&opened.unwrap(), "").await;
            continue;
        }
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid, "{columns}");
        let reason = reason(&error);
        assert!(reason.contains(said) && reason.contains(&name), "{reason}");
        assert!(!reason.contains('\n'));
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let url = Postgres::shared().url();
    let missing = unique("missing");
    let bare = options(&missing).create_table(false);
    let error = PostgresStore::connect_options(&url, bare.clone()).await;
    assert!(reason(&error.unwrap_err()).contains("is missing: run the statements `table`"));
    let error = PostgresStore::connect_options(&url, options(&missing).schema("nowhere")).await;
    assert!(reason(&error.unwrap_err()).contains("no schema for the table"));
    open(options(&missing)).await;
    let error = PostgresStore::connect_options(&url, bare.mixed_fleet(true)).await;
    assert!(reason(&error.unwrap_err()).contains("`tombstones`"));
    raw()
        .await
        .batch_execute("CREATE ROLE reader LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .await
        .unwrap();
    let url = url.replace("postgres@", "reader@");
    let error = PostgresStore::connect_options(&url, options(&missing)).await;
    assert!(reason(&error.unwrap_err()).contains("GRANT SELECT, INSERT"));
    let error = PostgresStore::connect_options(&url, options(&unique("denied"))).await;
    assert!(reason(&error.unwrap_err()).contains("42501"));
}

#[tokio::test]
async fn no_error_repeats_the_url() {
    let port = Postgres::shared().port();
    for (url, kind) in [
        (
            "postgres://u:hunter2@127.0.0.1:1/hunter2",
            StoreErrorKind::Unavailable,
        ),
        (
            "postgres://u:hunter2@127.0.0.1:hunter2/d",
            StoreErrorKind::Invalid,
        ),
        (
            "postgres://u:hunter2@h/d?hunter2=1",
            StoreErrorKind::Invalid,
        ),
        (
            "postgres://u:hunter2@hunter2.invalid/d",
            StoreErrorKind::Unavailable,
        ),
        (
            &format!("postgres://hunter2:hunter2@127.0.0.1:{port}/hunter2"),
            StoreErrorKind::Unavailable,
        ),
        (
            &format!("postgres://postgres:hunter2@127.0.0.1:{port}/hunter2"),
            StoreErrorKind::Unavailable,
        ),
        (
            &format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=require"),
            StoreErrorKind::Unavailable,
        ),
    ] {
        let error = PostgresStore::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", reason(&error));
        let printed = format!("{error} {error:?} {}", reason(&error));
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(!reason(&error).is_empty());
    }
}

#[tokio::test]
async fn no_error_repeats_a_record_or_an_id() {
    let store = open(options(&unique("secret"))).await;
    let mut entry = super::entry("");
    entry.text = r#"{"hunter2":hunter2"#.into();
    let id = crate::id::SessionId::from_store("hunter2");
    let long = crate::id::SessionId::from_store(&"hunter2".repeat(2000));
    let refused = store.create(&id, &entry).await.unwrap_err();
    let too_long = store.create(&long, &super::entry("")).await;
    for error in [refused, store.create(&id, &entry).await.unwrap_err()]
        .into_iter()
        .chain(too_long.err())
    {
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
        assert!(!format!("{error} {error:?} {}", reason(&error)).contains("hunter2"));
    }
}
