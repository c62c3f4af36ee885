//! A directory for databases, and whether they fit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use tempfile::TempDir;

use crate::error::Failure;

/// A directory that goes with this, or, after a `kill -9`, when the next run begins.
#[derive(Debug)]
pub(crate) struct Workplace {
    directory: TempDir,
}

impl Workplace {
    pub(crate) fn new(root: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(root)?;
        for entry in fs::read_dir(root)?.flatten() {
            if is_left(&entry.file_name().to_string_lossy()) {
                // Another process may be removing it as well.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let prefix = format!("{PREFIX}{}-", process::id());
        let directory = tempfile::Builder::new().prefix(&prefix).tempdir_in(root)?;
        Ok(Self { directory })
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the message for a disk that lacks `bytes` and the reserve; `None` where they fit.
    pub(crate) fn lacks(&self, bytes: u64) -> Option<String> {
        lacks(self.directory.path(), bytes)
    }
}

const PREFIX: &str = "run-";

/// Returns `true` if a directory belongs to a process that has ended.
fn is_left(name: &str) -> bool {
    let owner = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split('-').next());
    owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists())
}

/// Returns the message for a directory whose disk lacks `bytes` and [`RESERVE`]; `None` where they fit.
pub(crate) fn lacks(directory: &Path, bytes: u64) -> Option<String> {
    let said = Command::new("df")
        .args(["-B1", "--output=avail"])
        .arg(directory)
        .output()
        .ok()?;
    let free = free_in(&String::from_utf8_lossy(&said.stdout))?;
    (free < bytes + RESERVE).then(|| {
        format!(
            "{} GB are needed in {}, and {} GB are free",
            (bytes + RESERVE).div_ceil(GB),
            directory.display(),
            free / GB
        )
    })
}

const GB: u64 = 1_000_000_000;
/// Bytes that other processes may need on the disk meanwhile.
const RESERVE: u64 = 2 * GB;

/// The number in the second line of what `df` says.
fn free_in(said: &str) -> Option<u64> {
    said.lines().nth(1)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Workplace, free_in, is_left, lacks};

    #[test]
    fn df_output_is_parsed() {
        assert_eq!(free_in("    Avail\n47000000000\n"), Some(47_000_000_000));
        assert_eq!(free_in("df: no such file\n"), None);
    }

    #[test]
    fn a_lack_of_space_is_reported_in_one_line() {
        let line = lacks(&std::env::temp_dir(), u64::MAX / 4).unwrap();
        assert!(line.contains("GB are needed in") && !line.contains('\n'));
        assert_eq!(lacks(&std::env::temp_dir(), 0), None);
    }

    #[test]
    fn a_directory_goes_with_its_owner_and_the_next_run_removes_what_is_left() {
        let root = tempfile::tempdir().unwrap();
        // No process has this number: it is above Linux's largest.
        let left = root.path().join("run-99999999-x");
        fs::create_dir(&left).unwrap();
        let first = Workplace::new(root.path()).unwrap();
        assert!(!left.exists());
        fs::write(first.file("a.db"), "x").unwrap();
        let second = Workplace::new(root.path()).unwrap();
        assert!(first.file("a.db").exists());
        drop((first, second));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn foreign_directories_are_kept() {
        assert!(!is_left("SCALE.md"));
        assert!(!is_left(&format!("run-{}-a", std::process::id())));
    }
}
