//! The file of the keys: JSON, private to its owner, replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::schedule::Advanced;
use super::{KeysError, SigningKey};

/// The place of the keys.
pub(super) struct KeyFile {
    path: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    keys: Vec<SigningKey>,
}

/// The version of the file's form.
const VERSION: u32 = 1;

impl KeyFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Reads the keys, changes them, and stores them where they have changed, while no replica does.
    pub(super) fn update(
        &self,
        change: impl FnOnce(Vec<SigningKey>) -> Result<Advanced, KeysError>,
    ) -> Result<Vec<SigningKey>, KeysError> {
        let lock = self.lock().map_err(|error| self.failed(&error))?;
        let advanced = change(self.read()?)?;
        if advanced.is_changed {
            self.write(&advanced.keys)
                .map_err(|error| self.failed(&error))?;
        }
        drop(lock);
        Ok(advanced.keys)
    }

    fn lock(&self) -> io::Result<File> {
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        let lock = private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        lock.lock()?;
        Ok(lock)
    }

    fn read(&self) -> Result<Vec<SigningKey>, KeysError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(&error)),
        };
        self.refuse_readers()?;
        // serde_json's own message could quote the seed.
        let content: Content = serde_json::from_str(&text)
            .map_err(|error| self.failed(&format!("line {} is no keys of a gate", error.line())))?;
        if content.version != VERSION {
            return Err(self.failed(&"they were written by a newer version"));
        }
        Ok(content.keys)
    }

    #[cfg(unix)]
    fn refuse_readers(&self) -> Result<(), KeysError> {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&self.path)
            .map_err(|error| self.failed(&error))?
            .permissions()
            .mode();
        if mode.trailing_zeros() >= 6 {
            return Ok(());
        }
        Err(self.failed(&"others may read them: chmod 600, and rotate them"))
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as on Unix")]
    fn refuse_readers(&self) -> Result<(), KeysError> {
        Ok(())
    }

    fn write(&self, keys: &[SigningKey]) -> io::Result<()> {
        let content = Content {
            version: VERSION,
            keys: keys.to_vec(),
        };
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let mut file = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&beside)?;
        file.write_all(serde_json::to_string_pretty(&content)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(beside, &self.path)
    }

    fn failed(&self, reason: &impl std::fmt::Display) -> KeysError {
        KeysError {
            path: format!("in {}", self.path.display()),
            reason: reason.to_string(),
        }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
