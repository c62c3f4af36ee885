//! The files of an open database, and the check that they are still those at its path.
//!
//! SQLite goes on writing into a file that was deleted or renamed: no other process would find what it
//! acknowledges there. The file system numbers files; the number of an open file is not reused.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// The identity of a file in the file system: its device and its number there.
type FileId = (u64, u64);

/// The files of a database as they were when it was opened.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// The absolute path by which it was opened.
    path: PathBuf,
    log: PathBuf,
    index: PathBuf,
    opened: FileIds,
}

/// The files at the three paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIds {
    database: Option<FileId>,
    log: Option<FileId>,
    index: Option<FileId>,
}

/// The state of the files of an open database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilesState {
    /// All are at their paths.
    Here,
    /// The database is; its write-ahead log, or the index of that, is not.
    LogGone,
    /// Another file, or none, is at the path of the database.
    Gone,
}

impl Files {
    /// Records the files of a connection that has just written.
    pub(super) fn of(connection: &Connection, path: &Path) -> Self {
        // SQLite resolves links, and keeps the log beside the file itself.
        let resolved = connection.path().unwrap_or_default();
        let is_uri = path.to_string_lossy().starts_with("file:");
        let given = std::path::absolute(path).ok().filter(|_| !is_uri);
        let mut files = Self {
            path: given.unwrap_or_else(|| resolved.into()),
            log: format!("{resolved}-wal").into(),
            index: format!("{resolved}-shm").into(),
            opened: FileIds {
                database: None,
                log: None,
                index: None,
            },
        };
        files.opened = files.look();
        files
    }

    /// Returns the state of the files: three calls to the file system.
    pub(super) fn standing(&self) -> FilesState {
        judge(self.opened, self.look())
    }

    /// Returns `true` if the database is still the one that was opened: one call.
    pub(super) fn is_here(&self) -> bool {
        file_id(&self.path) == self.opened.database
    }

    fn look(&self) -> FileIds {
        FileIds {
            database: file_id(&self.path),
            log: file_id(&self.log),
            index: file_id(&self.index),
        }
    }
}

/// Decides the state of a database's files from what they were and are.
fn judge(opened: FileIds, now: FileIds) -> FilesState {
    if now.database != opened.database {
        return FilesState::Gone;
    }
    if (now.log, now.index) != (opened.log, opened.index) {
        return FilesState::LogGone;
    }
    FilesState::Here
}

#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// Elsewhere an open file cannot be removed.
#[cfg(not(unix))]
fn file_id(_: &Path) -> Option<FileId> {
    None
}

#[cfg(test)]
mod tests {
    use super::{FileIds, FilesState, judge};

    #[test]
    fn file_is_identified_by_its_inode() {
        let seen = |database, log, index| {
            let id = |number: u64| Some((1, number)).filter(|_| number > 0);
            FileIds {
                database: id(database),
                log: id(log),
                index: id(index),
            }
        };
        #[rustfmt::skip]
        let table = [ // database, log, index
            (7, 8, 9, FilesState::Here),
            (0, 8, 9, FilesState::Gone),     // deleted, or its directory moved
            (0, 0, 0, FilesState::Gone),
            (6, 8, 9, FilesState::Gone),     // another file in its place
            (7, 0, 9, FilesState::LogGone),  // deleted
            (7, 6, 9, FilesState::LogGone),  // a later process began another
            (7, 8, 0, FilesState::LogGone),
            (7, 0, 0, FilesState::LogGone),
        ];
        for (database, log, index, standing) in table {
            let now = seen(database, log, index);
            assert_eq!(judge(seen(7, 8, 9), now), standing, "{now:?}");
        }
    }
}
