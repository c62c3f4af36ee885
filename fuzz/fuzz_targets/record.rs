//! Any text as a stored record: a session or a fresh one, never a panic; and what is written over it
//! is JSON again.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use cloakroom::cookie::sign;
use cloakroom::policy::RequestInfo;
use cloakroom::record::{UserKeys, renormalize};
use cloakroom::store::{NewRecord, Store as _};
use cloakroom::{Clock, KeyRing, Manager, MemoryStore, Policy, SessionId};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts")
});

fuzz_target!(|text: &str| {
    let _ = UserKeys::default().user_of(text);
    if let Some(json) = renormalize(text) {
        assert_eq!(renormalize(&json).as_deref(), Some(json.as_str()), "it settles at once");
    }
    RUNTIME.block_on(change(text));
});

/// Changes a session whose record is `text`.
async fn change(text: &str) {
    let keys = KeyRing::with_insecure_short_secret([7; 32]).expect("any secret will do");
    let store = MemoryStore::new();
    let policy = Policy::express(keys.clone()).build().expect("the defaults go together");
    let manager = Manager::new(policy, store.clone());
    let id = SessionId::random();
    let expires = Clock::System.now().after(Duration::from_secs(60));
    let entry = NewRecord { text: text.into(), expires, users: Vec::new() };
    store.create(&id, &entry).await.expect("a new id can be stored");
    let cookie = format!("connect.sid=s:{}", sign(id.expose(), &keys));
    let session = manager.open([cookie.as_bytes()], RequestInfo::default()).await.expect("it opens");
    session.insert("a", 1).expect("a number can be kept");
    let _ = manager.close(&session).await;
    if let Ok(Some(stored)) = store.get(&session.id()).await {
        assert!(serde_json::from_str::<&RawValue>(&stored.text).is_ok());
    }
}
