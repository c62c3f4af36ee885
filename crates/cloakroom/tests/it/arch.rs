//! Checks the map in ARCHITECTURE.md: imports point inward.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the library, and the modules that it may import.
#[rustfmt::skip]
const MAP: [(&str, &[&str]); 16] = [
    ("clock",       &[]),
    ("id",          &[]),
    ("util",        &[]),
    ("record",      &["clock"]),
    ("cookie",      &["clock", "id", "record", "util"]),
    ("policy",      &["clock", "id", "record", "cookie"]),
    ("lifecycle",   &["clock", "id", "record", "cookie", "policy"]),
    ("store",       &["clock", "id", "record", "util"]),
    ("observe",     &["clock", "id", "record", "store"]),
    ("watch",       &["clock", "id", "store", "util"]),
    ("coordinator", &["clock", "id", "record", "cookie", "policy", "lifecycle", "store", "observe", "util", "watch"]),
    ("session",     &["clock", "id", "record", "cookie", "policy", "lifecycle", "store", "observe", "util", "watch", "coordinator"]),
    ("auth",        &["clock", "id", "policy", "record", "observe", "session", "util"]),
    ("manager",     &["clock", "id", "record", "cookie", "policy", "lifecycle", "store", "observe", "coordinator", "session", "auth"]),
    ("web",         &["auth", "observe", "policy", "store", "util", "watch", "session", "manager", "testing"]),
    ("testing",     &["clock", "cookie", "policy", "store", "session", "manager", "web"]),
];

/// Crates that one part of the library alone may use.
const CONFINED: [(&str, &str); 18] = [
    ("governor", "auth/attempts"),
    ("metrics", "observe/metrics"),
    ("actix_web", "web/actix"),
    ("socketioxide", "web/socketio"),
    ("axum", "web"),
    ("axum_core", "web"),
    ("http", "web"),
    ("tower_service", "web"),
    ("rusqlite", "store/sqlite"),
    ("hashbrown", "store/memory"),
    ("quick_cache", "store/near"),
    ("redis", "store/redis"),
    ("tokio_postgres", "store/postgres"),
    ("deadpool_postgres", "store/postgres"),
    ("tokio_postgres_rustls", "store/postgres"),
    ("rustls_native_certs", "store/postgres"),
    ("mongodb", "store/mongodb"),
    ("bson", "store/mongodb"),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The library's files with their paths below `src`, tests aside.
fn files() -> Vec<(String, String)> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&source(), &mut paths);
    let name = |path: &Path| {
        path.strip_prefix(source())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let is_code = |name: &str| {
        Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "rs")
            && !name.ends_with("tests.rs")
            && !name.contains("/tests/")
            && !name.starts_with("vectors/")
    };
    let code = paths.iter().filter(|path| is_code(&name(path)));
    code.map(|path| (name(path), fs::read_to_string(path).unwrap()))
        .collect()
}

fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The lines of code before a module's tests, without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    text[..end]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn imports_point_inward() {
    let mut broken = Vec::new();
    for (file, text) in files() {
        let module = module_of(&file);
        let Some((_, allowed)) = MAP.iter().find(|(name, _)| *name == module) else {
            continue;
        };
        for imported in code(&text).flat_map(imports) {
            let known = MAP.iter().any(|(name, _)| *name == imported);
            if known && imported != module && !allowed.contains(&imported.as_str()) {
                broken.push(format!("{file} imports crate::{imported}"));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "imports that the map does not allow:\n{}",
        broken.join("\n")
    );
}

/// Returns the paths that a line names as `crate::…`.
fn imports(line: &str) -> Vec<String> {
    let starts = line.match_indices("crate::").filter(|(at, _)| {
        // `$crate::` in a macro speaks of the library from outside.
        !line[..*at].ends_with(['$', '_']) && !line[..*at].ends_with(char::is_alphanumeric)
    });
    let name = |at: usize| {
        let rest = &line[at + "crate::".len()..];
        rest.chars()
            .take_while(|&c| c.is_alphanumeric() || c == '_')
            .collect::<String>()
    };
    starts.map(|(at, _)| name(at)).collect()
}

#[test]
fn every_module_is_on_the_map() {
    let named: BTreeSet<&str> = MAP.iter().map(|(name, _)| *name).collect();
    let others = BTreeSet::from(["lib", "manual", "vectors"]);
    for (file, _) in files() {
        let module = module_of(&file);
        assert!(
            named.contains(module) || others.contains(module),
            "{file} is not on the map"
        );
    }
    let page = fs::read_to_string(source().join("../../../ARCHITECTURE.md")).unwrap();
    for module in named {
        assert!(
            page.contains(&format!("`{module}")),
            "ARCHITECTURE.md does not name `{module}`"
        );
    }
    assert!(
        page.lines().count() < 150,
        "ARCHITECTURE.md is to stay under 150 lines"
    );
}

#[test]
fn frameworks_and_databases_are_imported_only_in_their_folders() {
    let mut broken = Vec::new();
    for (file, text) in files() {
        for (name, corner) in CONFINED {
            let uses = |line: &str| {
                let at = line.find(&format!("{name}::"));
                at.is_some_and(|at| {
                    !line[..at].ends_with([':', '_']) || line[..at].trim_end().ends_with("use ::")
                }) && !at.is_some_and(|at| line[..at].ends_with(char::is_alphanumeric))
            };
            if !file.starts_with(corner) && code(&text).any(uses) {
                broken.push(format!("{file} uses {name}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// W1: one module determines the signed-in user; every other module takes its result.
#[test]
fn one_module_determines_the_signed_in_user() {
    #[rustfmt::skip]
    let may = [
        "record/", "auth/login.rs", "auth/passport.rs", "auth/impersonate.rs", "lifecycle/merge.rs",
        "lifecycle/late.rs",
        // The servers' own indexes by user, checked by tests.
        "store/postgres/ddl.rs", "store/mongodb/user_index.rs", "store/conformance",
    ];
    let notions = [
        "owner_by(",
        "user_id(",
        "OF_OBJECT",
        "\"passport",
        "\"userId\"",
    ];
    for (file, text) in files() {
        if may.iter().any(|may| file.starts_with(may)) {
            continue;
        }
        for line in code(&text) {
            let found = notions.iter().find(|notion| line.contains(*notion));
            assert_eq!(found, None, "{file}: {line}");
        }
    }
}

/// The modules that decide; others carry out.
const DECIDES: [&str; 5] = ["lifecycle", "cookie", "policy", "record", "auth"];

#[test]
fn decisions_do_no_io() {
    for module in DECIDES {
        let is_there = MAP.iter().any(|(name, _)| *name == module);
        assert!(is_there, "{module} is not on the map");
    }
    for (file, text) in files() {
        if DECIDES.contains(&module_of(&file)) {
            for line in code(&text) {
                let acts = [
                    "async fn",
                    "async move",
                    ".await",
                    "tokio::",
                    "store::",
                    "coordinator",
                    "SystemTime::now",
                ];
                assert!(!acts.iter().any(|act| line.contains(act)), "{file}: {line}");
            }
        }
    }
}

/// R10: tests share their machine with builds. What is waited for is waited for in minutes; what is promised
/// in seconds is compared with a control, by `testbed::pace`.
#[test]
fn r10_no_test_asserts_wall_clock_seconds() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    let mut folders = vec![crates];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let lines = text.lines().map(str::trim_start);
                let held = lines.filter(|line| holds_to_seconds(line));
                found.extend(held.map(|line| format!("{}: {line}", path.display())));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// An assertion, or a part of one: `started.elapsed() < Duration::from_secs(2)`.
fn holds_to_seconds(line: &str) -> bool {
    let is_loop = ["while ", "if ", "//", "&& ", "|| ", "let "];
    let compares = ["from_millis(", "from_secs("].iter().any(|unit| {
        let bound = format!("elapsed() < Duration::{unit}");
        line.contains(&bound) || line.contains(&bound.replace('<', "<="))
    });
    compares && !is_loop.iter().any(|word| line.starts_with(word))
}

#[test]
fn an_assertion_of_wall_clock_seconds_is_detected() {
    let unit = "Duration::from_secs(2)";
    for (line, held) in [
        (format!("assert!(begin.elapsed() < {unit});"), true),
        (format!("begin.elapsed() <= {unit},"), true),
        (format!("while begin.elapsed() < {unit} {{"), false),
        (
            "assert!(begin.elapsed() < Duration::from_mins(2));".to_owned(),
            false,
        ),
        (format!("assert!(pace.is_within({unit}));"), false),
    ] {
        assert_eq!(holds_to_seconds(&line), held, "{line}");
    }
}
