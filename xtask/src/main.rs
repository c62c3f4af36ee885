//! The steps of CI, for a developer's machine.
//!
//! `test` and `ci` are tables of steps; a step runs its commands into a log of its own and says how
//! many tests passed. `differential` is the comparison of both labs by itself.

#![expect(clippy::print_stdout, reason = "a command answers on standard output")]

mod bench;
mod checks;
mod context;
mod counts;
mod deny;
mod differential;
mod faults;
mod interop;
mod node;
mod packages;
mod paths;
mod scale;
mod steps;
mod suites;
mod summary;
mod words;

use std::process::ExitCode;

use clap::Parser;
use clap::builder::PossibleValuesParser;

use steps::Step;

/// The steps of CI, for a developer's machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Install what the tests need, build, and run every test.
    Test {
        /// Run these steps alone, in the order of the table.
        #[arg(value_name = "STEP", value_parser = PossibleValuesParser::new(steps::test()))]
        only: Vec<String>,
    },
    /// Run the checks (format, lints, features, docs, licences), then everything of `test`.
    Ci {
        /// Run these steps alone, in the order of the table.
        #[arg(value_name = "STEP", value_parser = PossibleValuesParser::new(steps::ci()))]
        only: Vec<String>,
    },
    /// Play random requests against both labs and compare what they answer, set and store.
    Differential(differential::Options),
    /// Let both labs serve the same visitors from one store, and compare them with Express alone.
    Interop(interop::Options),
    /// Build the compiled core of the npm package and place it in `node/`.
    Node(node::Options),
    /// Count the instructions of the library's paths, and hold them to their table.
    Paths(paths::Options),
    /// Bring about what goes wrong in production, on real servers, and say what is seen.
    Faults(faults::Options),
    /// Measure how the sources read, and refuse words that the field does not use.
    Words,
    /// Measure cloakroom and its peers side by side, and write bench/RESULTS.md.
    Bench(bench::Options),
    /// Measure each store from a thousand sessions to ten million, and write bench/SCALE.md.
    Scale(scale::Options),
}

fn main() -> ExitCode {
    let passed = match Task::parse() {
        Task::Test { only } => run_steps(steps::test(), &only),
        Task::Ci { only } => run_steps(steps::ci(), &only),
        Task::Differential(options) => compare_labs(&options),
        Task::Interop(options) => interop::run(&options),
        Task::Node(options) => node::run(&options),
        Task::Paths(options) => paths::run(options),
        Task::Faults(options) => faults::run(&options),
        Task::Words => words::run(),
        Task::Bench(options) => bench::run(&options),
        Task::Scale(options) => scale::run(&options),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_steps(mut table: Vec<Step>, only: &[String]) -> Result<bool, String> {
    table.retain(|step| only.is_empty() || only.iter().any(|name| name == step.name));
    let summary = steps::run(&table)?;
    println!("{summary}");
    Ok(summary.passed())
}

fn compare_labs(options: &differential::Options) -> Result<bool, String> {
    let report = differential::run(options)?;
    println!("{report}");
    Ok(report.passed())
}
