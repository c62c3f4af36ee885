//! Any text as a signed value: nothing verifies but what was signed, and what was signed does.
#![no_main]

use std::sync::LazyLock;

use cloakroom::KeyRing;
use cloakroom::cookie::{sign, unsign};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<KeyRing> =
    LazyLock::new(|| KeyRing::with_insecure_short_secret([7; 32]).expect("any secret will do"));

fuzz_target!(|text: &str| {
    assert_eq!(unsign(text, &KEYS), None);
    assert_eq!(unsign(&sign(text, &KEYS), &KEYS), Some(text));
});
