//! The store in PostgreSQL, whose server is set up as one that keeps its data.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::Timestamp;
use cloakroom::store::postgres::{PostgresOptions, PostgresStore};
use testbed::Postgres;
use tokio_postgres::{Client, NoTls};

use crate::error::Failure;
use crate::fleet::{Fleet, fill, id_text, text};
use crate::ladder::{Budget, Op, Rung, SMALL, compare};
use crate::purge::Live;
use crate::report::Report;
use crate::space::Workplace;
use crate::table::{self, grouped};
use crate::{Options, cost, crowd, purge, say, space, stop, wal};

const SETTINGS: [&str; 9] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "wal_level=replica",
    "max_wal_senders=4",
    "autovacuum=on",
    "shared_buffers=1GB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
];
const TASKS: u32 = 64;
/// More than so many are written by few large statements.
const ONE_BY_ONE: u32 = 10_000;
/// Rows of such a statement.
const BATCH: u32 = 5000;
/// Bytes that the server may need on the disk: rows, their indexes, its log.
const DISK: u64 = 7_000_000_000;

pub(crate) async fn measure(
    options: &Options,
    _: &Workplace,
    report: &mut Report,
) -> Result<(), Failure> {
    let disk = if options.quick { DISK / 5 } else { DISK };
    if let Some(lack) = space::lacks(&std::env::temp_dir(), disk) {
        say(&format!("PostgreSQL is left out: {lack}"));
        report.section("PostgreSQL", &format!("Left out: {lack}."), "");
        return Ok(());
    }
    let server = Postgres::start(&SETTINGS);
    let (url, beside) = (
        server.create_database("large"),
        server.create_database("small"),
    );
    let (large, small) = (open(&url, 1_000_000).await?, open(&beside, SMALL).await?);
    let database = Database::connect(&url).await?;
    let large = sizes(options, report, large, small, &database).await?;
    let large = Arc::new(large);
    wal::measure(options, report, &large, &database).await?;
    purged(options, report, &large, &database).await
}

async fn open(url: &str, most: u32) -> Result<Fleet, Failure> {
    let options = PostgresOptions::new().without_pruning();
    let store = PostgresStore::connect_options(url, options).await?;
    Ok(Fleet::new(Arc::new(store), most))
}

async fn sizes(
    options: &Options,
    report: &mut Report,
    mut large: Fleet,
    small: Fleet,
    database: &Database,
) -> Result<Fleet, Failure> {
    let budget = Budget {
        samples: if options.quick { 10_000 } else { 100_000 },
        at_most: Duration::from_secs(if options.quick { 1 } else { 4 }),
    };
    let (small, _) = fill(small, SMALL, TASKS).await?;
    let (mut rungs, mut levels, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for size in options.sizes(1_000_000) {
        say(&format!("PostgreSQL: {} sessions", grouped(size.into())));
        let rate = if size > ONE_BY_ONE {
            database.store(&large, large.size..size).await?;
            large.size = size;
            None
        } else {
            let (filled, rate) = fill(large, size, TASKS).await?;
            large = filled;
            Some(rate)
        };
        let [table, indexes] = database.bytes().await?;
        database.tidy().await?;
        rungs.push(Rung {
            size,
            bytes: Some((table + indexes) / u64::from(size)),
            filled: rate,
            ops: compare(&Op::ALL, &small, &large, budget).await?,
        });
        if size == crowd::SIZE {
            let crowded = Arc::new(large);
            levels = crowd::levels(&crowded, options.moment()).await?;
            costs = cost::of_server(&crowded, options.moment(), || database.processor()).await?;
            large = Arc::into_inner(crowded).expect("every task has ended");
        }
        if size == options.sizes(1_000_000).last().copied().unwrap_or_default() {
            let each = |bytes: u64| bytes as f64 / f64::from(size);
            report
                .figures
                .add("postgres_row", each(table), "bytes", "PostgreSQL: sizes");
            report.figures.add(
                "postgres_indexes",
                each(indexes),
                "bytes",
                "PostgreSQL: sizes",
            );
        }
    }
    let note = format!(
        "In bytes: the table and its three indexes (id, expiry, user) as filled, before any change. The server has {}.",
        SETTINGS.map(|setting| format!("`{setting}`")).join(", ")
    );
    report.section("PostgreSQL: sizes", &note, &table::ladder(&rungs));
    report.add(&table::ratios(&rungs));
    report.section(
        "PostgreSQL: tasks at once",
        "100 000 sessions, ten connections.",
        &table::crowd(&levels),
    );
    let note = "Of all of its processes, with 64 tasks at once.";
    report.section("PostgreSQL: what it spends", note, &table::costs(&costs));
    for (op, cost) in costs {
        let name = match op {
            Op::Get => "postgres_get",
            Op::Touch => "postgres_touch",
            Op::Update | Op::Request => "postgres_update",
        };
        report.figures.add(
            name,
            cost.as_secs_f64() * 1e6,
            "µs of processor",
            "PostgreSQL: what it spends",
        );
    }
    Ok(large)
}

async fn purged(
    options: &Options,
    report: &mut Report,
    fleet: &Arc<Fleet>,
    database: &Database,
) -> Result<(), Failure> {
    say("PostgreSQL: a purge");
    let expired = options.expired();
    let over = Timestamp::from_millis(cloakroom::Clock::System.now().as_millis() - 3_600_000);
    // Only their numbers are asked of it, and every one of these is odd.
    database
        .store_until(fleet.size..fleet.size + expired, over)
        .await?;
    database.tidy().await?;
    let before = database.bytes().await?;
    let live = Live {
        count: fleet.size,
        step: 1,
    };
    let purge = purge::measure(fleet, live, || ()).await?;
    let mb = |[table, indexes]: [u64; 2]| grouped((table + indexes) as f64 / 1e6);
    let note = format!(
        "{} sessions that are over, and {} that live; `prune` deletes a thousand in a statement.",
        grouped(expired.into()),
        grouped(fleet.size.into())
    );
    report.section(
        "PostgreSQL: a purge while others are served",
        &note,
        &table::purge(&purge),
    );
    let after = database.bytes().await?;
    report.add(&format!(
        "Table and indexes had {} MB before and have {} MB after: a vacuum makes their room free for new rows, not for the disk.",
        mb(before),
        mb(after),
    ));
    Ok(())
}

/// A connection beside the store's own.
pub(crate) struct Database {
    client: Client,
    postmaster: u32,
}

impl Database {
    async fn connect(url: &str) -> Result<Self, Failure> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        let row = client.query_one("SELECT pg_backend_pid()", &[]).await?;
        let backend = u32::try_from(row.get::<_, i32>(0))?;
        let postmaster = Stat::of(backend)
            .ok_or_else(|| Failure::new("no such process"))?
            .parent;
        Ok(Self { client, postmaster })
    }

    pub(crate) async fn run(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Reads one whole number.
    pub(crate) async fn number(&self, sql: &str) -> Result<i64, Failure> {
        let row = self
            .client
            .query_one(&format!("SELECT ({sql})::int8"), &[])
            .await?;
        Ok(row.get(0))
    }

    /// Bytes of the table, and of its indexes.
    pub(crate) async fn bytes(&self) -> Result<[u64; 2], Failure> {
        let table = self.number("pg_table_size('session')").await?;
        let indexes = self.number("pg_indexes_size('session')").await?;
        Ok([table.unsigned_abs(), indexes.unsigned_abs()])
    }

    /// Finishes the server's pending work, so that none is left over from before.
    pub(crate) async fn tidy(&self) -> Result<(), Failure> {
        self.run("VACUUM (ANALYZE) session").await?;
        self.run("CHECKPOINT").await
    }

    async fn store(&self, fleet: &Fleet, numbers: std::ops::Range<u32>) -> Result<(), Failure> {
        self.insert(numbers, |n| fleet.expires(n)).await
    }

    async fn store_until(
        &self,
        numbers: std::ops::Range<u32>,
        end: Timestamp,
    ) -> Result<(), Failure> {
        self.insert(numbers, |_| end).await
    }

    async fn insert(
        &self,
        numbers: std::ops::Range<u32>,
        expires: impl Fn(u32) -> Timestamp,
    ) -> Result<(), Failure> {
        let sql = "INSERT INTO session SELECT sid, sess::json, to_timestamp(expire)
                   FROM unnest($1::text[], $2::text[], $3::float8[]) AS new(sid, sess, expire)";
        let insert = self.client.prepare(sql).await?;
        let mut first = numbers.start;
        while first < numbers.end {
            stop::check()?;
            let batch = first..numbers.end.min(first + BATCH);
            first = batch.end;
            let ids: Vec<String> = batch.clone().map(id_text).collect();
            let texts: Vec<String> = batch.clone().map(|n| text(n, 1)).collect();
            let ends: Vec<f64> = batch
                .map(|n| expires(n).as_millis() as f64 / 1000.0)
                .collect();
            self.client.execute(&insert, &[&ids, &texts, &ends]).await?;
        }
        Ok(())
    }

    /// Processor time of the server's processes, those that have ended included.
    fn processor(&self) -> Result<Duration, Failure> {
        let mut ticks = 0;
        for entry in fs::read_dir("/proc")?.flatten() {
            let id = entry.file_name().to_string_lossy().parse().ok();
            let Some(stat) = id.and_then(Stat::of) else {
                continue;
            };
            if stat.parent == self.postmaster {
                ticks += stat.own;
            } else if id == Some(self.postmaster) {
                ticks += stat.own + stat.ended;
            }
        }
        // Linux counts in hundredths of a second, whatever its own clock does.
        Ok(Duration::from_millis(ticks * 10))
    }
}

/// Linux's figures of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: u64,
    ended: u64,
}

impl Stat {
    fn of(id: u32) -> Option<Self> {
        let path = Path::new("/proc").join(id.to_string()).join("stat");
        Self::read(&fs::read_to_string(path).ok()?)
    }

    /// The fields of proc(5), counted from behind the name, which may hold anything.
    fn read(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: number(11)? + number(12)?,
            ended: number(13)? + number(14)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Stat;

    #[test]
    fn a_process_s_times_are_read_behind_its_name() {
        let stat = "7 (a) b (c) S 3 7 7 0 -1 4 1 2 3 4 100 20 5 6 20 0 1 0 9";
        let read = Stat::read(stat).unwrap();
        assert_eq!((read.parent, read.own, read.ended), (3, 120, 11));
        assert_eq!(Stat::read("no process"), None);
    }
}
