//! The file: its tables, and how a connection to it is set up.

use std::path::Path;
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
";

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

pub(super) fn open_writer(path: &Path) -> Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    write_ahead(&connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Ten processes may start at once: whoever comes second finds the table.
    let setup = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    setup.execute_batch(TABLES)?;
    setup.commit()?;
    Ok(connection)
}

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
