//! Sessions in one SQLite file.

use std::path::Path;

use super::{StoreError, StoreErrorKind};

/// A store in one SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteStore(super::memory::MemoryStore);

impl SqliteStore {
    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// Always yet.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let _ = path;
        Err(StoreErrorKind::Unavailable.into())
    }
}
super::delegate!(SqliteStore, |this| this.0);
