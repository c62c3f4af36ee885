//! The journal of a move: a SQLite file with a digest of each session that was copied, so that a killed command
//! goes on where it was. It holds no id.

mod rows;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;

use cloakroom::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use self::rows::{COLUMNS, entry, put};
use super::decide::Known;
use super::digest::{Digester, IdDigest};
use super::tally::Tally;
use crate::problem::Problem;

/// The version of the file.
const VERSION: i64 = 1;
/// Kilobytes that SQLite keeps in memory of it.
const CACHE: i64 = 32_768;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS state (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), value TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS key (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), value BLOB NOT NULL,
                                    move BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS entries (id BLOB PRIMARY KEY, kind INTEGER NOT NULL, pass INTEGER NOT NULL,
        digest BLOB, expires INTEGER, next_digest BLOB, next_expires INTEGER, since INTEGER) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS rejects (id BLOB PRIMARY KEY, handle TEXT NOT NULL, reason TEXT NOT NULL,
        pass INTEGER NOT NULL) WITHOUT ROWID;";

/// The phase of a move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    #[default]
    Copy,
    /// Passes that make the target equal to the source.
    Settle,
    /// The operator was told to switch.
    Ready,
    Last,
    Done,
}

/// The facts beside the entries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// The place of the copy, unless it holds an id.
    pub(super) cursor: Option<String>,
    /// Number of the current pass; the copy is the first.
    pub(super) pass: u32,
    /// The numbers of the current pass.
    pub(super) current: Tally,
    /// The numbers of all passes before it.
    pub(super) total: Tally,
    /// Sessions that the pass before moved.
    pub(super) moved_before: Option<u64>,
    /// Milliseconds that were spent, and those that the copy took.
    pub(super) spent: u64,
    pub(super) copy_spent: u64,
}

impl State {
    /// Returns what all passes have done.
    pub(super) fn tally(&self) -> Tally {
        self.total.and_then(self.current)
    }
}

/// An entry, and the pass that has last read its session at the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) known: Known,
    pub(super) pass: u32,
}

/// A session that was not moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Reject {
    pub(super) handle: String,
    pub(super) reason: String,
}

/// The outcome of a page.
#[derive(Default)]
pub(super) struct PageOutcome {
    pub(super) entries: Vec<(IdDigest, Known)>,
    /// The sessions that this pass has read at the source.
    pub(super) passed: Vec<IdDigest>,
    /// Those that were not moved, and those that were not before, and still are not.
    pub(super) rejects: Vec<(IdDigest, Reject)>,
    pub(super) still_rejected: Vec<IdDigest>,
}

/// An open journal, of this process alone.
pub(super) struct Journal {
    file: Connection,
    digester: Digester,
    pub(super) state: State,
}

impl Journal {
    /// Opens the journal of a move, or begins one; `identity` says from where to where.
    ///
    /// # Errors
    ///
    /// If it is another move's, in use, or cannot be written.
    pub(super) fn open(path: &Path, identity: &str) -> Result<Self, Problem> {
        create_private(path).map_err(|error| unusable(path, &error))?;
        let file = Connection::open(path).map_err(|error| unusable(path, &error))?;
        lock(&file).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => Problem::failed(format!(
                "another `cloakroom migrate` works with {}: wait for it, or give another --state",
                path.display()
            )),
            _ => unusable(path, &error),
        })?;
        let key = key(&file, identity).map_err(|error| unusable(path, &error))?;
        let Some(digester) = key else {
            return Err(Problem::usage(format!(
                "{} is the journal of another move: give the FROM, TO and options that it began with, or another --state",
                path.display()
            )));
        };
        let state = read_state(&file).map_err(|error| unusable(path, &error))?;
        Ok(Self {
            file,
            digester,
            state,
        })
    }

    pub(super) fn digester(&self) -> &Digester {
        &self.digester
    }

    /// Returns the entries of sessions, in their order.
    pub(super) fn entries(&self, ids: &[IdDigest]) -> Result<Vec<Option<Entry>>, Problem> {
        let read = || -> rusqlite::Result<_> {
            let sql = format!("SELECT {COLUMNS} FROM entries WHERE id = ?1");
            let mut select = self.file.prepare_cached(&sql)?;
            let mut entries = Vec::with_capacity(ids.len());
            for id in ids {
                entries.push(select.query_row([id.as_slice()], entry).optional()?);
            }
            Ok(entries)
        };
        read().map_err(|error| failed(&error))
    }

    /// Enters what is known of sessions, and the state with it.
    pub(super) fn enter(&mut self, entries: Vec<(IdDigest, Known)>) -> Result<(), Problem> {
        self.commit(&PageOutcome {
            entries,
            ..PageOutcome::default()
        })
    }

    /// Enters what a page has come to.
    pub(super) fn commit(&mut self, page: &PageOutcome) -> Result<(), Problem> {
        let state = serde_json::to_string(&self.state).unwrap_or_default();
        let pass = self.state.pass;
        let mut write = || -> rusqlite::Result<()> {
            let transaction = self.file.transaction()?;
            for (id, known) in &page.entries {
                put(&transaction, id, known, pass)?;
            }
            let update = |table: &str, ids: &[IdDigest]| -> rusqlite::Result<()> {
                let sql = format!("UPDATE {table} SET pass = ?2 WHERE id = ?1");
                let mut update = transaction.prepare_cached(&sql)?;
                for id in ids {
                    update.execute(params![id.as_slice(), pass])?;
                }
                Ok(())
            };
            update("entries", &page.passed)?;
            update("rejects", &page.still_rejected)?;
            for (id, reject) in &page.rejects {
                transaction.execute(
                    "INSERT OR REPLACE INTO rejects VALUES (?1, ?2, ?3, ?4)",
                    params![id.as_slice(), reject.handle, reject.reason, pass],
                )?;
            }
            transaction.execute("INSERT OR REPLACE INTO state VALUES (1, ?1)", [&state])?;
            transaction.commit()
        };
        write().map_err(|error| failed(&error))
    }

    /// Forgets the rejects of which the pass that is over has found none any more.
    pub(super) fn forget_rejects(&mut self) -> Result<(), Problem> {
        let stale = "DELETE FROM rejects WHERE pass < ?1";
        let deleted = self.file.execute(stale, [self.state.pass]);
        deleted.map(drop).map_err(|error| failed(&error))
    }

    /// Returns the number of sessions that are at the target and were not read at the source in this pass,
    /// whose life has not ended at `now`.
    pub(super) fn missed(&self, now: Timestamp) -> Result<u64, Problem> {
        self.count(
            "SELECT count(*) FROM entries WHERE kind <= 1 AND pass < ?1
             AND max(coalesce(expires, 0), coalesce(next_expires, 0)) > ?2",
            params![self.state.pass, now.as_millis()],
        )
    }

    /// Returns the number of sessions that are at the target.
    pub(super) fn copied(&self) -> Result<u64, Problem> {
        self.count("SELECT count(*) FROM entries WHERE kind <= 1", [])
    }

    /// Returns the number of sessions that were not moved.
    pub(super) fn rejected(&self) -> Result<u64, Problem> {
        self.count("SELECT count(*) FROM rejects", [])
    }

    fn count(&self, sql: &str, params: impl rusqlite::Params) -> Result<u64, Problem> {
        let count = self.file.query_row(sql, params, |row| row.get::<_, i64>(0));
        let count = count.map_err(|error| failed(&error))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Gives each session that was not moved to `each`.
    pub(super) fn each_reject(
        &self,
        mut each: impl FnMut(Reject) -> std::io::Result<()>,
    ) -> Result<std::io::Result<()>, Problem> {
        let mut read = || -> rusqlite::Result<std::io::Result<()>> {
            let mut select = self.file.prepare("SELECT handle, reason FROM rejects")?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let reject = Reject {
                    handle: row.get(0)?,
                    reason: row.get(1)?,
                };
                if let Err(error) = each(reject) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        };
        read().map_err(|error| failed(&error))
    }
}

/// Creates the file for its owner alone, unless it is there.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Takes the file for this process, and creates its tables.
fn lock(file: &Connection) -> rusqlite::Result<()> {
    file.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    file.pragma_update(None, "journal_mode", "WAL")?;
    // An entry that a power failure takes back would bring an ended session back.
    file.pragma_update(None, "synchronous", "FULL")?;
    file.pragma_update(None, "cache_size", -CACHE)?;
    file.execute_batch("BEGIN IMMEDIATE")?;
    file.execute_batch(SCHEMA)?;
    file.pragma_update(None, "user_version", VERSION)?;
    file.execute_batch("COMMIT")
}

/// Returns the digests of this move; `None` if the file is another move's.
fn key(file: &Connection, identity: &str) -> rusqlite::Result<Option<Digester>> {
    let known = file
        .query_row("SELECT value, move FROM key", [], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    if let Some((key, of)) = known {
        let digester = Digester::new(&key);
        let is_this = digester.identity(identity).as_slice() == of;
        return Ok(is_this.then_some(digester));
    }
    let mut key = [0_u8; 32];
    file.query_row("SELECT randomblob(32)", [], |row| {
        let drawn: Vec<u8> = row.get(0)?;
        key.copy_from_slice(&drawn);
        Ok(())
    })?;
    let digester = Digester::new(&key);
    let of = digester.identity(identity);
    file.execute(
        "INSERT INTO key VALUES (1, ?1, ?2)",
        params![key.as_slice(), of.as_slice()],
    )?;
    Ok(Some(digester))
}

fn read_state(file: &Connection) -> rusqlite::Result<State> {
    let text = file
        .query_row("SELECT value FROM state", [], |row| row.get::<_, String>(0))
        .optional()?;
    Ok(text
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default())
}

fn unusable(path: &Path, error: &dyn std::error::Error) -> Problem {
    Problem::failed(format!(
        "the journal {} cannot be used ({error}): give a file that can be written with --state",
        path.display()
    ))
}

fn failed(error: &rusqlite::Error) -> Problem {
    Problem::failed(format!(
        "the journal cannot be written ({error}): make room on its disk, and run this again"
    ))
}
