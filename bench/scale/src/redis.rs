//! The store in Redis.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::redis::RedisStore;
use testbed::Redis;

use crate::error::Failure;
use crate::fleet::{Fleet, fill};
use crate::indexes::Which;
use crate::ladder::{Budget, Op, Rung, SMALL, compare};
use crate::report::Report;
use crate::table::{self, grouped, table};
use crate::{Options, cost, crowd, indexes, say, wire};

/// Number of tasks that one connection takes without waiting for the server.
const TASKS: u32 = 256;

pub(crate) async fn measure(options: &Options, report: &mut Report) -> Result<(), Failure> {
    sizes(options, report).await?;
    index(report).await?;
    let told = wire::measure().await?;
    let rows = [
        vec!["one at a time".into(), format!("{:.1}", told.alone)],
        vec!["64 at a time".into(), format!("{:.1}", told.together)],
    ];
    let note = "What Redis sends to each server that has a near cache, for each write by anybody (`CLIENT TRACKING ON BCAST`), \
                counted on the connection; headers of TCP and IP come on top.";
    report.section(
        "Redis: what a near cache is told",
        note,
        &table(&["writes", "bytes for each"], rows),
    );
    let from = "Redis: what a near cache is told";
    report.figures.add("redis_told", told.alone, "bytes", from);
    Ok(())
}

async fn sizes(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let budget = Budget {
        samples: if options.quick { 20_000 } else { 100_000 },
        at_most: Duration::from_secs(if options.quick { 1 } else { 4 }),
    };
    let (server, beside) = (Redis::start(), Redis::start());
    let small = Fleet::new(Arc::new(RedisStore::connect(&beside.url()).await?), SMALL);
    let (small, _) = fill(small, SMALL, TASKS).await?;
    let sizes = options.sizes(1_000_000);
    let most = *sizes.last().unwrap_or(&SMALL);
    let mut large = Fleet::new(Arc::new(RedisStore::connect(&server.url()).await?), most);
    let before = info(&server, "memory", "used_memory")?;
    let (mut rungs, mut levels, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for size in sizes {
        say(&format!("Redis: {} sessions", grouped(size.into())));
        let (filled, rate) = fill(large, size, TASKS).await?;
        let used = info(&server, "memory", "used_memory")? - before;
        rungs.push(Rung {
            size,
            bytes: Some(whole(used) / u64::from(size)),
            filled: Some(rate),
            ops: compare(&Op::ALL, &small, &filled, budget).await?,
        });
        large = filled;
        if size == crowd::SIZE {
            let crowded = Arc::new(large);
            levels = crowd::levels(&crowded, options.moment()).await?;
            costs = cost::of_server(&crowded, options.moment(), || processor(&server)).await?;
            large = Arc::into_inner(crowded).expect("every task has ended");
        }
    }
    let fragmentation = info(&server, "memory", "mem_fragmentation_ratio")?;
    let note = format!(
        "In bytes: `used_memory`, the key and its expiry included, no user. At the end `mem_fragmentation_ratio` is {fragmentation:.2}."
    );
    report.section("Redis: sizes", &note, &table::ladder(&rungs));
    report.add(&table::ratios(&rungs));
    report.section(
        "Redis: tasks at once",
        "100 000 sessions, one connection.",
        &table::crowd(&levels),
    );
    let note = "By `INFO cpu`, with 64 tasks at once: what one master's core can do, whoever else used this machine.";
    report.section("Redis: what it spends", note, &table::costs(&costs));
    if let Some(top) = rungs.last() {
        let bytes = top.bytes.unwrap_or_default() as f64;
        report
            .figures
            .add("redis_session", bytes, "bytes", "Redis: sizes");
    }
    report.figures.add(
        "redis_fragmentation",
        fragmentation,
        "times",
        "Redis: sizes",
    );
    for (op, cost) in costs {
        let name = match op {
            Op::Get => "redis_get",
            Op::Touch => "redis_touch",
            Op::Update | Op::Request => "redis_update",
        };
        report.figures.add(
            name,
            cost.as_secs_f64() * 1e6,
            "µs of processor",
            "Redis: what it spends",
        );
    }
    Ok(())
}

async fn index(report: &mut Report) -> Result<(), Failure> {
    let servers = [Redis::start(), Redis::start()];
    let plain = Arc::new(RedisStore::connect(&servers[0].url()).await?);
    let indexed = Arc::new(RedisStore::connect(&servers[1].url()).await?);
    let used = |which| {
        let server = &servers[usize::from(which == Which::Indexed)];
        info(server, "memory", "used_memory").map(whole)
    };
    let each = indexes::cost(plain, indexed, TASKS, used).await?;
    let row = |name: &str, bytes: u64| vec![name.to_owned(), bytes.to_string()];
    let rows = [
        row("without a user", each[0]),
        row("with a user of its own", each[1]),
    ];
    let note = format!(
        "{} sessions each, a set for each user.",
        grouped(indexes::SIZE.into())
    );
    report.section(
        "Redis: the index of users",
        &note,
        &table(&["sessions", "bytes each"], rows),
    );
    let index = each[1].saturating_sub(each[0]) as f64;
    report
        .figures
        .add("redis_index", index, "bytes", "Redis: the index of users");
    Ok(())
}

/// Processor time that the server has used, by all of its threads.
fn processor(server: &Redis) -> Result<Duration, Failure> {
    let seconds = info(server, "cpu", "used_cpu_sys")? + info(server, "cpu", "used_cpu_user")?;
    Ok(Duration::from_secs_f64(seconds))
}

fn info(server: &Redis, section: &str, name: &str) -> Result<f64, Failure> {
    let said = server.command(&["INFO", section]);
    field(&said, name).ok_or_else(|| Failure::new(format!("INFO {section} has no {name}")))
}

fn field(said: &str, name: &str) -> Option<f64> {
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().parse().ok()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of bytes"
)]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_is_taken_by_its_whole_name() {
        let said = "$40\r\n# Memory\r\nused_memory_rss:7\r\nused_memory:12\r\nratio:1.50\r\n";
        assert_eq!(field(said, "used_memory"), Some(12.0));
        assert_eq!(field(said, "ratio"), Some(1.5));
        assert_eq!(field(said, "none"), None);
    }
}
