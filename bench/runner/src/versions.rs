//! The versions of all that took part: from the lock files, and from the programs themselves.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A name and a version, or a fact of the machine.
pub(crate) type Fact = (String, String);

/// Lock files, and the packages that matter in each.
const RUST: [(&str, &str, &[&str]); 4] = [
    (
        "cloakroom",
        "Cargo.lock",
        &[
            "cloakroom",
            "axum",
            "hyper",
            "tokio",
            "redis",
            "tokio-postgres",
            "rusqlite",
            "sha2",
        ],
    ),
    (
        "tower-sessions",
        "peers/tower-sessions/Cargo.lock",
        &[
            "tower-sessions",
            "tower-sessions-redis-store",
            "tower-sessions-sqlx-store",
            "axum",
            "hyper",
            "tokio",
            "fred",
            "sqlx",
        ],
    ),
    (
        "axum_session",
        "peers/axum_session/Cargo.lock",
        &[
            "axum_session",
            "axum_session_redispool",
            "axum_session_sqlx",
            "axum",
            "hyper",
            "tokio",
            "redis",
            "sqlx",
        ],
    ),
    (
        "actix-session",
        "peers/actix-session/Cargo.lock",
        &["actix-session", "actix-web", "tokio", "redis"],
    ),
];

const NODE: [&str; 6] = [
    "express-session",
    "express",
    "connect-redis",
    "redis",
    "connect-pg-simple",
    "pg",
];

/// Returns the resolved versions of the lock files, a line for each contender.
pub(crate) fn resolved(bench: &Path) -> Vec<Fact> {
    let mut facts: Vec<Fact> = RUST.iter().map(|lock| of_lock(bench, *lock)).collect();
    let lock = fs::read_to_string(bench.join("../interop/package-lock.json")).unwrap_or_default();
    let found = NODE.iter().filter_map(|package| {
        let version = npm_version(&lock, package)?;
        Some(format!("{package} {version}"))
    });
    let found = found.collect::<Vec<_>>().join(", ");
    facts.push(("express-session".to_owned(), found));
    facts
}

/// The versions of those who take part in the page of the gate.
pub(crate) fn of_gate(bench: &Path) -> Vec<Fact> {
    let locks: [(&str, &str, &[&str]); 2] = [
        (
            "cloakroom gate",
            "../Cargo.lock",
            &[
                "cloakroom-gate",
                "axum-reverse-proxy",
                "axum",
                "hyper",
                "tokio",
                "redis",
                "ring",
            ],
        ),
        (
            "axum-reverse-proxy",
            "peers/reverse-proxy/Cargo.lock",
            &[
                "axum-reverse-proxy",
                "axum",
                "hyper",
                "tokio",
                "redis",
                "hmac",
            ],
        ),
    ];
    let mut facts = locks.map(|lock| of_lock(bench, lock)).to_vec();
    // It says so on standard error.
    let output = Command::new("/usr/sbin/nginx").arg("-v").output();
    let nginx = output.map(|output| String::from_utf8_lossy(&output.stderr).trim().to_owned());
    facts.push((
        "nginx".to_owned(),
        nginx.unwrap_or_else(|_| "not there".to_owned()),
    ));
    let peer = "oauth2-proxy is not a package of Debian 12, and was not measured";
    facts.push(("not here".to_owned(), peer.to_owned()));
    facts
}

fn of_lock(bench: &Path, (name, file, packages): (&str, &str, &[&str])) -> Fact {
    let lock = fs::read_to_string(bench.join(file)).unwrap_or_default();
    let found = packages.iter().filter_map(|package| {
        let version = cargo_version(&lock, package)?;
        Some(format!("{package} {version}"))
    });
    (name.to_owned(), found.collect::<Vec<_>>().join(", "))
}

/// The machine and what runs on it.
pub(crate) fn machine() -> Vec<Fact> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cores = cpu
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let facts = [
        (
            "processor",
            format!("{cores} × {}", field(&cpu, "model name")),
        ),
        ("memory", field(&memory, "MemTotal")),
        ("kernel", said("uname", &["-sr"])),
        ("Rust", said("rustc", &["--version"])),
        ("Node", said("node", &["--version"])),
        ("Redis", redis()),
        ("PostgreSQL", said("psql", &["--version"])),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Today, and the hour, in UTC.
pub(crate) fn now() -> String {
    said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])
}

/// Returns the machine's load: processes that run or wait, over one, five and fifteen minutes.
pub(crate) fn load() -> String {
    let said = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    said.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// The version that Redis names among much else.
fn redis() -> String {
    let said = said("redis-server", &["--version"]);
    let version = said.split(' ').find_map(|word| word.strip_prefix("v="));
    version.map_or(said.clone(), str::to_owned)
}

/// The first line that a program says.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.lines().next().unwrap_or("not there").trim().to_owned()
}

/// The newest of the versions that a lock file of Cargo has.
fn cargo_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    let mut found = None;
    while let Some(line) = lines.next() {
        if line == name {
            let version = lines.next()?.strip_prefix("version = \"")?;
            found = version.strip_suffix('"');
        }
    }
    found
}

fn npm_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, entry) = lock.split_once(&format!("\"node_modules/{package}\": {{"))?;
    let (_, version) = entry.split_once("\"version\": \"")?;
    version.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_lock_files() {
        let cargo = "[[package]]\nname = \"axum\"\nversion = \"0.7.1\"\n\n\
                     [[package]]\nname = \"axum\"\nversion = \"0.8.9\"\n\n\
                     [[package]]\nname = \"axum-core\"\nversion = \"0.5.6\"\n";
        assert_eq!(cargo_version(cargo, "axum"), Some("0.8.9"));
        assert_eq!(cargo_version(cargo, "ax"), None);
        let npm = r#""node_modules/pg": { "version": "8.1.0", }, "node_modules/pg-pool": { "version": "3.0.0" }"#;
        assert_eq!(npm_version(npm, "pg"), Some("8.1.0"));
        assert_eq!(npm_version(npm, "pg-pool"), Some("3.0.0"));
        assert_eq!(npm_version(npm, "redis"), None);
    }

    #[test]
    fn every_package_is_in_its_lock_file() {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (name, file, packages) in RUST {
            let lock = fs::read_to_string(bench.join(file)).unwrap();
            for package in packages {
                assert!(cargo_version(&lock, package).is_some(), "{name}: {package}");
            }
        }
    }
}
