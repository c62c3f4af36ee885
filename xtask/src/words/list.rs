//! The words that the field does not use for what they were used for here.

use std::fs;
use std::path::{Path, PathBuf};

use super::sources::walk;

/// Words that a doc comment does not open with.
const QUESTIONS: [&str; 12] = [
    "What", "Whether", "How", "Why", "When", "Where", "Which", "Who", "Whose", "Whom", "If",
    "The same",
];

/// House phrases, in lower case, and what to write instead.
#[rustfmt::skip]
const OLD: [(&str, &str); 22] = [
    ("taken apart",       "parsed"),
    ("takes apart",       "parses"),
    ("lets go of",        "drops, evicts, expires"),
    ("let go of",         "dropped, evicted, expired"),
    (" anew",             "again"),
    ("draw an id",        "generate an id"),
    ("draws an id",       "generates an id"),
    ("in vain",           "timed out"),
    ("hangs up",          "disconnects"),
    ("hung up",           "disconnected"),
    ("saves that meet",   "concurrent saves"),
    ("reads that meet",   "coalesced reads"),
    ("by where it lies",  "by address"),
    ("by what it says",   "by content"),
    ("by what they say",  "by content"),
    ("looks again",       "re-reads"),
    ("dear to make",      "expensive"),
    ("brings back",       "resurrects"),
    ("is nobody's",       "is anonymous"),
    (".of_user(",         "list_by_user("),
    ("destroy_of_user",   "destroy_by_user"),
    (".and_verify(",      "with_verification_key("),
];

/// Says whether a doc comment's first line opens with a question word.
pub(crate) fn is_question(first: &str) -> bool {
    QUESTIONS.iter().any(|word| {
        first
            .strip_prefix(word)
            .is_some_and(|rest| rest.starts_with([' ', ',']))
    })
}

/// Reads the sources and pages that are held to the list, each with its name; this file has all the words.
pub(crate) fn texts(root: &Path) -> Result<Vec<(String, String)>, String> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in [
        "crates",
        "fuzz",
        "xtask",
        "bench/runner",
        "bench/scale",
        "bench/paths",
        "bench/peers",
    ] {
        walk(&root.join(folder), &mut paths)?;
    }
    let pages = fs::read_dir(root.join("crates/cloakroom/src/manual"));
    paths.extend(
        pages
            .map_err(|error| error.to_string())?
            .flatten()
            .map(|page| page.path()),
    );
    paths.extend(
        [
            "README.md",
            "ARCHITECTURE.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
        ]
        .map(|page| root.join(page)),
    );
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        if !name.ends_with("words/list.rs") {
            found.push((name, text));
        }
    }
    Ok(found)
}

/// Finds old words: `file:line: word; rather: …`.
pub(crate) fn in_text(name: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(at, line)| {
            let line = line.to_lowercase();
            let old = OLD.iter().filter(move |(word, _)| line.contains(word));
            old.map(move |(word, rather)| {
                format!("{name}:{}: \"{}\"; rather: {rather}", at + 1, word.trim())
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_seen_by_their_first_word() {
        for first in [
            "Whether it is.",
            "What, then",
            "How long",
            "The same for all",
        ] {
            assert!(is_question(first), "{first}");
        }
        for first in [
            "Whatever comes",
            "Returns it",
            "Whenever",
            "The samesite attribute",
        ] {
            assert!(!is_question(first), "{first}");
        }
    }

    #[test]
    fn old_words_are_found_with_their_place() {
        let found = in_text("a.md", "x\nIt is Taken apart.\n");
        assert_eq!(found, ["a.md:2: \"taken apart\"; rather: parsed"]);
        assert!(in_text("a.md", "parsed").is_empty());
    }
}
