//! The fault suite: injects faults on real servers, and makes a table of the observations.
//!
//! The tests themselves are in the library's test programs; here is which of them belong to which fault, how
//! many rounds they play, and what becomes of the lines that they print.

mod outcome;
mod page;
mod parts;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::context::Context;
use crate::counts::Counts;
use crate::steps::Done;
use outcome::Outcome;
use parts::{PARTS, Part, Program};

/// The faults to run, and the number of their rounds.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Bring about these alone: F02, R7, calls.
    #[arg(value_name = "PART", value_parser = known())]
    only: Vec<String>,
    /// Play all rounds: hours. Without it, a tenth of them at most.
    #[arg(long)]
    full: bool,
    /// Write the table, or these rows of it, into the manual.
    #[arg(long)]
    write: bool,
}

fn known() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(PARTS.iter().map(|part| part.name))
}

/// The number of rounds of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The rounds that CI has time for.
    Short,
    Everyday,
    Full,
}

impl Extent {
    /// The longest that one part may take, servers and all.
    fn limit(self) -> Duration {
        match self {
            Self::Short => Duration::from_mins(5),
            Self::Everyday => Duration::from_mins(15),
            Self::Full => Duration::from_hours(3),
        }
    }
}

/// The page that a whole run writes.
const PAGE: &str = "crates/cloakroom/src/manual/faults.md";

/// The test programs of the library.
struct Programs {
    library: PathBuf,
    public: PathBuf,
}

/// Runs the parts and prints their table; whether everything held.
///
/// # Errors
///
/// If the tests do not build, or the page cannot be written.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let mut context = Context::read()?;
    context.begin("faults")?;
    let extent = if options.full {
        Extent::Full
    } else {
        Extent::Everyday
    };
    let chosen =
        |part: &&Part| options.only.is_empty() || options.only.iter().any(|name| name == part.name);
    let outcomes = play(&context, PARTS.iter().filter(chosen), extent)?;
    println!("{}", page::table(&outcomes));
    if options.write {
        let path = context.root.join(PAGE);
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let page = page::page(&before, &outcomes, &versions(&context));
        std::fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("{PAGE} is written");
    }
    Ok(outcomes.iter().all(Outcome::held))
}

/// The step of `test`: what tells most in least time.
pub(crate) fn step(context: &Context) -> Result<Done, String> {
    let short = PARTS
        .iter()
        .filter(|part| part.rounds(Extent::Short).is_some());
    let outcomes = play(context, short, Extent::Short)?;
    let mut counts = Counts::passed(outcomes.iter().map(|outcome| outcome.passed).sum());
    let broken: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.held()).collect();
    counts.failed = broken.len();
    let notes: Vec<String> = broken.iter().map(|outcome| outcome.why()).collect();
    Ok(Done {
        counts,
        note: notes.join("\n"),
    })
}

fn play(
    context: &Context,
    parts: impl Iterator<Item = &'static Part>,
    extent: Extent,
) -> Result<Vec<Outcome>, String> {
    let programs = build(context)?;
    let mut outcomes = Vec::new();
    for part in parts {
        let begin = Instant::now();
        let outcome = bring_about(context, &programs, part, extent)?;
        println!(
            "      {}: {} in {:.0} s",
            part.name,
            outcome.verdict(),
            begin.elapsed().as_secs_f64()
        );
        if !outcome.held() {
            println!("{}", outcome.why());
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Builds the test programs, and finds them.
fn build(context: &Context) -> Result<Programs, String> {
    let words = "test -p cloakroom --all-features --lib --test it --no-run --message-format=json";
    let said = context.require(&mut context.cargo(words))?;
    let program = |kind: &str| {
        let mut built = said.lines().filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            let is_it = message["target"]["kind"][0] == kind
                && message["target"]["name"]
                    .as_str()
                    .is_some_and(|name| name == "it" || name == "cloakroom");
            let path = message["executable"].as_str().filter(|_| is_it)?;
            Some(PathBuf::from(path))
        });
        built
            .next_back()
            .ok_or_else(|| format!("Cargo names no program of the kind {kind}"))
    };
    Ok(Programs {
        library: program("lib")?,
        public: program("test")?,
    })
}

/// Runs the tests of a part, and reads what they say.
fn bring_about(
    context: &Context,
    programs: &Programs,
    part: &'static Part,
    extent: Extent,
) -> Result<Outcome, String> {
    let rounds = part.rounds(extent).unwrap_or_default();
    let mut outcome = Outcome::new(part, rounds);
    for (program, filters) in part.tests {
        let program = match program {
            Program::Library => &programs.library,
            Program::Public => &programs.public,
        };
        let limit = extent.limit().as_secs().to_string();
        // Processes that the tests start end with them, however they end.
        let mut command = context.command("timeout");
        command
            .args(["--kill-after=10", &limit])
            .arg(program)
            .args(*filters)
            .args(["--test-threads=2", "--nocapture"])
            .current_dir(context.root.join("crates/cloakroom"));
        if rounds > 0 {
            command.env("CLOAKROOM_ROUNDS", rounds.to_string());
        }
        let finished = context.run(&mut command)?;
        outcome.add(&finished);
    }
    Ok(outcome)
}

/// Returns the versions that the servers report.
fn versions(context: &Context) -> Vec<String> {
    let postgres = newest(Path::new("/usr/lib/postgresql")).join("bin/postgres");
    let ask = [
        ("redis-server", "--version"),
        (postgres.to_str().unwrap_or("postgres"), "--version"),
        ("strace", "--version"),
        ("uname", "-sr"),
    ];
    ask.into_iter()
        .filter_map(|(program, option)| {
            let said = context.command(program).arg(option).output().ok()?;
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            let line = said.lines().next()?.to_owned();
            Some(line.split(" sha=").next().unwrap_or(&line).to_owned())
        })
        .collect()
}

fn newest(folder: &Path) -> PathBuf {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).max().unwrap_or_default()
}
