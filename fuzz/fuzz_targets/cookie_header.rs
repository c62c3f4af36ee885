//! Any bytes as a Cookie header: no panic, and no ticket but one that was signed.
#![no_main]

use std::sync::LazyLock;

use cloakroom::{KeyRing, Manager, MemoryStore, Policy};
use libfuzzer_sys::fuzz_target;

static MANAGER: LazyLock<Manager> = LazyLock::new(|| {
    let keys = KeyRing::with_insecure_short_secret([7; 32]).expect("any secret will do");
    let policy = Policy::express(keys).build().expect("the defaults go together");
    Manager::new(policy, MemoryStore::new())
});

fuzz_target!(|header: &[u8]| {
    assert!(MANAGER.ticket([header]).is_none(), "a forged cookie was taken");
});
