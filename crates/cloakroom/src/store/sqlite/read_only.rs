//! A file that is read alone: no lock is taken that a writer holds, and nothing is created that is missing.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::SCHEMA;
use super::open_error::OpenError;
use super::schema::{READ_COLUMNS, open_reader, set_up_reader};

/// Opens the file, and checks that it holds sessions of a version that is known here.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let connection = connect(path)?;
    check(&connection, path)?;
    Ok(connection)
}

/// Opens the file, whatever is in it.
pub(super) fn connect(path: &Path) -> Result<Connection, OpenError> {
    let opened = open_reader(path).and_then(|connection| {
        // The write-ahead log is opened by the first read.
        let looked = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
        looked.map_err(|error| OpenError::of(path, error))?;
        Ok(connection)
    });
    match opened {
        Err(error) if error.is_of(NOT_WRITABLE) && is_at_rest(path) => as_it_is(path),
        opened => opened,
    }
}

/// The codes of a file beside which no log can be created.
const NOT_WRITABLE: [ErrorCode; 3] = [
    ErrorCode::CannotOpen,
    ErrorCode::ReadOnly,
    ErrorCode::PermissionDenied,
];

/// Returns `true` if the write-ahead log holds nothing: the file alone is the whole of it.
fn is_at_rest(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(true, |log| log.len() == 0)
}

/// Opens a file beside which nothing can be created, without locks and without a log.
fn as_it_is(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let open = || {
        let connection = Connection::open_with_flags(uri(path), flags)?;
        set_up_reader(&connection)?;
        Ok(connection)
    };
    open().map_err(|error| OpenError::of(path, error))
}

/// Returns the URI of a file that nobody changes.
fn uri(path: &Path) -> String {
    let path = path.to_string_lossy();
    let escaped = path
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    format!("file:{escaped}?immutable=1")
}

fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let has = |table: &str| {
        let select = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        connection.query_row(select, [table], |row| Ok(row.get::<_, i64>(0)? > 0))
    };
    let failed = |error| OpenError::of_statement(path, error);
    if !has("cloakroom_sessions").map_err(failed)? {
        return Err(OpenError::no_sessions(path));
    }
    if has("cloakroom_schema").map_err(failed)? {
        let select = "SELECT max(version) FROM cloakroom_schema";
        let version: Option<i64> = connection
            .query_row(select, [], |row| row.get(0))
            .map_err(failed)?;
        if let Some(later) = version.filter(|version| *version > SCHEMA) {
            return Err(OpenError::newer(path, later));
        }
    }
    let prepared = connection.prepare(READ_COLUMNS).map(drop);
    prepared.map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::uri;

    #[test]
    fn a_path_becomes_a_uri() {
        for (path, expected) in [
            ("/a/b.db", "file:/a/b.db?immutable=1"),
            ("b.db", "file:b.db?immutable=1"),
            ("/100%/what?#", "file:/100%25/what%3f%23?immutable=1"),
        ] {
            assert_eq!(uri(Path::new(path)), expected);
        }
    }
}
