//! The statements of express-session 1.19.0's own tests: each has its number and its test.
//!
//! Eighteen of the 160 statements are about Node and Express themselves. Where the library differs
//! on purpose, the test shows its response, and a comment names the deviation of the manual's table.

mod api;
mod attributes;
mod auto;
mod cookie;
pub(crate) mod gate;
mod id;
mod path;
mod proxy;
mod rolling_resave_save;
mod secret;
mod server;
mod session;
mod stored;
mod unset;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The statements that can be seen over HTTP, in the store, or through the API.
#[rustfmt::skip]
const STATEMENTS: [u32; 142] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 23, 24, 25, 26, 27, 31,
    32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55,
    56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 79, 80,
    81, 82, 83, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104,
    105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 118, 119, 120, 121, 122, 123, 124, 125, 126,
    128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 140, 141, 142, 143, 144, 145, 146, 147,
    148, 149, 150, 151, 152, 153, 154,
];

/// The text of all files of statements.
fn sources() -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/express");
    let files = fs::read_dir(directory).unwrap();
    files
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect()
}

/// Counts the tests whose names begin with each number.
fn tested(sources: &str) -> BTreeMap<u32, usize> {
    let mut tested = BTreeMap::new();
    for line in sources.lines() {
        let Some((_, name)) = line.split_once("fn s") else {
            continue;
        };
        if let (Some(Ok(number)), Some("_")) = (name.get(..3).map(str::parse), name.get(3..4)) {
            *tested.entry(number).or_default() += 1;
        }
    }
    tested
}

#[test]
fn every_statement_has_its_test() {
    let tested = tested(&sources());
    for number in STATEMENTS {
        assert_eq!(tested.get(&number), Some(&1), "statement {number}");
    }
    assert_eq!(tested.len(), STATEMENTS.len(), "{:?}", tested.keys());
}

#[test]
fn every_deviation_is_in_the_manual() {
    let table = include_str!("../../src/manual/deviations.md");
    let sources = sources();
    let mut named = 0;
    for line in sources.lines() {
        let Some((_, after)) = line.split_once("// deviation: ") else {
            continue;
        };
        let end = after.find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_'));
        let name = &after[..end.unwrap_or(after.len())];
        named += 1;
        assert!(table.contains(&format!("| `{name}` |")), "no row `{name}`");
    }
    assert!(named >= 20, "{named}");
}
