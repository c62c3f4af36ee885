//! The file: its tables, and the setup of a connection to it.

use std::path::Path;
#[cfg(unix)]
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::SCHEMA;
use super::open_error::OpenError;

use crate::util::lock;

/// The tables. Times are milliseconds since 1970. `seq` gives a scan an order that nothing changes. A file of
/// an earlier version gets the missing ones.
///
/// `due` is when pruning looks at a row: at `expires` or before. Only pruning moves it on, so that a write
/// that prolongs a session changes no index, and one page instead of three.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cloakroom_sessions (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    sid     TEXT NOT NULL UNIQUE,
    record  TEXT NOT NULL,
    expires INTEGER NOT NULL,
    user    TEXT,
    due     INTEGER NOT NULL DEFAULT 0
) STRICT;
DROP INDEX IF EXISTS cloakroom_sessions_expires;
CREATE INDEX IF NOT EXISTS cloakroom_sessions_user ON cloakroom_sessions (user)
    WHERE user IS NOT NULL;
CREATE TABLE IF NOT EXISTS cloakroom_retired (
    sid       TEXT PRIMARY KEY,
    successor TEXT NOT NULL,
    until     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cloakroom_retired_until ON cloakroom_retired (until);
CREATE TABLE IF NOT EXISTS cloakroom_clock (
    boot    TEXT PRIMARY KEY,
    started INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// The version is in a table: `user_version` belongs to the application whose file this may be.
const VERSION: &str = "
CREATE TABLE IF NOT EXISTS cloakroom_schema (version INTEGER NOT NULL) STRICT;
";

/// The column of a table that had none, and its index: rows of before are due at once.
const DUE: &str = "ALTER TABLE cloakroom_sessions ADD COLUMN due INTEGER NOT NULL DEFAULT 0";
const DUE_INDEX: &str =
    "CREATE INDEX IF NOT EXISTS cloakroom_sessions_due ON cloakroom_sessions (due)";

/// The columns that the statements of this version read.
const COLUMNS: [&str; 2] = [
    "SELECT seq, sid, record, expires, user, due FROM cloakroom_sessions",
    "SELECT sid, successor, until FROM cloakroom_retired",
];

/// The columns that reading needs: a file of before has no other.
pub(super) const READ_COLUMNS: &str =
    "SELECT seq, sid, record, expires, user FROM cloakroom_sessions";

/// Time to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// Held while a file is created.
#[cfg(unix)]
static CREATING: Mutex<()> = Mutex::new(());
/// Time to wait for readers before the write-ahead log is emptied: it can be done later.
const READERS_DONE: Duration = Duration::from_millis(100);

/// Opens the file for the thread that writes, creates missing tables, and writes into it: a file that cannot
/// be written is found out here, not at the first login.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    create_private(path);
    let refused = |error| OpenError::of(path, error);
    let mut connection = Connection::open(path).map_err(refused)?;
    if connection.path().is_none_or(str::is_empty) {
        return Err(OpenError::no_file(path));
    }
    // SQLite opens a file that it cannot write for reading, and would leave a log of that kind beside it.
    if connection.is_readonly("main").map_err(refused)? {
        return Err(OpenError::read_only(path));
    }
    configure(&connection).map_err(refused)?;
    set_up(&mut connection, path)?;
    // A process that was killed left its log.
    truncate_log(&connection);
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    write_ahead(connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Deleted content is overwritten: a copy of the file holds no session that ended.
    connection.pragma_update(None, "secure_delete", "ON")
}

/// Creates missing tables, unless the file is of a later version.
fn set_up(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let refused = |error| OpenError::of(path, error);
    // Ten processes may start at once: all but the first find the tables.
    let setup = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(refused)?;
    setup.execute_batch(VERSION).map_err(refused)?;
    let version: Option<i64> = setup
        .query_row("SELECT max(version) FROM cloakroom_schema", [], |row| {
            row.get(0)
        })
        .map_err(|error| OpenError::of_statement(path, error))?;
    if let Some(later) = version.filter(|version| *version > SCHEMA) {
        return Err(OpenError::newer(path, later));
    }
    create_tables(&setup).map_err(|error| OpenError::of_statement(path, error))?;
    // Written each time, even if it is the same: that proves that the file can be written.
    let write =
        format!("DELETE FROM cloakroom_schema; INSERT INTO cloakroom_schema VALUES ({SCHEMA})");
    setup.execute_batch(&write).map_err(refused)?;
    setup.commit().map_err(refused)
}

/// Creates what is missing, and checks that the columns are those of this version.
fn create_tables(setup: &Connection) -> rusqlite::Result<()> {
    setup.execute_batch(TABLES)?;
    if !setup.column_exists(None, "cloakroom_sessions", "due")? {
        setup.execute_batch(DUE)?;
    }
    setup.execute_batch(DUE_INDEX)?;
    let mut columns = COLUMNS.into_iter();
    columns.try_for_each(|columns| setup.prepare(columns).map(drop))
}

/// Empties the write-ahead log, where the text of a destroyed session stays otherwise.
///
/// While others read or write, it is left for another time.
pub(super) fn truncate_log(connection: &Connection) {
    if let Err(error) = empty_log(connection) {
        tracing::debug!(%error, "the write-ahead log of the SQLite store stays for now");
    }
}

/// Checkpoints the log into the file; `false` if others read or write.
pub(super) fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(READERS_DONE)?;
    let is_empty = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        Ok(row.get::<_, i64>(0)? == 0)
    });
    connection.busy_timeout(BUSY)?;
    is_empty
}

/// Creates the file for its owner alone; SQLite would let everybody read it, and gives its log the same
/// permissions. Those of an existing file are its owner's affair.
#[cfg(unix)]
fn create_private(path: &Path) {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

    let is_file = !path.as_os_str().is_empty() && !path.starts_with(":memory:");
    if !is_file || path.to_string_lossy().starts_with("file:") {
        return;
    }
    // Closing a file ends the locks that this process has on it, those of SQLite as well: it is closed before
    // this process opens it elsewhere, and never opened if it exists.
    let turn = lock(&CREATING);
    let mut create = std::fs::OpenOptions::new();
    // If it cannot be created, SQLite reports why.
    drop(create.write(true).create_new(true).mode(0o600).open(path));
    drop(turn);
    let mode = std::fs::metadata(path).map(|file| file.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        tracing::warn!("others than its owner may read the SQLite file of sessions: chmod 600 it");
    }
}

#[cfg(not(unix))]
fn create_private(_: &Path) {}

/// Switches the file to WAL. Of ten processes that start at once nine find it locked, and SQLite does not
/// wait here as it does elsewhere.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let limit = Instant::now() + BUSY;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < limit =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
}

/// Opens the file for a thread that reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        set_up_reader(&connection)?;
        Ok(connection)
    };
    open().map_err(|error| OpenError::of(path, error))
}

/// Sets up a connection that reads.
pub(super) fn set_up_reader(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    leave_the_log(connection)
}

/// Keeps the end of a connection from deleting the log: SQLite deletes it by name, which may belong to
/// another database by now.
pub(super) fn leave_the_log(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map(drop)
}
