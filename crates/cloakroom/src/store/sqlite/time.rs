//! The time of a file: that of the process that opened it first since the machine was started, advanced by
//! the time that has passed since then, which is the same for all processes of the machine.
//!
//! A file has no clock of its own, and the wall clocks of processes may differ, or jump. A latest time seen,
//! or a margin, would not do: a clock may be a day ahead, and a process that opens a file after a year may
//! delete.

use std::fs;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use crate::clock::{Clock, Timestamp};
use crate::store::skew;
use crate::store::steady::Steady;

/// The time at which the machine was started, by the clock of the process that opened the file first since
/// then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started(Timestamp);

/// Returns the time of a file that was opened for writing, and the start to set it by again.
///
/// If the system does not report its uptime, and with a clock that a test sets, each process goes by its own.
pub(super) fn begin(connection: &Connection, clock: &Clock) -> Result<(Steady, Option<Started>)> {
    let steady = Steady::new(clock.clone());
    let (Some(boot), Some(uptime)) = (boot_id(), uptime()) else {
        return Ok((steady, None));
    };
    if matches!(clock, Clock::Manual(_)) {
        return Ok((steady, None));
    }
    let now = clock.now();
    let own = now.as_millis() - i64::try_from(uptime.as_millis()).unwrap_or(0);
    let started = Started(Timestamp::from_millis(agree(connection, boot.trim(), own)?));
    started.set(&steady);
    skew::warn("the SQLite file", clock, now, steady.now());
    Ok((steady, Some(started)))
}

/// Returns the time of a file that is read alone: the noted one, or this process's own where none was noted
/// since the machine was started.
pub(super) fn known(connection: &Connection, clock: &Clock) -> Steady {
    let steady = Steady::new(clock.clone());
    // A file of an earlier version has no such table.
    let noted = boot_id().and_then(|boot| noted(connection, boot.trim()).ok()?);
    if let Some(started) = noted {
        Started(Timestamp::from_millis(started)).set(&steady);
    }
    steady
}

impl Started {
    /// Sets a time by the uptime of the machine, which may have slept meanwhile.
    pub(super) fn set(self, time: &Steady) {
        if let Some(uptime) = uptime() {
            time.set(self.0.after(uptime));
        }
    }
}

/// Returns the start that the first process noted, in milliseconds since 1970.
fn agree(connection: &Connection, boot: &str, own: i64) -> Result<i64> {
    if let Some(noted) = noted(connection, boot)? {
        return Ok(noted);
    }
    let note = "INSERT OR IGNORE INTO cloakroom_clock (boot, started) VALUES (?1, ?2)";
    connection.execute(note, params![boot, own])?;
    connection.execute("DELETE FROM cloakroom_clock WHERE boot <> ?1", [boot])?;
    Ok(noted(connection, boot)?.unwrap_or(own))
}

fn noted(connection: &Connection, boot: &str) -> Result<Option<i64>> {
    let select = "SELECT started FROM cloakroom_clock WHERE boot = ?1";
    let noted = connection.query_row(select, [boot], |row| row.get(0));
    noted.optional()
}

/// Reads the id of this run of the machine; Linux alone has it.
fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}

/// Reads the time since the machine was started, its sleep included.
fn uptime() -> Option<Duration> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let seconds = text.split(' ').next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
