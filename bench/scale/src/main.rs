//! Measures each store with a thousand sessions, and with ten million.
//!
//! `cargo xtask scale` runs this and nothing else should: figures of an unoptimised build say nothing.

#![expect(
    clippy::print_stdout,
    reason = "it says what it is at, for it takes minutes"
)]
#![expect(
    clippy::cast_precision_loss,
    reason = "what is measured is not known to fifteen digits"
)]

mod cost;
mod crowd;
mod error;
mod figures;
mod fleet;
mod floor;
mod indexes;
mod ladder;
mod machine;
mod memory;
mod postgres;
mod purge;
mod redis;
mod report;
mod sample;
mod space;
mod sqlite;
mod stop;
mod table;
mod verdict;
mod wal;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};

use crate::error::Failure;
use crate::report::Report;
use crate::space::Workplace;

/// Measures each store with a thousand sessions, and with ten million.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// Up to 100,000 sessions, in less than two minutes.
    #[arg(long)]
    quick: bool,
    /// One store alone.
    #[arg(long, value_enum)]
    only: Option<StoreName>,
    /// Path of the page with the figures.
    #[arg(long)]
    out: PathBuf,
    /// Directory of the databases, which are removed at the end.
    #[arg(long)]
    work: PathBuf,
    /// A part of the memory store's, for a process of its own.
    #[arg(long, hide = true, value_enum)]
    part: Option<memory::Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StoreName {
    Memory,
    Sqlite,
    Redis,
    Postgres,
}

impl Options {
    fn wants(&self, store: StoreName) -> bool {
        self.only.is_none_or(|only| only == store)
    }

    /// The sizes of a store, decade by decade.
    fn sizes(&self, largest: u32) -> Vec<u32> {
        let largest = if self.quick { 100_000 } else { largest };
        (3..=7)
            .map(|power| 10_u32.pow(power))
            .filter(|size| *size <= largest)
            .collect()
    }

    /// Returns the duration of each figure of concurrent tasks.
    fn moment(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 1000 })
    }

    /// Expired sessions that are purged.
    fn expired(&self) -> u32 {
        if self.quick { 100_000 } else { 1_000_000 }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let ran = runtime.block_on(async {
        tokio::spawn(stop::listen());
        // On a thread of the runtime, as a server's handlers are.
        tokio::spawn(run(options)).await
    });
    match ran {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            println!("scale: {failure}");
            ExitCode::FAILURE
        }
        Err(panicked) => {
            println!("scale: {panicked}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and writes the page. A line that is missed is no failure of the run: the page says so.
async fn run(options: Options) -> Result<(), Failure> {
    if let Some(part) = options.part {
        print!("{}", part.measure(&options).await?);
        return Ok(());
    }
    let started = Instant::now();
    let workplace = Workplace::new(&options.work)?;
    let mut report = Report::new(&options);
    if options.wants(StoreName::Memory) {
        memory::measure(&options, &mut report).await?;
    }
    if options.wants(StoreName::Sqlite) {
        sqlite::measure(&options, &workplace, &mut report).await?;
    }
    if options.wants(StoreName::Redis) {
        redis::measure(&options, &mut report).await?;
    }
    if options.wants(StoreName::Postgres) {
        postgres::measure(&options, &workplace, &mut report).await?;
    }
    let page = report.page(started.elapsed());
    std::fs::write(&options.out, &page)?;
    println!("\n{page}");
    say(&format!(
        "{}; written to {}",
        report.verdict(),
        options.out.display()
    ));
    Ok(())
}

/// Says what comes next.
fn say(line: &str) {
    println!("scale: {line}");
}
