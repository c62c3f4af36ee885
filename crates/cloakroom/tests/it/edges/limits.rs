//! V10, V11: a value that is too large is refused when it is set, and Express's records have no limit
//! but the read limit.

use cloakroom::record::RecordLimit;
use cloakroom::store::NewRecord;
use cloakroom::{Policy, Session, SessionError, SessionId};
use serde::{Deserialize, Serialize};

use super::{Log, Visitor};
use crate::support::keys;

#[expect(clippy::needless_pass_by_value, reason = "it is the outcome of a call")]
fn is_too_large<T: std::fmt::Debug>(outcome: Result<T, SessionError>, what: &str) {
    assert!(
        matches!(outcome, Err(SessionError::TooLarge)),
        "{what}: {outcome:?}"
    );
}

/// Closes a session of which some change was refused: what was taken is stored.
async fn closes(visitor: &mut Visitor, session: &Session, key: &str) {
    let taken = session.get_raw(key).unwrap();
    visitor.close(session).await;
    let again = visitor.open().await;
    assert_eq!(again.get_raw(key).unwrap(), taken, "{key}");
}

#[tokio::test]
async fn v11_the_records_size_is_checked_when_a_key_is_set() {
    let mut visitor = Visitor::known().await;
    let session = visitor.open().await;
    let value = "x".repeat(20_000);
    for key in ["a", "b", "c"] {
        session.insert(key, &value).unwrap();
    }
    is_too_large(session.insert("d", &value), "insert");
    is_too_large(
        session.insert_raw("d", &format!("\"{value}\"")),
        "insert_raw",
    );
    let copied = value.clone();
    is_too_large(
        session
            .update("d", move |_: Option<String>| copied.clone())
            .await,
        "update",
    );
    assert_eq!(session.get::<String>("d").unwrap(), None);
    // In the place of another it fits.
    session.insert("c", &value).unwrap();
    session.remove("c").unwrap();
    session.insert("d", &value).unwrap();
    closes(&mut visitor, &session, "d").await;
}

#[tokio::test]
async fn v11_the_size_of_a_new_session_is_checked_too() {
    let mut visitor = Visitor::by_default();
    let session = visitor.open().await;
    let value = "x".repeat(20_000);
    for key in ["a", "b", "c"] {
        session.insert(key, &value).unwrap();
    }
    let copied = value.clone();
    is_too_large(
        session
            .update("d", move |_: Option<String>| copied.clone())
            .await,
        "update",
    );
    is_too_large(session.login("u".repeat(10_000)).await, "login");
    closes(&mut visitor, &session, "c").await;
}

#[tokio::test]
async fn v11_keys_are_counted_when_they_are_set() {
    let limit = RecordLimit {
        keys: 10,
        ..RecordLimit::default()
    };
    let policy = Policy::builder(keys()).record_limit(limit);
    let mut visitor = Visitor::new(policy.build().unwrap());
    let session = visitor.open().await;
    for key in 0..10 {
        session.insert(&format!("k{key}"), key).unwrap();
    }
    is_too_large(session.insert("k10", 1), "an eleventh key");
    session.insert("k9", 1).unwrap();
    session.remove("k9").unwrap();
    session.insert("k10", 1).unwrap();
    closes(&mut visitor, &session, "k10").await;
    let again = visitor.open().await;
    is_too_large(
        again.insert("k11", 1),
        "an eleventh key beside those that are stored",
    );
    again.insert("k10", 2).unwrap();
    closes(&mut visitor, &again, "k10").await;
}

/// Whatever `insert` accepts is stored, up to the last byte; and nothing larger is accepted.
#[tokio::test]
async fn v11_an_accepted_value_is_stored() {
    for bytes in [600, 601, 640, 700] {
        let limit = RecordLimit {
            bytes,
            ..RecordLimit::default()
        };
        let policy = Policy::builder(keys()).record_limit(limit);
        let mut visitor = Visitor::new(policy.build().unwrap());
        let session = visitor.open().await;
        session.insert("ä\n\"", "first").unwrap();
        let taken = (0..bytes)
            .rev()
            .find(|&length| session.insert("a", "x".repeat(length)).is_ok());
        assert!(taken > Some(200), "{taken:?}");
        visitor.close(&session).await;
        let stored = visitor
            .manager
            .store()
            .get(&session.id())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stored.text.len(), bytes);
        let again = visitor.open().await;
        is_too_large(again.insert("b", 1), "one more");
        again.insert("a", "").unwrap();
        closes(&mut visitor, &again, "a").await;
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Two {
    a: String,
    b: String,
}

#[tokio::test]
async fn v11_a_typed_session_is_accepted_whole_or_not_at_all() {
    let mut visitor = Visitor::known().await;
    let session = visitor.open().await;
    let mut typed = session.typed::<Two>().unwrap();
    typed.a = "x".repeat(40_000);
    typed.b = "x".repeat(40_000);
    is_too_large(typed.commit(), "commit");
    assert_eq!(session.keys(), ["began"]);
    typed.b.clear();
    typed.commit().unwrap();
    drop(typed);
    closes(&mut visitor, &session, "a").await;
}

/// A record of Express's, and the visitor whose it is.
async fn of_express(data: &str) -> (Visitor, Session) {
    let policy = Policy::express(keys()).build().unwrap();
    let mut visitor = Visitor::new(policy);
    let id = SessionId::random();
    let text = format!(
        r#"{{"cookie":{{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}}{data}}}"#
    );
    let entry = NewRecord {
        text: text.into(),
        expires: visitor
            .manager
            .clock()
            .now()
            .after(std::time::Duration::from_hours(24)),
        users: Vec::new(),
    };
    visitor.manager.store().create(&id, &entry).await.unwrap();
    let signed = cloakroom::cookie::sign(id.expose(), &keys());
    visitor.cookie = Some(format!("connect.sid=s:{signed}"));
    let session = visitor.open().await;
    (visitor, session)
}

#[tokio::test]
async fn v10_a_large_record_of_express_may_grow() {
    let keys_of: Vec<String> = (0..600).map(|key| format!(r#","k{key}":1"#)).collect();
    let keys_of = keys_of.concat();
    let deep = format!(r#","a":{}1{}"#, "[".repeat(100), "]".repeat(100));
    let records = [
        ("100 KB", format!(r#","a":"{}""#, "x".repeat(100_000))),
        ("600 keys", keys_of),
        ("100 levels", deep),
        ("1,000 KB", format!(r#","a":"{}""#, "x".repeat(1_000_000))),
        ("little", String::new()),
    ];
    for (what, data) in records {
        let (mut visitor, session) = of_express(&data).await;
        assert!(!session.is_new(), "{what}");
        session.insert("more", "x".repeat(1000)).unwrap();
        closes(&mut visitor, &session, "more").await;
        let session = visitor.open().await;
        let value = "y".repeat(5000);
        session
            .update("other", move |_: Option<String>| value.clone())
            .await
            .unwrap();
        closes(&mut visitor, &session, "other").await;
    }
    let (mut visitor, session) = of_express("").await;
    session.insert("a", "x".repeat(200_000)).unwrap();
    (0..2000)
        .try_for_each(|key| session.insert(&format!("k{key}"), key))
        .unwrap();
    closes(&mut visitor, &session, "k1999").await;
}

#[tokio::test]
async fn v10_no_record_is_written_above_the_read_limit() {
    let (mut visitor, session) = of_express("").await;
    is_too_large(session.insert("a", "x".repeat(2_000_000)), "2 MB");
    let refused = (0..10_000).find(|key| session.insert(&format!("k{key}"), 1).is_err());
    assert!(refused.is_some_and(|key| key > 8_000), "{refused:?}");
    closes(&mut visitor, &session, "k1").await;
    assert_eq!(visitor.open().await.id(), session.id());
}

#[tokio::test]
async fn v10_a_warning_names_the_size_of_a_record_above_the_read_limit() {
    let (log, _guard) = Log::listen();
    let (_, session) = of_express(&format!(r#","a":"{}""#, "x".repeat(2_000_000))).await;
    assert!(session.is_new());
    let text = log.text();
    let warning = text
        .lines()
        .find(|line| line.contains("WARN") && line.contains("cannot be read"));
    let warning = warning.unwrap_or_else(|| panic!("{text}"));
    assert!(
        warning.contains("2000083 bytes") && warning.contains("1048576"),
        "{warning}"
    );
    let keys_of: Vec<String> = (0..9000).map(|key| format!(r#","k{key}":1"#)).collect();
    let keys_of = keys_of.concat();
    let (_, session) = of_express(&keys_of).await;
    assert!(session.is_new());
    assert!(log.text().contains("9000 keys"), "{}", log.text());
}
