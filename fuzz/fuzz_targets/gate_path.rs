//! Any text as a path: no panic, and none that is accepted has a second reading.
#![no_main]

use cloakroom_gate::JudgedPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &str| {
    if let Ok(judged) = JudgedPath::judge(path) {
        let read = judged.as_str();
        assert!(read.starts_with('/') && !read.contains(['%', '\\', ';', '?', '#', '\0']), "{path:?}");
        assert!(read == "/" || read[1..].split('/').all(|part| !part.is_empty() && !part.ends_with('.')), "{path:?}");
    }
});
