//! Unusual records, and their users.

use std::collections::HashSet;

use tokio_postgres::Client;

use super::super::names::literal;
use super::super::{PostgresStore, UserKeys};
use super::{jsonb_table, open, options, raw, unique};
use crate::id::SessionId;
use crate::store::Store as _;

async fn write(raw: &Client, table: &str, records: &[String], kind: &str) -> Vec<SessionId> {
    let mut ids = Vec::new();
    for record in records {
        let id = SessionId::random();
        let sql =
            format!(r#"INSERT INTO "{table}" SELECT $1, $2::text::{kind}, now() + interval '1 h'"#);
        raw.execute(&sql, &[&id.expose(), record]).await.unwrap();
        ids.push(id);
    }
    ids
}

/// Returns records that no application means to write.
fn odd() -> Vec<String> {
    let deep = format!(
        r#"{{"userId":"ada","d":{}1{}}}"#,
        "[".repeat(3000),
        "]".repeat(3000)
    );
    let large = format!(r#"{{"userId":"grace","x":"{}"}}"#, "y".repeat(10_000_000));
    [
        r#""text""#,
        "7",
        "null",
        "[1]",
        r#"["userId"]"#,
        "{}",
        r#"{"userId":null}"#,
        r#"{"userId":"\u0000"}"#,
        r#"{"userId":"\ud800"}"#,
        r#"{"userId":"ada","\u0000":1}"#,
        r#"{"userId":"\u0001unindexable"}"#,
        &deep,
        &large,
    ]
    .map(str::to_owned)
    .into()
}

#[tokio::test]
async fn odd_records_affect_no_other_session() {
    for indexed in [true, false] {
        // Functions are dropped, which other tests need.
        let (schema, raw) = (unique("odd"), raw().await);
        let create = format!("CREATE SCHEMA {schema}; SET search_path TO {schema}");
        raw.batch_execute(&create).await.unwrap();
        let table = "session";
        let store = open(options(table).schema(&schema)).await;
        let records = odd();
        let odd = write(&raw, table, &records, "json").await;
        let plain = vec![r#"{"userId":"ada"}"#.to_owned(); 3];
        let ada = write(&raw, table, &plain, "json").await;
        if !indexed {
            let function = &store.0.users.load_full();
            let drop = format!("DROP FUNCTION {}(json) CASCADE", function.function);
            // Known to exist, so that its absence shows in the middle of a call.
            assert!(store.list_by_user("nobody").await.unwrap().is_empty());
            raw.batch_execute(&drop).await.unwrap();
        }
        // The one with a NUL in a key is hers as well, and the deep one, which only Express reads.
        let hers: HashSet<_> = ada.iter().chain([&odd[9], &odd[11]]).cloned().collect();
        let found = store.list_by_user("ada").await.unwrap();
        assert_eq!(found.len(), 5);
        assert_eq!(HashSet::from_iter(found), hers);
        assert_eq!(store.list_by_user("\0").await.unwrap(), [odd[7].clone()]);
        assert_eq!(
            store.list_by_user("\u{1}unindexable").await.unwrap(),
            [odd[10].clone()]
        );
        assert_eq!(
            store.list_by_user("grace").await.unwrap(),
            [odd[12].clone()]
        );
        let kept = store.destroy_by_user("\0", Some(&odd[7])).await.unwrap();
        assert_eq!(kept, 0);
        assert_eq!(store.destroy_by_user("\0", None).await.unwrap(), 1);
        let ended = store.destroy_by_user("ada", Some(&ada[0])).await.unwrap();
        assert!((3..=5).contains(&ended), "{ended}");
        assert_eq!(store.list_by_user("ada").await.unwrap(), [ada[0].clone()]);
        assert_eq!(store.destroy_by_user("grace", None).await.unwrap(), 1);
        assert!(store.count().await.unwrap() >= 10);
    }
}

/// Checks that the function in the database and [`UserKeys::users_of`] agree on each record, or the function
/// reports that it cannot tell; of a record that names several users it does.
#[tokio::test]
async fn the_database_knows_users_by_the_same_rules() {
    let keys = UserKeys::new(["userId", "passport.user", "it's $cloakroom$ \"q\" \\ é.0"]);
    let mut records: Vec<String> = [
        r#"{"userId":7}"#,
        r#"{"userId":-1.50e3}"#,
        r#"{"userId":""}"#,
        r#"{"userId":"","passport":{"user":"second"}}"#,
        r#"{"userId":true,"passport":{"user":{"id":9}}}"#,
        r#"{"userId":{"id":"inner"}}"#,
        r#"{"userId":{"id":{"id":"too deep"}}}"#,
        r#"{"userId":{"name":"x"},"passport":{"user":"p"}}"#,
        r#"{"userId":[1],"passport":[{"user":"no"}]}"#,
        r#"{"userId":"first","userId":"last"}"#,
        r#"{"passport":{"user":"a"},"passport":{"user":"b"}}"#,
        r#"{"user\u0049d":"escaped"}"#,
        r#"{"userId":"\ud83d\ude00 é \" \\ \n"}"#,
        r#"{"userId":" spaced "}"#,
        r#"{ "userId" : 12 , "x":1}"#,
        r#"{"it's $cloakroom$ \"q\" \\ é":{"0":"odd key"}}"#,
        r#"{"it's $cloakroom$ \"q\" \\ é":["index"]}"#,
        r#"{"passport":"text"}"#,
        r#"{"passport":null}"#,
        r#"{"userId":{"_id":"64b0"}}"#,
        r#"{"passport":{"user":{"_id":{"$oid":"64b0"},"sub":"s"}}}"#,
        r#"{"passport":{"user":{"id":"","sub":"s"}}}"#,
        r#"{"userId":"a","passport":{"user":"b"}}"#,
        r#"{"userId":"a","passport":{"user":{"id":"a"}}}"#,
        r#"{"userId":"a","passport":{}}"#,
        r#"{"userId":"7","_ck":{"created":1,"realm":"staff"}}"#,
        r#"{"userId":"7","_ck":{"realm":"st\u001faff"}}"#,
        r#"{"userId":"7","_ck":{"realm":7,"by":7}}"#,
        r#"{"userId":"7","_ck":"realm"}"#,
        r#"{"userId":"7","_ck":{"by":"root"}}"#,
        r#"{"_ck":{"by":"root","realm":"staff"}}"#,
        r#"{"userId":"\u001fstaff\u001f7"}"#,
    ]
    .map(str::to_owned)
    .into();
    let plain = records.len();
    for (kind, table) in [("json", unique("rules")), ("jsonb", jsonb_table().await)] {
        let raw = raw().await;
        let store = open(options(&table)).await;
        store.set_user_keys(&keys);
        let all = PostgresStore::ddl(&options(&table), &keys);
        store.apply(&all[1]).await.unwrap();
        if kind == "json" {
            records.extend(odd());
        } else {
            records.truncate(plain);
        }
        let function = store.0.users.load_full().function.clone();
        for record in &records {
            let sql =
                format!("SELECT {function}(v), v::text FROM (SELECT $1::text::{kind} AS v) AS r");
            let row = raw.query_one(&sql, &[record]).await.unwrap();
            let (said, text): (Option<&str>, &str) = (row.get(0), row.get(1));
            let meant = keys.users_of(text);
            let meant: Vec<&str> = meant.iter().map(String::as_str).collect();
            let told = said == Some("\u{1}unindexable") && meant != ["\u{1}unindexable"];
            assert!(told || meant.len() < 2, "{meant:?} {record:.200}");
            let deep = text.contains("[[[[");
            assert!(
                told || deep || said == meant.first().copied(),
                "{said:?} {meant:?} {record:.200}"
            );
        }
    }
}

#[tokio::test]
async fn user_keys_of_the_manager_take_effect() {
    let table = unique("keys");
    let (store, raw) = (open(options(&table)).await, raw().await);
    let ids = write(&raw, &table, &[r#"{"account":"ada"}"#.to_owned()], "json").await;
    assert!(store.list_by_user("ada").await.unwrap().is_empty());
    store.set_user_keys(&UserKeys::new(["account"]));
    assert_eq!(store.list_by_user("ada").await.unwrap(), ids);
    assert!(
        store
            .0
            .users
            .load_full()
            .indexed
            .load(std::sync::atomic::Ordering::Relaxed)
    );
    // Another process works without the index until it exists.
    let other = open(options(&table)).await;
    other.set_user_keys(&UserKeys::new(["owner", "account"]));
    assert_eq!(other.list_by_user("ada").await.unwrap(), ids);
    assert_eq!(other.destroy_by_user("ada", None).await.unwrap(), 1);
}

#[tokio::test]
async fn the_index_is_used() {
    let table = unique("used");
    let (store, raw) = (open(options(&table)).await, raw().await);
    let function = store.0.users.load_full().function.clone();
    let plan = raw
        .query(
            &format!(r#"EXPLAIN SELECT sid FROM "{table}" WHERE {function}(sess) = 'ada'"#),
            &[],
        )
        .await
        .unwrap();
    let plan: String = plan.iter().map(|row| row.get::<_, &str>(0)).collect();
    assert!(plan.contains("_user_"), "{plan}");
    assert_eq!(literal("a'b\\$"), r"E'a''b\\\x24'");
}
