//! Checks of a SQLite file.

use cloakroom::store::inspect::Facts;

use crate::doctor::check::{Check, Verdict, when};

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check::error("L01", "the file cannot be written, or the disk is nearly full", "logins and logouts fail", l01),
    Check::error("L02", "the file is on a network file system", "its locks and its shared memory do not work there: the file is destroyed", l02),
    Check::warning("L03", "others may read the file", "whoever reads it has everybody's session", l03),
    Check::warning("L04", "the file has no write-ahead log", "readers and the writer wait for each other", l04),
    Check::warning("L05", "the write-ahead log is large", "a reader that never ends keeps it from being emptied; ended sessions stay in it", l05),
    Check::error("L06", "the file is damaged", "sessions are lost, or cannot be written", l06),
];

fn l01(facts: &Facts) -> Option<Verdict> {
    if !facts.flag("file.writable")? {
        let mend = "chown and chmod u+w the file and its directory for the user that serves";
        return when(
            true,
            "this user may not write the file or its directory",
            mend,
        );
    }
    let free = facts.number("file.free_percent")?;
    when(
        free < 5,
        format!("{free} % of the disk is free"),
        "make room, or move the file",
    )
}

fn l02(facts: &Facts) -> Option<Verdict> {
    let system = facts.text("file.network")?;
    let mend = "move it to a local disk; for several machines use Redis or PostgreSQL";
    when(!system.is_empty(), format!("it is on {system}"), mend)
}

fn l03(facts: &Facts) -> Option<Verdict> {
    let mode = facts.number("file.mode")?;
    when(
        mode & 0o077 != 0,
        format!("its mode is {mode:04o}"),
        "chmod 600 the file, its -wal and -shm",
    )
}

fn l04(facts: &Facts) -> Option<Verdict> {
    let mode = facts.text("journal_mode")?;
    let mend = "PRAGMA journal_mode = WAL; a store sets it when it opens the file";
    when(mode != "wal", format!("journal_mode is {mode}"), mend)
}

fn l05(facts: &Facts) -> Option<Verdict> {
    let size = facts.number("file.log_bytes")?;
    let mend = "end the program that reads for so long; then PRAGMA wal_checkpoint(TRUNCATE)";
    when(
        size > 64 << 20,
        format!("the -wal has {} MiB", size >> 20),
        mend,
    )
}

fn l06(facts: &Facts) -> Option<Verdict> {
    let said = facts.text("quick_check")?;
    let mend =
        "stop the server, `sqlite3 file .recover | sqlite3 new`, or put a backup in its place";
    when(
        said != "ok",
        format!(
            "PRAGMA quick_check: {}",
            said.lines().next().unwrap_or_default()
        ),
        mend,
    )
}
