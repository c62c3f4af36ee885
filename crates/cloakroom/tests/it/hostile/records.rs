//! Stored values that are no record, or not one of ours.

use std::ops::Range;

use axum::http::StatusCode;
use cloakroom::id::SessionId;

use super::{MIB, cookie, nested, sid, sites};

#[tokio::test]
async fn an_invalid_record_is_a_fresh_session() {
    #[rustfmt::skip]
    let mut texts: Vec<String> = [
        "", " ", "not json", "null", "7", "true", "\"cookie\"", "[]", "[{\"cookie\":{}}]", "{}",
        r#"{"a":1}"#, r#"{"cookie":null}"#, r#"{"cookie":7}"#, r#"{"cookie":"x","a":1}"#,
        r#"{"cookie":[]}"#, r#"{"cookie":true}"#, r#"{"cookie":{}"#, r#"{"cookie":{},}"#,
        r#"{"cookie":{}}}"#, r"{'cookie':{}}", r#"{"Cookie":{}}"#, r#"{"cookie":{},"cookie":1}"#,
        "{\"cookie\":{},\"a\":\"\0\"}", r#"{"cookie":{},"a":NaN}"#, r#"{"cookie":{},"a":"\u12"}"#,
    ].map(str::to_owned).into();
    texts.push(format!(r#"{{"cookie":{{}},"a":{}}}"#, nested(200)));
    texts.push(format!(r#"{{"cookie":{{"path":{}}}}}"#, nested(50)));
    texts.push(r#"{"cookie":{},"a":"#.to_owned() + &"[".repeat(MIB / 2));
    texts.push(format!(
        r#"{{"cookie":{{}},"a":"{}"}}"#,
        "x".repeat(2 * MIB)
    ));
    let keys = numbered_keys(0..20_000);
    texts.push(format!(r#"{{"cookie":{{}}{keys}}}"#));
    for site in sites() {
        for text in &texts {
            let id = SessionId::random().expose().to_owned();
            site.put(&id, text).await;
            let what = text.chars().take(40).collect::<String>();
            site.takes_for_a_stranger(&what, &[cookie(&id)]).await;
            let kept = site.store.get(&SessionId::from_store(&id)).await.unwrap();
            assert_eq!(&*kept.unwrap().text, text, "left for whoever can read it");
        }
    }
}

#[tokio::test]
async fn foreign_values_in_a_record_break_no_response() {
    #[rustfmt::skip]
    let members = [
        r#""cookie":{"originalMaxAge":1e400,"expires":"2026"}"#,
        r#""cookie":{"originalMaxAge":"60000","expires":7}"#,
        r#""cookie":{"originalMaxAge":-1e99,"expires":"-271821-04-20T00:00:00.000Z"}"#,
        r#""cookie":{"originalMaxAge":{},"expires":[]}"#,
        r#""cookie":{"path":"/; Domain=evil.example","httpOnly":"; Secure"}"#,
        r#""cookie":{"path":"/\r\nSet-Cookie: a=b","sameSite":"\u0000"}"#,
        r#""cookie":{"domain":"evil.example; Secure","priority":{}}"#,
        r#""cookie":{"domain":7,"path":[],"secure":"","partitioned":0}"#,
        r#""cookie":{},"_ck":7"#,
        r#""cookie":{},"_ck":{"created":"x"}"#,
        r#""cookie":{},"_ck":{"created":-9223372036854775808,"deadline":9223372036854775807}"#,
        r#""cookie":{},"_ck":{"created":9223372036854775807,"renewed":-9223372036854775808}"#,
        r#""cookie":{},"userId":{"id":{"id":[]}},"passport":7"#,
        r#""cookie":{},"__proto__":{"views":9},"constructor":1,"save":null,"":"","\ud800":"\udfff""#,
    ];
    for site in sites() {
        for member in members {
            let id = SessionId::random().expose().to_owned();
            site.put(&id, &format!(r#"{{{member},"views":7}}"#)).await;
            let what = format!("{member} ({})", site.name);
            let answer = site.ask("/set", &[cookie(&id)]).await;
            assert_eq!(answer.status, StatusCode::OK, "{what}");
            assert!(
                answer.body.contains(r#""views":8"#),
                "{what}: {}",
                answer.body
            );
            for field in answer.set_cookies() {
                assert_eq!(sid(field), id, "{what}");
                let evil = ["evil", "Set-Cookie", "\r", "a=b"];
                assert!(
                    !evil.iter().any(|evil| field.contains(evil)),
                    "{what}: {field}"
                );
            }
        }
    }
}

/// A record that another writer, who has no limits, may well have stored.
fn large() -> [(&'static str, String); 3] {
    let cookie = r#""cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}"#;
    let keys = numbered_keys(0..600);
    [
        (
            "100 KiB",
            format!(r#"{{{cookie},"a":"{}"}}"#, "x".repeat(100 << 10)),
        ),
        ("600 keys", format!("{{{cookie}{keys}}}")),
        ("depth 100", format!(r#"{{{cookie},"a":{}}}"#, nested(99))),
    ]
}

// The limits are on what we write. Were such a record not touched nor given an absolute time-out, each
// request that only reads would be a 500 by our policy, and by Express's the session's expiry would
// stand still while it is in use.
#[tokio::test]
async fn a_large_record_of_another_writer_is_read_and_touched() {
    for site in sites() {
        for (what, text) in large() {
            let id = SessionId::random();
            site.put(id.expose(), &text).await;
            let before = site.store.get(&id).await.unwrap().unwrap().expires;
            let answer = site.ask("/", &[cookie(id.expose())]).await;
            assert_eq!(answer.status, StatusCode::OK, "{what} ({})", site.name);
            assert!(answer.body.len() > 190, "{what} ({})", site.name);
            let after = site.store.get(&id).await.unwrap().unwrap().expires;
            assert_ne!(after, before, "{what} ({})", site.name);
        }
    }
}

fn numbered_keys(keys: Range<u32>) -> String {
    let members: Vec<String> = keys.map(|key| format!(r#","k{key}":1"#)).collect();
    members.concat()
}
