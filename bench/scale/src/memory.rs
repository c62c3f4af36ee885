//! The store in this process's memory.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use cloakroom::store::memory::{MemoryLimit, MemoryStore};
use cloakroom::{Clock, ManualClock};

use crate::error::Failure;
use crate::fleet::{Fleet, fill};
use crate::ladder::{Budget, Op, Pair, Rung, SMALL, compare};
use crate::machine::{available, resident};
use crate::purge::Live;
use crate::report::Report;
use crate::sample::{Samples, Time};
use crate::table::{self, grouped, table};
use crate::verdict::{MEMORY, Verdict};
use crate::{Options, crowd, floor, indexes, purge, say, stop};

/// Two tasks for each core: nothing waits here.
const TASKS: u32 = 4;
/// Rough size of a session, to check beforehand that they fit.
const ROUGHLY: u64 = 500;

/// A measurement in a process of its own, whose memory nothing else has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Purge,
    Index,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Purge => "purge",
            Self::Index => "index",
        }
    }

    /// Returns the output of that process.
    pub(crate) async fn measure(self, options: &Options) -> Result<String, Failure> {
        match self {
            Self::Purge => purged(options.expired()).await,
            Self::Index => Ok(index().await? + &growth(options.expired() * 2).await?),
        }
    }

    async fn apart(self, options: &Options) -> Result<String, Failure> {
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.args(["--part", self.name()]);
        command.arg("--out").arg(&options.out);
        command.arg("--work").arg(&options.work);
        if options.quick {
            command.arg("--quick");
        }
        let said = command.output().await?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        if said.status.success() {
            Ok(text)
        } else {
            Err(Failure::new(text.trim_end()))
        }
    }
}

pub(crate) async fn measure(options: &Options, report: &mut Report) -> Result<(), Failure> {
    sizes(options, report).await?;
    say("memory: a purge, the index of users");
    let note = "Half of the sessions expire at once, by a clock that the run moves; `prune` is what the store's own thread calls \
                every ten seconds.";
    let purge = Part::Purge.apart(options).await?;
    report.section("Memory: a purge while others are served", note, &purge);
    let note = format!("{} sessions each.", grouped(indexes::SIZE.into()));
    let index = Part::Index.apart(options).await?;
    report.section("Memory: the index of users", &note, &index);
    Ok(())
}

fn store() -> MemoryStore {
    let limit = MemoryLimit {
        sessions: 20_000_000,
        bytes: usize::MAX,
    };
    MemoryStore::with(limit, Clock::System)
}

async fn sizes(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let budget = Budget {
        samples: if options.quick { 150_000 } else { 500_000 },
        at_most: Duration::from_secs(10),
    };
    let mut note = "In bytes: what the process grew by while it was filled.".to_owned();
    let mut sizes = options.sizes(10_000_000);
    let fits = available().saturating_sub(1 << 30) / ROUGHLY;
    if let Some(most) = sizes.iter().copied().rfind(|size| u64::from(*size) <= fits)
        && Some(&most) != sizes.last()
    {
        let fitting = grouped(most.into());
        let _ = write!(
            note,
            " More than {fitting} do not fit into the memory that is free."
        );
        say(&note);
        sizes.retain(|size| *size <= most);
    }
    let most = *sizes.last().unwrap_or(&SMALL);
    let (small, _) = fill(Fleet::new(Arc::new(store()), SMALL), SMALL, 1).await?;
    let mut large = Fleet::new(Arc::new(store()), most);
    let mut grown = 0;
    let (mut rungs, mut levels) = (Vec::new(), Vec::new());
    for size in sizes {
        say(&format!("memory: {} sessions", grouped(size.into())));
        let before = resident();
        let (filled, rate) = fill(large, size, TASKS).await?;
        grown += resident().saturating_sub(before);
        let bytes = grown / u64::from(size);
        rungs.push(Rung {
            size,
            bytes: (size >= 10_000).then_some(bytes),
            filled: Some(rate),
            ops: compare(&Op::AND_REQUEST, &small, &filled, budget).await?,
        });
        large = filled;
        if size == crowd::SIZE {
            let crowded = Arc::new(large);
            levels = crowd::levels(&crowded, options.moment()).await?;
            large = Arc::into_inner(crowded).expect("every task has ended");
        }
    }
    report.section("Memory: sizes", &note, &table::ladder(&rungs));
    report.add(&table::ratios(&rungs));
    let floor = floor_of(&rungs, budget)?;
    report.add(&floor);
    report.beside_verdicts(&floor);
    report.verdicts.extend(Verdict::of(MEMORY, &rungs));
    if let Some(top) = rungs.last() {
        let bytes = top.bytes.unwrap_or_default() as f64;
        report
            .figures
            .add("memory_session", bytes, "bytes", "Memory: sizes");
    }
    let note =
        "100 000 sessions; no operation waits, so that more tasks than cores only take turns.";
    report.section("Memory: tasks at once", note, &table::crowd(&levels));
    Ok(())
}

/// Returns the time of three dependent reads in as much memory.
fn floor_of(rungs: &[Rung], budget: Budget) -> Result<String, Failure> {
    let Some(top) = rungs.last() else {
        return Ok(String::new());
    };
    let bytes = |size: u32| size as usize * 420;
    let [small, large] = floor::compare(bytes(SMALL), bytes(top.size), budget)?;
    let pair = Pair {
        op: Op::Get,
        small,
        large,
    };
    Ok(format!(
        "The floor: three reads that wait for each other, in as much memory (at most 1 GiB), take {} and {} (p50, p99) among 1 000 \
         sessions, {} and {} among {}: ratios {:.2} and {:.2}. That is caches and page tables, and no store has a hand in it.",
        Time(small.p50),
        Time(small.p99),
        Time(large.p50),
        Time(large.p99),
        grouped(top.size.into()),
        pair.median_ratio(),
        pair.ratio(),
    ))
}

async fn purged(expired: u32) -> Result<String, Failure> {
    let clock = ManualClock::at(Clock::System.now());
    let limit = MemoryLimit {
        sessions: 20_000_000,
        bytes: usize::MAX,
    };
    let store = MemoryStore::with(limit, clock.clone());
    let before = resident();
    let end = clock.now().after(Duration::from_mins(1));
    let fleet = Fleet::new(Arc::new(store.clone()), expired * 3).with_odd_until(end);
    let (fleet, _) = fill(fleet, expired * 2, TASKS).await?;
    let full = resident();
    let fleet = Arc::new(fleet);
    let live = Live {
        count: expired,
        step: 2,
    };
    let purge = purge::measure(&fleet, live, || clock.advance(Duration::from_mins(2))).await?;
    let fleet = Arc::into_inner(fleet).expect("nobody watches any more");
    let after = resident();
    let mib = |bytes: u64| grouped(bytes.saturating_sub(before) as f64 / f64::from(1 << 20));
    let held = store.bytes() as u64;
    // As many again: they should find room where the others were. Odd ones are over already.
    let (_fleet, _) = fill(fleet, expired * 3, TASKS).await?;
    let memory = format!(
        "The process held {} MiB for {} sessions, {} MiB after half of them had gone (ids and records of those that live: {} MiB), \
         and {} MiB after {} more were stored.",
        mib(full),
        grouped(f64::from(expired) * 2.0),
        mib(after),
        grouped(held as f64 / f64::from(1 << 20)),
        mib(resident()),
        grouped(f64::from(expired) / 2.0),
    );
    Ok(format!("{}\n{memory}\n", table::purge(&purge)))
}

async fn index() -> Result<String, Failure> {
    let (plain, indexed) = (Arc::new(store()), Arc::new(store()));
    let each = indexes::cost(plain, indexed, TASKS, |_| Ok(resident())).await?;
    let row = |name: &str, bytes: u64| vec![name.to_owned(), bytes.to_string()];
    let rows = [
        row("without a user", each[0]),
        row("with a user of its own", each[1]),
    ];
    Ok(table(&["sessions", "bytes each"], rows))
}

/// Measures the creation of a session while tables grow: one of them is the index of users.
async fn growth(sessions: u32) -> Result<String, Failure> {
    let mut rows = Vec::new();
    for has_users in [false, true] {
        let fleet = Fleet::new(Arc::new(store()), sessions);
        let (name, fleet) = if has_users {
            ("with a user of its own", fleet.with_users())
        } else {
            ("without a user", fleet)
        };
        let mut times = Samples::default();
        for n in 0..sessions {
            times.add(fleet.create(n).await?);
            if n % 1024 == 0 {
                stop::check()?;
            }
        }
        let spread = times.spread();
        let spread = spread.ok_or_else(|| Failure::new("nothing was measured"))?;
        let times = [spread.p50, spread.p99, spread.max].map(|time| Time(time).to_string());
        rows.push([vec![name.to_owned()], times.to_vec()].concat());
    }
    let table = table(&["creating a session", "p50", "p99", "longest"], rows);
    let sessions = grouped(sessions.into());
    Ok(format!(
        "\n{sessions} of them, one after the other:\n\n{table}"
    ))
}
