//! Any text as a file of rules: no panic, and one that is refused is refused in one line.
#![no_main]

use cloakroom_gate::Rules;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = Rules::parse(text) {
        assert!(!error.to_string().contains('\n'), "{error}");
    }
});
