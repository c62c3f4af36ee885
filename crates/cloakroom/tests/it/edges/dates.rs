//! V16: the dates that `expires` takes, and those that are errors where they are set.

use cloakroom::Policy;
use cloakroom::record::{AttributeError, CookieState};

use super::Visitor;
use crate::support::{clock, keys};

#[test]
fn v16_an_instant_beyond_dates_is_refused_when_it_is_set() {
    let now = clock().now();
    let table = [
        ("expires", r#""tomorrow""#, AttributeError::Expires),
        (
            "expires",
            r#""2030-01-01T00:00:00""#,
            AttributeError::Expires,
        ),
        ("expires", r#""2030-02-30""#, AttributeError::Expires),
        ("expires", r#""""#, AttributeError::Expires),
        ("expires", "1893456000000", AttributeError::Expires),
        ("expires", "true", AttributeError::Expires),
        ("expires", "{}", AttributeError::Expires),
        ("expires", "2030", AttributeError::Expires),
        ("maxAge", "8640000000000000", AttributeError::TooLong),
        ("maxAge", "-8640000000000000000", AttributeError::TooLong),
        ("maxAge", "1e300", AttributeError::TooLong),
        ("maxAge", r#""5""#, AttributeError::MaxAge),
    ];
    for (name, json, error) in table {
        let mut cookie = CookieState::default();
        cookie.set("maxAge", "60000", now).unwrap();
        let before = cookie.clone();
        assert_eq!(cookie.set(name, json, now), Err(error), "{name} {json}");
        assert_eq!(cookie, before, "{name} {json}");
    }
    for json in ["null", "false", " null ", r#" "2030-01-01" "#] {
        let mut cookie = CookieState::default();
        assert_eq!(cookie.set("expires", json, now), Ok(()), "{json}");
    }
}

#[tokio::test]
async fn v16_iso_8601_reaches_the_wire() {
    for text in [
        "2030-01-01T00:00:00Z",
        "2030-01-01T02:00:00+02:00",
        "2030-01-01T00:00Z",
        "2030-01-01",
        "2030",
    ] {
        let visitor = Visitor::new(Policy::express(keys()).build().unwrap());
        let session = visitor.open().await;
        session.insert("a", 1).unwrap();
        let json = format!("\"{text}\"");
        session
            .cookie_mut(|cookie| cookie.assign_json("expires", &json))
            .unwrap();
        let sent = visitor
            .manager
            .close(&session)
            .await
            .unwrap()
            .set_cookie
            .unwrap();
        assert!(
            sent.contains("; Expires=Tue, 01 Jan 2030 00:00:00 GMT"),
            "{text}: {sent}"
        );
    }
}

#[tokio::test]
async fn v16_a_duration_beyond_dates_is_accepted() {
    let mut visitor = Visitor::new(Policy::express(keys()).build().unwrap());
    let session = visitor.open().await;
    session.insert("a", 1).unwrap();
    session.cookie_mut(|cookie| cookie.max_age(Some(std::time::Duration::MAX)));
    visitor.close(&session).await;
    assert!(visitor.cookie.is_some(), "its cookie is sent");
    let again = visitor.open().await;
    assert!(!again.is_new());
    again.insert("a", 2).unwrap();
    visitor.close(&again).await;
    assert!(!visitor.open().await.is_new());
}
