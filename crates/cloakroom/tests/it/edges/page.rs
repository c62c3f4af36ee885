//! The manual's page of errors names every public error.

use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../../src/manual/errors.md");

/// The public errors in a source text, with the names of their variants.
fn errors(source: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let Some(rest) = line
            .strip_prefix("pub enum ")
            .or(line.strip_prefix("pub struct "))
        else {
            continue;
        };
        let name: String = rest
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        let ends = ["Error", "ErrorKind", "Rejection", "Attempts"];
        if !ends.iter().any(|end| name.ends_with(end))
            || ["Attempts", "OnStoreError"].contains(&&*name)
        {
            continue;
        }
        let mut variants = Vec::new();
        if line.starts_with("pub enum") {
            for line in lines.by_ref().take_while(|line| *line != "}") {
                let Some(variant) = line.strip_prefix("    ") else {
                    continue;
                };
                if variant.starts_with(|first: char| first.is_ascii_uppercase()) {
                    variants.push(
                        variant
                            .chars()
                            .take_while(char::is_ascii_alphanumeric)
                            .collect(),
                    );
                }
            }
        }
        found.push((name, variants));
    }
    found
}

fn sources(folder: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_public_error_is_in_the_manual() {
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    let errors: Vec<_> = all.iter().flat_map(|source| errors(source)).collect();
    assert!(errors.len() >= 14, "{errors:?}");
    for (error, variants) in errors {
        assert!(PAGE.contains(&error), "`{error}` is not on the page");
        for variant in variants {
            assert!(
                PAGE.contains(&format!("`{variant}`")),
                "`{error}::{variant}` is not on the page"
            );
        }
    }
}
