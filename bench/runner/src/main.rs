//! Starts every contender, drives it, measures it, and reports the results: `cargo xtask bench`.

#![expect(clippy::print_stdout, reason = "a command answers on standard output")]

mod answer;
mod ask;
mod bed;
mod chart;
mod contenders;
mod cores;
mod findings;
mod gate;
mod instructions;
mod judge;
mod load;
mod measure;
mod page;
mod passes;
mod process;
mod programs;
mod races;
mod route;
mod run;
mod server;
mod stats;
mod table;
mod terminal;
mod versions;
mod visitor;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use bed::Bed;
use contenders::{Contender, Program};
use cores::Cores;
use judge::Verdict;
use measure::{Effort, Setting};
use page::Page;
use server::Places;

/// Measures cloakroom and its peers side by side, and writes bench/RESULTS.md.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Options {
    /// Two rounds of a fifth of the requests.
    #[arg(long)]
    quick: bool,
    /// Number of rounds: five by default, two in a quick run.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    rounds: Option<u8>,
    /// Those alone whose names contain this text, beside bare axum; nothing is written then.
    #[arg(long, value_name = "SUBSTRING")]
    only: Vec<String>,
    /// Leave bench/RESULTS.md and bench/charts as they are.
    #[arg(long)]
    no_write: bool,
    /// Measure what the gate costs instead, beside nginx (Debian: nginx-light), and write bench/GATE.md.
    #[arg(long, conflicts_with_all = ["only", "instructions"])]
    gate: bool,
    /// Count the instructions of whole servers instead (Debian: valgrind), and write bench/INSTRUCTIONS.md.
    #[arg(long)]
    instructions: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options {
        Options { gate: true, .. } => gate(&options),
        Options {
            instructions: true, ..
        } => count(&options),
        _ => compare(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo xtask bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Times and counts; false if a contender failed.
fn compare(options: &Options) -> Result<bool, String> {
    let (setting, contenders) = prepare(options, contenders::chosen(&options.only))?;
    let unbuilt = programs::build(&setting.places.bench, &programs(&contenders));
    let (begin, load) = (Instant::now(), versions::load());
    let findings = run::all(contenders, &unbuilt, &setting);
    let effort = setting.effort;
    let about = format!(
        "Written by `cargo xtask bench{}` on {}, {} rounds, in {} minutes; load average of the machine \
         before it: {load}. How it was measured: [README](README.md).",
        if options.quick { " --quick" } else { "" },
        versions::now(),
        effort.rounds,
        begin.elapsed().as_secs().div_ceil(60),
    );
    let page = Page {
        title: "Sessions side by side",
        about,
        verdicts: judge::judge(&findings),
        tables: findings.tables(),
        missing: findings.failures,
        machine: versions::machine(),
        versions: versions::resolved(&setting.places.bench),
    };
    finish(options, &setting, &page, "RESULTS.md")
}

/// The application alone, and behind the gate and others; false if one of them failed.
fn gate(options: &Options) -> Result<bool, String> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let bench = bench.canonicalize().map_err(|error| error.to_string())?;
    let (rounds, requests, seconds) = if options.quick {
        (2, 2_000, 1)
    } else {
        (5, 8_000, 3)
    };
    let extent = gate::Extent {
        rounds: options.rounds.map_or(rounds, usize::from),
        requests,
        paced: std::time::Duration::from_secs(seconds),
    };
    let page = gate::run(&gate::Place::prepare(bench.clone())?, extent)?;
    print(&page);
    if !options.no_write {
        page.write(&bench, "GATE.md")?;
        println!("\nwritten: bench/GATE.md and bench/charts");
    }
    Ok(page.missing.is_empty())
}

/// Instructions under callgrind, and forged cookies.
fn count(options: &Options) -> Result<bool, String> {
    let chosen = contenders::chosen(&options.only);
    let chosen = chosen.into_iter().filter(instructions::can_count).collect();
    let (setting, contenders) = prepare(options, chosen)?;
    let unbuilt = programs::build(&setting.places.bench, &programs(&contenders));
    let counted = instructions::all(contenders, &unbuilt, &setting);
    let page = Page {
        title: "Instructions side by side",
        about: format!(
            "Written by `cargo xtask bench --instructions` on {}. How it was counted: [README](README.md).",
            versions::now()
        ),
        verdicts: counted.judge(),
        tables: counted.tables(),
        missing: counted.failures,
        machine: versions::machine(),
        versions: versions::resolved(&setting.places.bench),
    };
    finish(options, &setting, &page, "INSTRUCTIONS.md")
}

fn prepare(
    options: &Options,
    contenders: Vec<Contender>,
) -> Result<(Setting, Vec<Contender>), String> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut effort = if options.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    effort.rounds = options.rounds.map_or(effort.rounds, usize::from);
    let places = Places {
        log: bench.join("target/contender.log"),
        bench: bench.canonicalize().map_err(|error| error.to_string())?,
    };
    let setting = Setting {
        bed: Bed::default(),
        cores: Cores::take()?,
        places,
        effort,
    };
    Ok((setting, contenders))
}

fn programs(contenders: &[Contender]) -> Vec<Program> {
    let is_needed = |program: &Program| contenders.iter().any(|who| who.program == *program);
    Program::ALL.into_iter().filter(is_needed).collect()
}

/// Prints the page, and writes it where it is whole; false if a contender failed.
fn finish(options: &Options, setting: &Setting, page: &Page, file: &str) -> Result<bool, String> {
    print(page);
    let judged: Vec<Verdict> = page.verdicts.clone();
    print!("{}", terminal::verdicts(&judged));
    if !options.no_write && options.only.is_empty() {
        page.write(&setting.places.bench, file)?;
        println!("\nwritten: bench/{file} and bench/charts");
    }
    Ok(page.missing.is_empty())
}

fn print(page: &Page) {
    for table in &page.tables {
        print!("{}", terminal::table(table));
    }
    for (name, reason) in &page.missing {
        println!("\n{name} was not measured: {reason}");
    }
}
