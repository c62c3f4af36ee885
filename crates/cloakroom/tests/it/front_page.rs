//! The quick start is one program, which README and the front page of the documentation show as it is.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(path)).unwrap()
}

/// The program without its caption.
fn quick_start() -> String {
    let example = read("examples/quickstart.rs");
    let begin = example.find("use axum").expect("it uses axum");
    example[begin..].trim_end().to_owned()
}

#[test]
fn readme_shows_the_quick_start_as_it_runs() {
    let block = format!("```rust\n{}\n```", quick_start());
    assert!(read("../../README.md").contains(&block));
}

#[test]
fn the_crate_page_shows_the_same_quick_start() {
    let lines = quick_start();
    let lines = lines
        .lines()
        .map(|line| format!("//! {line}").trim_end().to_owned());
    let block = lines.collect::<Vec<_>>().join("\n");
    assert!(read("src/lib.rs").contains(&block));
}

/// A front page that is too long is not read to its end.
#[test]
fn readme_is_short() {
    let readme = read("../../README.md");
    let prose = readme.split("```").step_by(2);
    let words: usize = prose.map(|part| part.split_whitespace().count()).sum();
    assert!(words <= 700, "{words} words beside the code");
}
