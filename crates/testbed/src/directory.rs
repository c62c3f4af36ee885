//! Directories that are removed: at the end of their test, or by the next run.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Once;

use tempfile::TempDir;

/// A directory that goes when this does.
#[derive(Debug)]
pub struct Directory(TempDir);

impl Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        self.0.path()
    }
}

impl Directory {
    /// The directory, to be removed by the next run of any test.
    pub fn leave(self) -> PathBuf {
        self.0.keep()
    }
}

/// A new directory; what processes that ended have left behind goes first.
pub fn directory() -> Directory {
    static SWEEP: Once = Once::new();
    let root = std::env::temp_dir().join("cloakroom-tests");
    SWEEP.call_once(|| sweep(&root));
    let own = root.join(process::id().to_string());
    fs::create_dir_all(&own).expect("temporary directories can be made");
    Directory(TempDir::new_in(own).expect("temporary directories can be made"))
}

/// Removes the directories of processes that are no more.
fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else {
        return;
    };
    for entry in entries.flatten() {
        let process = entry.file_name();
        if process != *process::id().to_string() && !Path::new("/proc").join(&process).exists() {
            // Another process may be removing it as well.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
