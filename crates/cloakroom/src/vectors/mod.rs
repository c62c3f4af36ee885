//! Compares with the bytes that real Express servers wrote; `CLOAKROOM_VECTORS` names another file.
//!
//! A difference on purpose has a name, and the test fails if it is no longer there. The names are those of
//! the manual's table of deviations.

mod cookies;
mod lifecycle;
mod records;
#[cfg(all(feature = "redis", feature = "postgres"))]
mod stores;

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::cookie::{CookieName, KeyRing};
use crate::policy::{Policy, PolicyBuilder, TrustedProxy};

/// 2026-01-02T03:04:05.678Z, the time of the vectors' clock.
const NOW: i64 = 1_767_323_045_678;
const SECRET: &str = "keyboard cat";

/// Names a file of other rows: numbers of rows are checked for the committed one alone.
const OTHERS: &str = "CLOAKROOM_VECTORS";

fn is_committed() -> bool {
    std::env::var_os(OTHERS).is_none()
}

static TEXT: LazyLock<String> = LazyLock::new(|| {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../interop/vectors.json");
    let path = std::env::var(OTHERS).unwrap_or_else(|_| committed.into());
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
});

static VECTORS: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&TEXT).unwrap());

/// Returns a list of the vectors, by its JSON pointer; another file may lack it.
fn list(pointer: &str) -> &'static [Value] {
    let list = VECTORS.pointer(pointer).and_then(Value::as_array);
    assert!(list.is_some() || !is_committed(), "{pointer}");
    list.map_or(&[], Vec::as_slice)
}

/// Returns labelled cases of the vectors, by their JSON pointer; another file may lack them.
fn cases(pointer: &str) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let cases = VECTORS.pointer(pointer).and_then(Value::as_object);
    assert!(cases.is_some() || !is_committed(), "{pointer}");
    let cases = cases.into_iter().flatten();
    cases.map(|(label, case)| (label.as_str(), case))
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} of {case}"))
}

/// Returns the members of a JSON object in the order in which they are written.
fn members(json: &str) -> Vec<(String, Box<RawValue>)> {
    struct Ordered;
    impl<'de> serde::de::Visitor<'de> for Ordered {
        type Value = Vec<(String, Box<RawValue>)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    serde::Deserializer::deserialize_map(&mut serde_json::Deserializer::from_str(json), Ordered)
        .unwrap()
}

fn short_keys() -> KeyRing {
    KeyRing::with_insecure_short_secret(SECRET).unwrap()
}

fn express() -> PolicyBuilder {
    Policy::express(short_keys()).trusted_proxy(TrustedProxy::None)
}

fn name(text: &str) -> CookieName {
    CookieName::parse(text).unwrap()
}

/// The deviations that the vectors showed.
static SEEN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// Notes a deviation; it must be in the manual's table.
fn deviates(name: &'static str) {
    let manual = include_str!("../manual/deviations.md");
    assert!(
        manual.contains(&format!("| `{name}` |")),
        "`{name}` is not in the table of deviations"
    );
    SEEN.lock().unwrap().insert(name);
}
