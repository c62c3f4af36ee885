//! Values, keys, secrets and settings that are refused.

use std::fmt::Debug;
use std::sync::Arc;

use cloakroom::cookie::KeyError;
use cloakroom::policy::{PolicyBuilder, PolicyError, RequestInfo};
use cloakroom::store::Store;
use cloakroom::{Clock, KeyRing, Manager, Policy, SameSite, Secure, Session, SessionError};

use super::{MIB, nested, plain};
use crate::support::{SECRET, keys, stores};

/// A session that is stored, and one that is not.
async fn sessions(policy: PolicyBuilder) -> Vec<(&'static str, Arc<dyn Store>, Session, Session)> {
    let policy = policy.build().unwrap();
    let mut sessions = Vec::new();
    for (name, store) in stores() {
        let manager = Manager::with_clock(policy.clone(), Arc::clone(&store), Clock::System);
        let stored = manager.open([], RequestInfo::default()).await.unwrap();
        stored.insert("views", 1).unwrap();
        stored.save().await.unwrap();
        let new = manager.open([], RequestInfo::default()).await.unwrap();
        sessions.push((name, store, stored, new));
    }
    sessions
}

#[tokio::test]
async fn a_record_that_would_be_too_large_is_refused() {
    fn is_too_large(outcome: Result<impl Debug, SessionError>, what: &str) {
        let error = outcome.unwrap_err();
        assert!(matches!(error, SessionError::TooLarge), "{what}: {error:?}");
    }
    for (name, store, stored, new) in sessions(plain()).await {
        let before = store.get(&stored.id()).await.unwrap().unwrap().text;
        for session in [&stored, &new] {
            is_too_large(session.insert("a", "x".repeat(65_536)), name);
            is_too_large(session.insert_raw("a", &nested(100)), name);
            is_too_large(session.insert_raw("a", &"[".repeat(MIB)), name);
            session.insert("a", "x".repeat(40_000)).unwrap();
            is_too_large(session.insert("b", "x".repeat(40_000)), "two halves");
            session.clear().unwrap();
            let set = (0..600).try_for_each(|key| session.insert(&format!("k{key}"), key));
            is_too_large(set, "600 keys");
            session.clear().unwrap();
        }
        assert_eq!(
            store.get(&stored.id()).await.unwrap().unwrap().text,
            before,
            "{name}"
        );
        assert_eq!(store.get(&new.id()).await.unwrap(), None, "{name}");
        let huge = |_: Option<String>| "x".repeat(65_536);
        stored.clear().unwrap();
        is_too_large(stored.update("a", huge).await, "update");
        is_too_large(new.update("a", huge).await, "update");
    }
}

// Else a value of depth 100 would be stored, and one of depth 200 make a record that cannot be read
// again, so that the session is lost.
#[tokio::test]
async fn update_refuses_what_insert_refuses() {
    for (name, store, stored, new) in sessions(plain()).await {
        let before = store.get(&stored.id()).await.unwrap().unwrap().text;
        for depth in [100, 200] {
            for session in [&new, &stored] {
                let deep: serde_json::Value = serde_json::from_str(&nested(100)).unwrap();
                let deep = (100..depth).fold(deep, |deep, _| serde_json::Value::Array(vec![deep]));
                let outcome = session
                    .update("a", move |_: Option<serde_json::Value>| deep.clone())
                    .await;
                let is_refused = matches!(outcome, Err(SessionError::TooLarge));
                assert!(
                    is_refused,
                    "depth {depth} in {name}: {:?}",
                    outcome.map(|_| "stored")
                );
            }
        }
        assert_eq!(
            store.get(&stored.id()).await.unwrap().unwrap().text,
            before,
            "{name}"
        );
    }
}

#[tokio::test]
async fn text_that_is_not_json_is_refused_as_such() {
    for (_, _, stored, _) in sessions(plain()).await {
        for text in ["", "x", "{", "NaN", "1 2", "'a'"] {
            let outcome = stored.insert_raw("a", text);
            assert!(
                matches!(outcome, Err(SessionError::Value(_))),
                "{text}: {outcome:?}"
            );
        }
    }
}

#[tokio::test]
async fn reserved_keys_are_refused_with_the_reason() {
    #[rustfmt::skip]
    let reserved = [
        "id", "req", "save", "touch", "reload", "destroy", "regenerate", "resetMaxAge", "cookie",
        "_ck", "__proto__", "constructor", "toString", "toLocaleString", "valueOf",
        "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "__defineGetter__",
        "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
    ];
    for (name, store, stored, new) in sessions(plain()).await {
        for key in reserved {
            for session in [&stored, &new] {
                let by_update = session
                    .update(key, |n: Option<u32>| n.unwrap_or(0) + 1)
                    .await;
                for refused in [
                    session.insert(key, 1).unwrap_err(),
                    session.insert_raw(key, "1").unwrap_err(),
                    by_update.unwrap_err(),
                ] {
                    assert!(matches!(&refused, SessionError::ReservedKey(name) if name == key));
                    let said = refused.to_string();
                    assert!(
                        said.contains(&format!("`{key}` cannot be a session key")),
                        "{said}"
                    );
                    assert!(said.contains("Express's Session object"), "{said}");
                }
                assert_eq!(session.get_raw(key).unwrap(), None);
                session.remove(key).unwrap();
            }
        }
        stored.save().await.unwrap();
        let text = store.get(&stored.id()).await.unwrap().unwrap().text;
        assert!(
            text.contains("\"_ck\"") && text.contains("\"cookie\""),
            "{name}: removed nothing"
        );
    }
}

#[test]
fn an_empty_or_short_secret_is_refused() {
    let none: [&str; 0] = [];
    #[rustfmt::skip]
    let table = [
        (KeyRing::new(""),                                KeyError::TooShort),
        (KeyRing::new("keyboard cat"),                    KeyError::TooShort),
        (KeyRing::new("x".repeat(31)),                    KeyError::TooShort),
        (KeyRing::new("x".repeat(32)),                    KeyError::Guessable),
        (KeyRing::new([0; 32]),                           KeyError::Guessable),
        (KeyRing::new("changeme".repeat(4)),              KeyError::Guessable),
        (KeyRing::from_secrets([SECRET, &"ab".repeat(20)]), KeyError::Guessable),
        (keys().with_verification_key("changeme".repeat(4)),         KeyError::Guessable),
        (KeyRing::from_secrets(none),                     KeyError::NoSecret),
        (KeyRing::from_secrets([SECRET, ""]),             KeyError::TooShort),
        (keys().with_verification_key("short"),                      KeyError::TooShort),
        (KeyRing::with_insecure_short_secret(""),         KeyError::NoSecret),
        (KeyRing::with_insecure_short_secrets(["x", ""]), KeyError::NoSecret),
    ];
    for (index, (ring, error)) in table.into_iter().enumerate() {
        assert_eq!(ring.unwrap_err(), error, "{index}");
    }
    assert!(
        KeyError::TooShort
            .to_string()
            .contains("openssl rand -base64 48")
    );
}

#[test]
fn a_policy_that_no_browser_accepts_does_not_build() {
    let policy = || Policy::builder(keys());
    #[rustfmt::skip]
    let table = [
        (policy().name("__Host-sid").domain("example.com"),        PolicyError::HostPrefixWithDomain),
        (policy().name("__HOST-sid").domain("example.com"),        PolicyError::HostPrefixWithDomain),
        (policy().name("__Host-sid").path("/app"),                 PolicyError::HostPrefixWithPath),
        (policy().name("__Host-sid").secure(Secure::Never),        PolicyError::PrefixWithoutSecure),
        (policy().same_site(SameSite::None).secure(Secure::Never), PolicyError::SameSiteNoneWithoutSecure),
        (policy().same_site(SameSite::None).secure(Secure::Auto),  PolicyError::SameSiteNoneWithoutSecure),
        (policy().name("sid\r\nSet-Cookie: a=b"),                  PolicyError::Name),
        (policy().domain("example.com\r\nSet-Cookie: a=b"),        PolicyError::Domain),
        (policy().path("/\r\nSet-Cookie: a=b"),                    PolicyError::Path),
    ];
    for (builder, error) in table {
        assert_eq!(builder.build().unwrap_err(), error);
    }
}
