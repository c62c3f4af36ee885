//! What a SQLite file says of itself, for `store::inspect`: read through a connection that cannot write.

use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use super::{failed, read_only, refused};
use crate::clock::{Clock, Timestamp};
use crate::store::inspect::facts::Facts;
use crate::store::inspect::sample::{SAMPLE, Sample, Seen};
use crate::store::{StoreError, StoreErrorKind, UserKeys};

/// Returns the facts about the file at `path`.
///
/// # Errors
///
/// [`StoreErrorKind::Unavailable`] if there is none, or it cannot be read.
pub(in crate::store) fn inspect(path: &str, keys: &UserKeys) -> Result<Facts, StoreError> {
    if !Path::new(path).exists() {
        let why =
            "there is no such file: the program that serves creates it; give the path that it has";
        return Err(StoreError::new(StoreErrorKind::Unavailable, why));
    }
    let connection = read_only::connect(Path::new(path)).map_err(refused)?;
    let mut facts = Facts::new("sqlite");
    match look(&connection, keys, &mut facts) {
        Err(error) if is_damage(&error) => facts.set("quick_check", error.to_string()),
        other => other.map_err(failed)?,
    }
    Ok(facts)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

fn look(connection: &Connection, keys: &UserKeys, facts: &mut Facts) -> rusqlite::Result<()> {
    let text = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, String>(0));
    facts.set("quick_check", text("PRAGMA quick_check(1)")?);
    facts.set("journal_mode", text("PRAGMA journal_mode")?);
    facts.set("version", text("SELECT sqlite_version()")?);
    facts.set("sample.read", 0_usize);
    if has_table(connection, "cloakroom_sessions")? {
        let seen = records(connection)?;
        Sample::of(&seen, Clock::System.now(), keys).note(facts);
    }
    if facts.number("sample.read") == Some(0) {
        facts.set("elsewhere", elsewhere(connection)?);
    }
    Ok(())
}

fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let select = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let count: i64 = connection.query_row(select, [name], |row| row.get(0))?;
    Ok(count > 0)
}

fn records(connection: &Connection) -> rusqlite::Result<Vec<Seen>> {
    let now = Clock::System.now().as_millis();
    let mut select = connection
        .prepare("SELECT record, expires FROM cloakroom_sessions WHERE expires > ?1 LIMIT ?2")?;
    let most = i64::try_from(SAMPLE).unwrap_or(i64::MAX);
    let seen = select.query_map([now, most], |row| {
        Ok(Seen {
            text: row.get(0).ok(),
            expires: Some(Timestamp::from_millis(row.get(1)?)),
        })
    })?;
    seen.collect()
}

/// Returns the tables of other libraries that hold sessions.
fn elsewhere(connection: &Connection) -> rusqlite::Result<String> {
    let mut select = connection.prepare(
        "SELECT t.name FROM sqlite_schema AS t WHERE t.type = 'table' AND t.name NOT LIKE 'cloakroom%'
         AND EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE name IN ('sid', 'session_id'))
         AND EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE name IN ('sess', 'data', 'session'))",
    )?;
    let names = select.query_map([], |row| {
        Ok(format!("the table {}", row.get::<_, String>(0)?))
    })?;
    Ok(names.collect::<rusqlite::Result<Vec<_>>>()?.join(", "))
}
