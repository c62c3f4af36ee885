//! The file: its tables, and how a connection to it is set up.

use std::path::Path;
#[cfg(unix)]
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Result, TransactionBehavior};

/// Times are milliseconds since 1970. `seq` gives a scan an order that nothing changes. A file of an
/// earlier version gets what it lacks.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cloakroom_sessions (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    sid     TEXT NOT NULL UNIQUE,
    record  TEXT NOT NULL,
    expires INTEGER NOT NULL,
    user    TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS cloakroom_sessions_expires ON cloakroom_sessions (expires);
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

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// Held by whoever creates a file.
#[cfg(unix)]
static CREATING: Mutex<()> = Mutex::new(());
/// How long to wait for readers before the write-ahead log is emptied: there is another time.
const READERS_DONE: Duration = Duration::from_millis(100);

pub(super) fn open_writer(path: &Path) -> Result<Connection> {
    create_private(path);
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    write_ahead(&connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // What is deleted is overwritten: a copy of the file holds no session that ended.
    connection.pragma_update(None, "secure_delete", "ON")?;
    // Ten processes may start at once: whoever comes second finds the table.
    let setup = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    setup.execute_batch(TABLES)?;
    setup.commit()?;
    // A process that was killed left its log.
    truncate_log(&connection);
    Ok(connection)
}

/// Empties the write-ahead log, where the text of a destroyed session stays otherwise.
///
/// While others read or write, it stays for another time.
pub(super) fn truncate_log(connection: &Connection) {
    let emptied = connection
        .busy_timeout(READERS_DONE)
        .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
        .and(connection.busy_timeout(BUSY));
    if let Err(error) = emptied {
        tracing::debug!(%error, "the write-ahead log of the SQLite store stays for now");
    }
}

/// Creates the file for its owner alone; SQLite would let everybody read it, and gives its log the
/// same permissions. Those of a file that is there are its owner's affair.
#[cfg(unix)]
fn create_private(path: &Path) {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

    let is_file = !path.as_os_str().is_empty() && !path.starts_with(":memory:");
    if !is_file || path.to_string_lossy().starts_with("file:") {
        return;
    }
    // Closing a file ends the locks that this process has on it, those of SQLite as well: it is closed
    // before anybody else here opens it, and never opened where it is there.
    let turn = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut create = std::fs::OpenOptions::new();
    // Where it cannot be created, SQLite says why.
    drop(create.write(true).create_new(true).mode(0o600).open(path));
    drop(turn);
    let mode = std::fs::metadata(path).map(|file| file.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        tracing::warn!("others than its owner may read the SQLite file of sessions: chmod 600 it");
    }
}

#[cfg(not(unix))]
fn create_private(_: &Path) {}

/// Turns the file over to WAL. Of ten processes that start at once nine find it locked, and SQLite
/// does not wait here as it does elsewhere.
fn write_ahead(connection: &Connection) -> Result<()> {
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

pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}
