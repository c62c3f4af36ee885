//! F19: cookies that are almost one of ours: none opens a session, and none costs a store call.

use std::sync::Arc;

use cloakroom::cookie::sign;
use cloakroom::policy::RequestInfo;
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::{KeyRing, Manager, MemoryStore, Policy, Secure, SessionId};

use super::{control, rounds, saw};
use crate::support::{SECRET, keys};

/// Forges a signed value in one of several ways.
fn forged(value: &str, other: &str, at: usize) -> String {
    let place = at % value.len();
    match at % 5 {
        // A bit of one character; those that are no letter then are refused as well.
        0 => {
            let mut bytes = value.as_bytes().to_vec();
            bytes[place] ^= 1 << (at / value.len() % 3);
            String::from_utf8_lossy(&bytes).into_owned()
        }
        1 => value[..place].to_owned(),
        2 => format!("{value}{}", &value[..=place]),
        // The id of one under the signature of the other.
        3 => {
            let (id, signature) = (value.split('.').next(), other.split('.').nth(1));
            format!("{}.{}", id.unwrap(), signature.unwrap())
        }
        _ => {
            let ring = KeyRing::new(format!("{at} is not the secret of these tests")).unwrap();
            format!("s:{}", sign(SessionId::random().expose(), &ring))
        }
    }
}

fn field(value: &str) -> String {
    let escaped = value
        .replace('%', "%25")
        .replace(':', "%3A")
        .replace('+', "%2B");
    format!(
        "connect.sid={}",
        escaped.replace('/', "%2F").replace('=', "%3D")
    )
}

#[tokio::test]
async fn f19_forged_cookies_open_nothing_and_cost_the_store_nothing() {
    let store = FaultInjectingStore::new(Arc::new(MemoryStore::new()));
    let policy = Policy::builder(keys())
        .secure(Secure::Never)
        .build()
        .unwrap();
    let manager = Manager::new(policy, store.clone());
    let [value, other] = [(); 2].map(|()| {
        let ring = KeyRing::new(SECRET).unwrap();
        format!("s:{}", sign(SessionId::random().expose(), &ring))
    });
    let (rounds, mut opened) = (rounds(5_000), 0);
    for at in 0..rounds {
        let forged = forged(&value, &other, at);
        if forged == value {
            continue;
        }
        let cookie = field(&forged);
        let session = manager
            .open([cookie.as_bytes()], RequestInfo::default())
            .await
            .unwrap();
        opened += usize::from(!session.is_new());
    }
    let calls = store.take_calls().len();
    assert_eq!((opened, calls), (0, 0));
    saw(
        "F19",
        &format!(
            "{rounds} cookies: a bit changed, cut short, made longer, signatures exchanged, another secret"
        ),
        "0 opened, 0 calls to the store",
    );
    // The control: a true one is looked up.
    let cookie = field(&value);
    manager
        .open([cookie.as_bytes()], RequestInfo::default())
        .await
        .unwrap();
    let calls = store.take_calls().len();
    assert!(calls > 0);
    control("F19", &format!("a true one: {calls} calls"));
}
