//! The steps that build and run the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;

use crate::context::{Context, Finished, excerpt};
use crate::counts::Counts;
use crate::differential;
use crate::steps::Done;

/// Sequences of a test run: a few seconds; `cargo xtask differential` plays more.
const SEEDS: &str = "1..=300";

/// More than two cores would have: most tests wait for servers, and for time to pass.
const TEST_THREADS: &str = "4";

/// The longest that one file of Node's tests may take, in milliseconds.
const NODE_TIMEOUT_MS: &str = "300000";

/// Folders with a `package-lock.json`.
const PACKAGES: [&str; 5] = [
    "interop",
    "interop/fronts",
    "interop/next",
    "node/example",
    "node/test",
];

/// Installs exactly what the locks name.
pub(crate) fn npm(context: &Context) -> Result<Done, String> {
    for folder in PACKAGES {
        context
            .require(&mut install(context, folder))
            .map_err(|error| format!("{error}\nnpm of Node 20 or newer is needed"))?;
    }
    Ok(Done::default())
}

/// Returns the command that installs exactly what a folder's lock names.
pub(crate) fn install(context: &Context, folder: &str) -> Command {
    let mut command = context.command("npm");
    command.args(["ci", "--prefix", folder, "--no-audit", "--no-fund"]);
    command
}

/// Runs the unit, integration and documentation tests.
pub(crate) fn cargo(context: &Context) -> Result<Done, String> {
    let mut command = context.cargo("test --workspace --all-features --no-fail-fast");
    command.env("RUST_TEST_THREADS", TEST_THREADS);
    let finished = context.run(&mut command)?;
    Ok(judge(&finished, Counts::of_cargo(&finished.output)))
}

/// Builds what Node's tests start, with the profile and the features of Rust's tests: any other would
/// compile the dependencies once more.
pub(crate) const PROGRAMS: &str = "build --workspace --all-features --bin cloakroom --bin oidc --example lab \
                                   --example sockets --example admin --example fleet --example next_gate \
                                   --example beside_express";

/// Builds what the next steps start.
pub(crate) fn programs(context: &Context) -> Result<Done, String> {
    context.require(&mut context.cargo(PROGRAMS))?;
    Ok(Done::default())
}

/// Runs the tests of the Node side, the browser's among them.
pub(crate) fn node(context: &Context) -> Result<Done, String> {
    let mut command = context.command("node");
    command
        .args([
            "--test",
            "--test-reporter=spec",
            "--test-timeout",
            NODE_TIMEOUT_MS,
        ])
        .args(node_tests(&context.root.join("interop"))?)
        .env("CLOAKROOM_BIN", context.program("cloakroom"))
        .env("CLOAKROOM_LAB", context.program("examples/lab"));
    let finished = context.run(&mut command)?;
    Ok(judge(&finished, Counts::of_node(&finished.output)))
}

/// Runs the examples before real applications: one file after the other, since one of them counts
/// requests by the second.
pub(crate) fn fronts(context: &Context) -> Result<Done, String> {
    let mut command = context.command("node");
    command
        .args(["--test", "--test-reporter=spec", "--test-concurrency=1"])
        .args(["--test-timeout", NODE_TIMEOUT_MS])
        .args(node_tests(&context.root.join("interop/fronts"))?)
        .env("CLOAKROOM_BIN", context.program("cloakroom"))
        .env("CLOAKROOM_EXAMPLES", context.program("examples"));
    let finished = context.run(&mut command)?;
    Ok(judge(&finished, Counts::of_node(&finished.output)))
}

/// Compares both labs; one test, whatever the number of its sequences.
pub(crate) fn differential(context: &Context) -> Result<Done, String> {
    let lab = context.program("examples/lab");
    compare(SEEDS, &lab.to_string_lossy())
}

/// Compares Express's lab with the one that a command starts.
pub(crate) fn compare(seeds: &str, right: &str) -> Result<Done, String> {
    let words = ["differential", "--seeds", seeds, "--right", right];
    let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
    let report = differential::run(&line.options)?;
    if !report.passed() {
        return Err(report.to_string());
    }
    Ok(Done {
        counts: Counts::passed(1),
        note: report.to_string(),
    })
}

/// The command line of the comparison, for its defaults.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    options: differential::Options,
}

// Node 20 does not expand patterns.
pub(crate) fn node_tests(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(|error| format!("{} cannot be read: {error}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{} holds no *.test.mjs", folder.display()));
    }
    Ok(paths)
}

/// Counts a failure where the runner failed and named none, and where it ran nothing.
pub(crate) fn judge(finished: &Finished, mut counts: Counts) -> Done {
    let ran = counts.passed + counts.unsuccessful() > 0;
    if counts.failed == 0 && !(finished.success && ran) {
        counts.failed = 1;
    }
    let note = if counts.unsuccessful() == 0 {
        String::new()
    } else {
        excerpt(&finished.output)
    };
    Done { counts, note }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(success: bool, counts: Counts) -> usize {
        let finished = Finished {
            success,
            output: "why".to_owned(),
        };
        let done = judge(&finished, counts);
        assert_eq!(done.note == "why", done.counts.unsuccessful() > 0);
        done.counts.unsuccessful()
    }

    #[test]
    fn a_runner_fails_with_a_test_or_without() {
        assert_eq!(judged(true, Counts::passed(3)), 0);
        assert_eq!(judged(false, Counts::passed(3)), 1);
        assert_eq!(judged(true, Counts::default()), 1);
        let failed = Counts {
            failed: 2,
            skipped: 1,
            passed: 3,
        };
        assert_eq!(judged(false, failed), 3);
    }

    #[test]
    fn the_comparison_takes_its_command_line() {
        let words = ["differential", "--seeds", SEEDS, "--right", "/t/debug/lab"];
        assert!(Line::try_parse_from(words).is_ok());
    }
}
