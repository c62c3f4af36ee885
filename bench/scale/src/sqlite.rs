//! The store in one SQLite file.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cloakroom::store::sqlite::SqliteStore;
use cloakroom::{Clock, Timestamp};
use rusqlite::{Connection, params};

use crate::error::Failure;
use crate::fleet::{Fleet, fill, id_text, text};
use crate::ladder::{Budget, Op, Rung, SMALL, compare};
use crate::purge::Live;
use crate::report::Report;
use crate::space::Workplace;
use crate::table::{self, grouped};
use crate::verdict::{SQLITE, Verdict};
use crate::{Options, crowd, purge, say, stop};

/// Two batches of the store's writer.
const TASKS: u32 = 512;
/// From here on sessions are written into the file before the store opens it: through the store, a batch
/// of 256 changes as many pages of the index of ids, and each goes to the disk twice.
const IN_BULK: u32 = 1_000_000;
/// Rough size of a session, with what a transaction needs besides.
const ROUGHLY: u64 = 650;

pub(crate) async fn measure(
    options: &Options,
    workplace: &Workplace,
    report: &mut Report,
) -> Result<(), Failure> {
    sizes(options, workplace, report).await?;
    let expired = options.expired();
    if let Some(lack) = workplace.lacks(u64::from(expired) * 2 * ROUGHLY) {
        say(&format!("SQLite: no purge: {lack}"));
        return Ok(());
    }
    let note = "Half of the sessions in the file are over when the store opens it; `prune` deletes some at a time, others \
                write between. What the store's own thread deletes meanwhile, each minute, is not counted.";
    let (table, file) = purged(expired, workplace).await?;
    report.section("SQLite: a purge while others are served", note, &table);
    report.add(&file);
    Ok(())
}

async fn sizes(
    options: &Options,
    workplace: &Workplace,
    report: &mut Report,
) -> Result<(), Failure> {
    let budget = Budget {
        samples: if options.quick { 10_000 } else { 100_000 },
        at_most: Duration::from_secs(if options.quick { 2 } else { 4 }),
    };
    let mut note = "In bytes: the file and its log. Every write waits for the disk.".to_owned();
    let path = workplace.file("small.db");
    let small = Fleet::new(Arc::new(SqliteStore::open(path)?), SMALL);
    let (small, _) = fill(small, SMALL, 64).await?;
    let (mut rungs, mut levels) = (Vec::new(), Vec::new());
    for size in options.sizes(10_000_000) {
        if let Some(lack) = workplace.lacks(u64::from(size) * ROUGHLY) {
            let line = format!("{} sessions are left out: {lack}", grouped(size.into()));
            say(&format!("SQLite: {line}"));
            let _ = write!(note, " {line}.");
            break;
        }
        say(&format!("SQLite: {} sessions", grouped(size.into())));
        let path = workplace.file(&format!("{size}.db"));
        let (large, rate) = sessions(&path, size).await?;
        let bytes = bytes(&path) / u64::from(size);
        rungs.push(Rung {
            size,
            bytes: (size >= 10_000).then_some(bytes),
            filled: rate,
            ops: compare(&Op::ALL, &small, &large, budget).await?,
        });
        if size == crowd::SIZE {
            levels = crowd::levels(&Arc::new(large), options.moment()).await?;
        } else {
            drop(large);
        }
        remove(&path);
    }
    report.section("SQLite: sizes", &note, &table::ladder(&rungs));
    report.add(&table::ratios(&rungs));
    report.verdicts.extend(Verdict::of(SQLITE, &rungs));
    if let Some(top) = rungs.last() {
        let bytes = top.bytes.unwrap_or_default() as f64;
        report
            .figures
            .add("sqlite_session", bytes, "bytes", "SQLite: sizes");
    }
    let note = "100 000 sessions. Writes that wait at the same time go to the disk together.";
    report.section("SQLite: tasks at once", note, &table::crowd(&levels));
    Ok(())
}

/// A store with so many sessions, and how many it took in a second, if it was asked.
async fn sessions(path: &Path, size: u32) -> Result<(Fleet, Option<f64>), Failure> {
    if size >= IN_BULK {
        return Ok((in_bulk(path, size, |fleet| fleet).await?, None));
    }
    let fleet = Fleet::new(Arc::new(SqliteStore::open(path)?), size);
    let (fleet, rate) = fill(fleet, size, TASKS).await?;
    Ok((fleet, Some(rate)))
}

/// A store on a file that was filled before; `plan` says when sessions expire.
async fn in_bulk(path: &Path, size: u32, plan: impl Fn(Fleet) -> Fleet) -> Result<Fleet, Failure> {
    // It makes the table.
    drop(SqliteStore::open(path)?);
    let planned = plan(Fleet::new(Arc::new(cloakroom::MemoryStore::new()), 0));
    write(path, (0..size).map(move |n| (n, planned.expires(n)))).await?;
    let mut fleet = plan(Fleet::new(Arc::new(SqliteStore::open(path)?), size));
    fleet.size = size;
    Ok(fleet)
}

async fn write(
    path: &Path,
    rows: impl Iterator<Item = (u32, Timestamp)> + Send + 'static,
) -> Result<(), Failure> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || write_rows(&path, rows)).await?
}

fn write_rows(path: &Path, rows: impl Iterator<Item = (u32, Timestamp)>) -> Result<(), Failure> {
    let mut connection = alone(path)?;
    // Made again at the end, sorted, it takes a fraction of the time.
    let index = "SELECT sql FROM sqlite_schema WHERE name = 'cloakroom_sessions_due'";
    let index: String = connection.query_row(index, [], |row| row.get(0))?;
    connection.execute_batch("DROP INDEX cloakroom_sessions_due")?;
    // One for all: each end of one would write most of the other index's pages once more.
    let transaction = connection.transaction()?;
    for (n, expires) in rows {
        if n % 1000 == 0 {
            stop::check()?;
        }
        let mut insert = transaction.prepare_cached(
            "INSERT INTO cloakroom_sessions (sid, record, expires, due) VALUES (?1, ?2, ?3, ?3)",
        )?;
        insert.execute(params![id_text(n), text(n, 1), expires.as_millis()])?;
    }
    transaction.execute_batch(&index)?;
    transaction.commit()?;
    Ok(())
}

/// A connection that writes without a log, once the store's own threads have closed theirs.
fn alone(path: &Path) -> Result<Connection, Failure> {
    let connection = Connection::open(path)?;
    let limit = Instant::now() + Duration::from_secs(10);
    while let Err(error) = connection.pragma_update(None, "journal_mode", "OFF") {
        if Instant::now() > limit {
            return Err(error.into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "cache_size", -1_500_000)?;
    Ok(connection)
}

/// The file and what lies beside it.
fn bytes(path: &Path) -> u64 {
    let lengths = names(path).map(|path| std::fs::metadata(path).map_or(0, |file| file.len()));
    lengths.iter().sum()
}

fn remove(path: &Path) {
    for path in names(path) {
        // A missing file need not be removed.
        let _ = std::fs::remove_file(path);
    }
}

fn names(path: &Path) -> [std::path::PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        name.into()
    })
}

async fn purged(expired: u32, workplace: &Workplace) -> Result<(String, String), Failure> {
    say("SQLite: a purge");
    let path = workplace.file("purge.db");
    let over = Timestamp::from_millis(Clock::System.now().as_millis() - 60_000);
    let fleet = in_bulk(&path, expired * 2, |fleet| fleet.with_odd_until(over)).await?;
    let full = bytes(&path);
    let live = Live {
        count: expired,
        step: 2,
    };
    let fleet = Arc::new(fleet);
    let purge = purge::measure(&fleet, live, || ()).await?;
    let connection = Connection::open(&path)?;
    let ask = |what: &str| connection.pragma_query_value(None, what, |row| row.get::<_, i64>(0));
    let (free, pages) = (ask("freelist_count")?, ask("page_count")?);
    let mb = |bytes: u64| grouped(bytes as f64 / 1e6);
    let file = format!(
        "The file had {} MB before and has {} MB after, its log included; {} of its {} pages are free and are used again: SQLite \
         gives nothing back to the disk by itself.",
        mb(full),
        mb(bytes(&path)),
        grouped(free as f64),
        grouped(pages as f64),
    );
    drop(fleet);
    remove(&path);
    Ok((table::purge(&purge), file))
}
