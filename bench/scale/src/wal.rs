//! The log that PostgreSQL writes for each change, which replicas and archives have to take.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Failure;
use crate::fleet::{Fleet, Random};
use crate::ladder::Op;
use crate::postgres::Database;
use crate::report::Report;
use crate::table::{grouped, table};
use crate::{Options, say, stop};

/// Changes that are measured, of random sessions.
const CHANGES: u32 = 20_000;
/// Number of concurrent tasks: single ones would wait for the disk.
const TASKS: u32 = 32;
/// Time after which an idle connection has reported its statistics.
const REPORTED: Duration = Duration::from_secs(11);
const FROM: &str = "PostgreSQL: its log";

pub(crate) async fn measure(
    options: &Options,
    report: &mut Report,
    fleet: &Arc<Fleet>,
    database: &Database,
) -> Result<(), Failure> {
    say("PostgreSQL: its log");
    let changes = if options.quick { CHANGES / 4 } else { CHANGES };
    let mut rows = Vec::new();
    for (name, compress, op) in [
        ("postgres_wal_touch_images", false, Op::Touch),
        ("postgres_wal_touch_compressed", true, Op::Touch),
        ("postgres_wal_update_images", false, Op::Update),
        ("postgres_wal_update_compressed", true, Op::Update),
    ] {
        let first = bytes(fleet, database, op, compress, changes).await?;
        report
            .figures
            .add(name, first.after_checkpoint, "bytes", FROM);
        if !compress {
            let name = match op {
                Op::Touch => "postgres_wal_touch",
                _ => "postgres_wal_update",
            };
            report.figures.add(name, first.again, "bytes", FROM);
        }
        rows.push(vec![
            op.name().into(),
            if compress { "lz4" } else { "off" }.into(),
            grouped(first.after_checkpoint),
            grouped(first.again),
        ]);
    }
    let head = [
        "change",
        "`wal_compression`",
        "bytes, right after a checkpoint",
        "the same sessions again",
    ];
    let note = format!(
        "{} changes of random sessions among {}. The first change of a page after a checkpoint writes the whole page: the first \
         column is the dearest case, the second the cheapest.",
        grouped(changes.into()),
        grouped(fleet.size.into())
    );
    report.section(FROM, &note, &table(&head, rows));
    if !options.quick {
        tokio::time::sleep(REPORTED).await;
        let [all, hot] = counts(database).await?;
        report.add(&format!(
            "Of {} changed rows so far {} were HOT, without new entries in the indexes: the expiry is in one.",
            grouped(all as f64),
            grouped(hot as f64)
        ));
    }
    Ok(())
}

struct Wal {
    after_checkpoint: f64,
    again: f64,
}

async fn bytes(
    fleet: &Arc<Fleet>,
    database: &Database,
    op: Op,
    compress: bool,
    changes: u32,
) -> Result<Wal, Failure> {
    let setting = if compress { "lz4" } else { "off" };
    database
        .run(&format!("ALTER SYSTEM SET wal_compression = '{setting}'"))
        .await?;
    database.run("SELECT pg_reload_conf()").await?;
    database.tidy().await?;
    let after_checkpoint = written(fleet, database, op, changes).await?;
    let again = written(fleet, database, op, changes).await?;
    Ok(Wal {
        after_checkpoint,
        again,
    })
}

/// Rows that were changed, and those of them without new entries in the indexes.
async fn counts(database: &Database) -> Result<[i64; 2], Failure> {
    let count = |column: &str| {
        format!("SELECT {column} FROM pg_stat_user_tables WHERE relname = 'session'")
    };
    Ok([
        database.number(&count("n_tup_upd")).await?,
        database.number(&count("n_tup_hot_upd")).await?,
    ])
}

/// Bytes of the log for each of so many changes: of the same sessions each time.
async fn written(
    fleet: &Arc<Fleet>,
    database: &Database,
    op: Op,
    changes: u32,
) -> Result<f64, Failure> {
    let position = "pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')";
    let before = database.number(position).await?;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let fleet = Arc::clone(fleet);
            tokio::spawn(async move {
                let mut random = Random::new(u64::from(task));
                for _ in 0..changes / TASKS {
                    stop::check()?;
                    let n = random.below(fleet.size / TASKS) * TASKS + task;
                    op.run(&fleet, n).await?;
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let after = database.number(position).await?;
    Ok((after - before) as f64 / f64::from(changes / TASKS * TASKS))
}
