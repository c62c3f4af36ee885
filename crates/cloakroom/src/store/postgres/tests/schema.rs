//! Schemas that the store finds when it connects, complete or not.

use testbed::Postgres;
use tokio::task::JoinSet;

use super::super::{PostgresStore, UserKeys};
use super::{open, options, raw, raw_to, reason, stored, unique};
use crate::id::SessionId;
use crate::store::{AnyStore, CasOutcome, RetiredId, Store as _, StoreErrorKind};

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
async fn any_text_is_a_valid_table_name() {
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
            store.list_by_user("ada").await.unwrap(),
            std::slice::from_ref(&id)
        );
        assert!(store.destroy(&id).await.unwrap());
        // The next store finds it.
        open(options.create_table(false)).await;
    }
}

#[tokio::test]
async fn unusable_table_error_names_the_reason_and_the_cure() {
    let raw = raw().await;
    #[rustfmt::skip]
    let table = [
        ("sid varchar PRIMARY KEY, sess json, expire timestamp", ""),
        ("sid text PRIMARY KEY, sess jsonb, expire timestamptz", ""),
        ("sid text UNIQUE, sess json, expire timestamp", ""),
        ("sid char(32) PRIMARY KEY, sess json, expire timestamp", ""),
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

/// X13: the table of `NodeBB`, and a table whose ids are UUIDs.
#[tokio::test]
async fn x13_a_sid_may_be_char_or_uuid() {
    let raw = raw().await;
    let uuid =
        |last: u8| SessionId::from_store(&format!("123e4567-e89b-42d3-a456-4266141740{last:02}"));
    let short = |last: u8| SessionId::from_store(&format!("shorter-than-the-column-{last:02}"));
    let random = |_| SessionId::random();
    let table: [(&str, &dyn Fn(u8) -> SessionId); 4] = [
        ("char(32)", &random),
        ("char(32)", &short),
        ("char(32) COLLATE \"C\"", &short),
        ("uuid", &uuid),
    ];
    for (kind, ids) in table {
        for mixed_fleet in [false, true] {
            let name = unique("sids");
            raw.batch_execute(&format!(
                "CREATE TABLE {name} (sid {kind} PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL)"
            ))
            .await
            .unwrap();
            let options = options(&name)
                .mixed_fleet(mixed_fleet)
                .notify_ends(true)
                .notify_changes(true);
            let store = open(options.clone()).await;
            for ddl in PostgresStore::ddl(&options, &UserKeys::default()) {
                store
                    .apply(&ddl)
                    .await
                    .map_err(|error| reason(&error))
                    .unwrap();
            }
            let (one, two, three) = (ids(1), ids(2), ids(3));
            lives_its_life(&store, [&one, &two, &three]).await;
        }
    }
}

async fn lives_its_life(store: &PostgresStore, [one, two, three]: [&SessionId; 3]) {
    let (ada, next) = (
        super::entry(r#","userId":"ada""#),
        super::entry(r#","userId":"ada","n":1"#),
    );
    let stranger = SessionId::from_store("no-uuid-and-longer-than-any-column-of-32");
    assert_eq!(store.get(&stranger).await.unwrap(), None);
    assert!(!store.destroy(&stranger).await.unwrap());
    store
        .create(one, &ada)
        .await
        .map_err(|error| reason(&error))
        .unwrap();
    assert_eq!(
        store.create(one, &ada).await.unwrap_err().kind(),
        StoreErrorKind::IdTaken
    );
    assert_eq!(store.get(one).await.unwrap().unwrap().text, ada.text);
    assert_eq!(
        store.update(one, &ada.text, &next).await.unwrap(),
        CasOutcome::Stored
    );
    assert!(store.touch(one, &next.text, &next).await.unwrap());
    let living = store
        .expiries(&[one.clone(), stranger.clone()])
        .await
        .unwrap();
    assert!(living[0].is_some() && living[1].is_none());
    assert_eq!(
        store
            .replace(one, Some(&next.text), two, &next, &RetiredId::Closed)
            .await
            .unwrap(),
        CasOutcome::Stored
    );
    assert_eq!(
        store
            .replace(
                &stranger,
                Some(&next.text),
                three,
                &next,
                &RetiredId::Closed
            )
            .await
            .unwrap(),
        CasOutcome::NotFound
    );
    store.create(three, &ada).await.unwrap();
    let taken = store
        .replace(two, None, three, &ada, &RetiredId::Closed)
        .await
        .unwrap_err();
    assert_eq!(taken.kind(), StoreErrorKind::IdTaken);
    let (first, second) = tokio::join!(store.get(two), store.get(three));
    assert!(first.unwrap().is_some() && second.unwrap().is_some());
    let first = store.scan(None, 1).await.unwrap();
    let second = store.scan(first.next.as_deref(), 1).await.unwrap();
    let by_id = |mut ids: Vec<SessionId>| {
        ids.sort_by(|one, other| one.expose().cmp(other.expose()));
        ids
    };
    let scanned = by_id([first.ids, second.ids].concat());
    assert_eq!(scanned, by_id(vec![two.clone(), three.clone()]));
    assert_eq!(store.list_by_user("ada").await.unwrap().len(), 2);
    assert_eq!(store.destroy_by_user("ada", Some(two)).await.unwrap(), 1);
    assert_eq!(
        store.destroy_by_user("ada", Some(&stranger)).await.unwrap(),
        1
    );
    store.prune().await.unwrap();
    assert_eq!(store.count().await.unwrap(), 0);
}

/// X13: an id that a column of UUIDs cannot hold is refused, and the error names the cure.
#[tokio::test]
async fn x13_uuid_column_error_names_the_ids_it_takes() {
    let name = unique("uuids");
    let create = format!("CREATE TABLE {name} (sid uuid PRIMARY KEY, sess json, expire timestamp)");
    raw().await.batch_execute(&create).await.unwrap();
    let store = open(options(&name)).await;
    let refused = store.create(&SessionId::random(), &super::entry("")).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Invalid);
    assert!(
        reason(&refused).contains("id_generator"),
        "{}",
        reason(&refused)
    );
}

/// X13: a view has no key, and cannot be given one.
#[tokio::test]
async fn x13_a_view_gets_no_statement_that_cannot_work() {
    let (table, view) = (unique("behind"), unique("view"));
    let create = format!(
        "CREATE TABLE {table} (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp NOT NULL);
         CREATE VIEW {view} AS SELECT * FROM {table}"
    );
    raw().await.batch_execute(&create).await.unwrap();
    let url = Postgres::shared().url();
    let options = options(&view).mixed_fleet(true).notify_changes(true);
    let refused = PostgresStore::connect_options(&url, options)
        .await
        .unwrap_err();
    let reason = reason(&refused);
    assert_eq!(refused.kind(), StoreErrorKind::Invalid);
    assert!(
        reason.contains("is a view") && reason.contains("the table behind it"),
        "{reason}"
    );
    assert!(!reason.contains("ALTER TABLE"), "{reason}");
}

/// X12: URLs from Express deployments, unchanged.
#[tokio::test]
async fn x12_a_url_of_node_postgres_or_prisma_opens_the_store() {
    for query in [
        "schema=public",
        "pgbouncer=true&connection_limit=5",
        "max=2&idleTimeoutMillis=30000&connectionTimeoutMillis=20000",
        "uselibpqcompat=true&sslmode=disable",
        "ssl=false",
        "sslmode=prefer",
        "statement_timeout=20000&application_name=shop&keepAlive=true",
    ] {
        let url = format!("{}?{query}", Postgres::shared().url());
        let store = PostgresStore::connect_options(&url, options(&unique("urls"))).await;
        let store = store.map_err(|error| reason(&error)).expect(query);
        stored(&store, "").await;
    }
    let url = format!("{}?unheard=1", Postgres::shared().url());
    let error = PostgresStore::connect(&url).await.unwrap_err();
    assert!(
        reason(&error).contains("a parameter unheard"),
        "{}",
        reason(&error)
    );
    // A server without TLS, where TLS is required.
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("{}?sslmode={mode}", Postgres::shared().url());
        let error = PostgresStore::connect_options(&url, options("session")).await;
        assert!(
            reason(&error.unwrap_err()).contains("the server has no TLS"),
            "{mode}"
        );
    }
}

#[tokio::test]
async fn missing_objects_are_named_in_the_error() {
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
            "postgres://u:hunter2@h/d?unheard=hunter2",
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
    let id = SessionId::from_store("hunter2");
    let long = SessionId::from_store(&"hunter2".repeat(2000));
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
