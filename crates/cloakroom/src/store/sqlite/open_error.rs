//! Errors of opening a file, each one sentence that names the file and the next move.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::SCHEMA;

/// A file that cannot be used.
#[derive(Debug)]
pub(super) struct OpenError {
    file: PathBuf,
    why: Why,
    source: Option<rusqlite::Error>,
}

/// The reason why a file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    NoFile,
    Directory,
    NoDirectory,
    NotWritable,
    NoDatabase,
    Damaged,
    Newer(i64),
    OtherTables,
    NoSessions,
    Full,
    Failing,
    Locked,
    Other,
}

/// The kind of entry at the path of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileRole {
    File,
    Directory,
    /// Nothing, in a directory that is there.
    Free,
    /// Nothing, and the directory is not there either.
    Nowhere,
}

impl OpenError {
    /// Builds the error for a name under which each connection would have a database of its own.
    pub(super) fn no_file(file: &Path) -> Self {
        Self::new(file, Why::NoFile, None)
    }

    /// Builds the error for a file that a later version of this library has changed.
    pub(super) fn newer(file: &Path, version: i64) -> Self {
        Self::new(file, Why::Newer(version), None)
    }

    /// Builds the error from SQLite's and from what is at the path.
    pub(super) fn of(file: &Path, source: rusqlite::Error) -> Self {
        let why = why(source.sqlite_error_code(), FileRole::at(file));
        Self::new(file, why, Some(source))
    }

    /// Builds the error for a file that was opened for reading only, because it cannot be written.
    pub(super) fn read_only(file: &Path) -> Self {
        Self::new(file, Why::NotWritable, None)
    }

    /// Builds the error for a database without the tables of this library.
    pub(super) fn no_sessions(file: &Path) -> Self {
        Self::new(file, Why::NoSessions, None)
    }

    /// Returns `true` if SQLite gave one of these codes.
    pub(super) fn is_of(&self, codes: impl IntoIterator<Item = ErrorCode>) -> bool {
        let code = self
            .source
            .as_ref()
            .and_then(rusqlite::Error::sqlite_error_code);
        codes.into_iter().any(|one| Some(one) == code)
    }

    /// Builds the error of a statement that is right for the tables of this version, as [`of`](Self::of)
    /// otherwise.
    pub(super) fn of_statement(file: &Path, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            None | Some(ErrorCode::Unknown) => Self::new(file, Why::OtherTables, Some(source)),
            _ => Self::of(file, source),
        }
    }

    fn new(file: &Path, why: Why, source: Option<rusqlite::Error>) -> Self {
        let file = file.to_owned();
        Self { file, why, source }
    }
}

impl FileRole {
    fn at(file: &Path) -> Self {
        match std::fs::metadata(file) {
            Ok(found) if found.is_dir() => Self::Directory,
            Ok(_) => Self::File,
            Err(_) if directory_of(file).is_dir() => Self::Free,
            Err(_) => Self::Nowhere,
        }
    }
}

fn directory_of(file: &Path) -> &Path {
    let parent = file.parent().filter(|parent| *parent != Path::new(""));
    parent.unwrap_or(Path::new("."))
}

/// Decides what is wrong with a file from SQLite's code and what is at its path.
fn why(code: Option<ErrorCode>, place: FileRole) -> Why {
    match (place, code) {
        (FileRole::Directory, _) => Why::Directory,
        (FileRole::Nowhere, _) => Why::NoDirectory,
        (_, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)) => {
            Why::NotWritable
        }
        (_, Some(ErrorCode::NotADatabase)) => Why::NoDatabase,
        (_, Some(ErrorCode::DatabaseCorrupt)) => Why::Damaged,
        (_, Some(ErrorCode::DiskFull)) => Why::Full,
        (_, Some(ErrorCode::SystemIoFailure)) => Why::Failing,
        (_, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => Why::Locked,
        _ => Why::Other,
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, directory) = (self.file.display(), directory_of(&self.file).display());
        match self.why {
            Why::NoFile => write!(
                f,
                "`{file}` names no file: give SQLite the path of one, or use memory: for sessions that \
                 end with the process"
            ),
            Why::Directory => {
                write!(
                    f,
                    "{file} is a directory: name a file in it, such as {file}/sessions.db"
                )
            }
            Why::NoDirectory => write!(
                f,
                "{file} cannot be created, since the directory {directory} does not exist: create it"
            ),
            Why::NotWritable => write!(
                f,
                "{file} cannot be written: give this process read and write access to the file, to its \
                 -wal and -shm if they are there, and to the directory {directory}, on a file system \
                 that is mounted for writing"
            ),
            Why::NoDatabase => write!(
                f,
                "{file} is no SQLite database: name another file, or move this one away"
            ),
            Why::Damaged => write!(
                f,
                "{file} is damaged: put a backup in its place, or move it away and let everybody sign \
                 in once more"
            ),
            Why::Newer(version) => write!(
                f,
                "{file} was written by a newer version of cloakroom (schema {version}, this one knows \
                 {SCHEMA}): run that version, or name another file"
            ),
            Why::OtherTables => write!(
                f,
                "{file} has a table cloakroom_sessions or cloakroom_retired of another shape: name \
                 another file, or drop that table"
            ),
            Why::NoSessions => write!(
                f,
                "{file} holds no sessions of this library: give the file that the serving program has"
            ),
            Why::Full => write!(
                f,
                "{file} cannot be written, since its disk is full: free some space"
            ),
            Why::Failing => write!(
                f,
                "{file} cannot be written, since its disk is full or fails: free some space, or look into \
                 the system's log"
            ),
            Why::Locked => write!(
                f,
                "{file} is locked by another process: end that one, or wait until it is done"
            ),
            Why::Other => write!(f, "{file} cannot be opened: see the cause"),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ErrorCode;

    use super::{FileRole, Why, why};

    #[test]
    #[rustfmt::skip]
    fn reason_follows_from_sqlites_code_and_the_path() {
        let table = [
            (Some(ErrorCode::CannotOpen),       FileRole::Directory, Why::Directory),
            (Some(ErrorCode::CannotOpen),       FileRole::Nowhere,   Why::NoDirectory),
            (Some(ErrorCode::CannotOpen),       FileRole::Free,      Why::NotWritable),
            (Some(ErrorCode::CannotOpen),       FileRole::File,      Why::NotWritable), // its log
            (Some(ErrorCode::ReadOnly),         FileRole::File,      Why::NotWritable),
            (Some(ErrorCode::PermissionDenied), FileRole::File,      Why::NotWritable),
            (Some(ErrorCode::NotADatabase),     FileRole::File,      Why::NoDatabase),
            (Some(ErrorCode::DatabaseCorrupt),  FileRole::File,      Why::Damaged),
            (Some(ErrorCode::DiskFull),         FileRole::File,      Why::Full),
            (Some(ErrorCode::SystemIoFailure),  FileRole::File,      Why::Failing),
            (Some(ErrorCode::DatabaseBusy),     FileRole::File,      Why::Locked),
            (Some(ErrorCode::OutOfMemory),      FileRole::File,      Why::Other),
            (None,                              FileRole::File,      Why::Other),
        ];
        for (code, place, wrong) in table {
            assert_eq!(why(code, place), wrong, "{code:?} {place:?}");
        }
    }
}
