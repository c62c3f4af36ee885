//! Drives the two labs with the same random requests and compares their responses, cookies and records.
//!
//! A seed names a sequence of requests and the configuration that both labs run under. Both sides
//! play it with a client of their own; ids are renamed, moments compared with tolerance, everything
//! else must be the same or a deviation of `deviation.rs`. The first difference that nothing
//! explains ends the run and is made as short as it can be.

mod compare;
mod config;
mod deviation;
mod generate;
mod instant;
mod jar;
mod lab;
mod names;
mod pair;
mod random;
mod record;
mod report;
mod sequence;
mod set_cookie;
mod shrink;
mod side;

use std::ops::RangeInclusive;

use config::Config;
use pair::Pair;
pub(crate) use pair::{Command, Plan};
use report::Failure;
pub(crate) use report::Report;
use sequence::Request;

/// Sequences before the labs start afresh: `/records` lists all that their stores hold.
const BATCH: usize = 200;

/// The sequences to run, and the lab to run them against.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Seeds to run, first and last.
    #[arg(long, default_value = "1..=2000", value_name = "FIRST..=LAST", value_parser = parse_seeds)]
    seeds: RangeInclusive<u64>,
    /// One seed alone.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// The command that starts Express's lab, relative to the repository.
    #[arg(long, default_value = "node interop/lab.mjs", value_name = "COMMAND")]
    left: String,
    /// The command that starts our lab.
    #[arg(
        long,
        default_value = "target/debug/examples/lab",
        value_name = "COMMAND"
    )]
    right: String,
}

impl Options {
    fn seeds(&self) -> RangeInclusive<u64> {
        self.seed
            .map_or_else(|| self.seeds.clone(), |seed| seed..=seed)
    }
}

/// Runs every seed, one configuration after the other, up to the first unexplained difference.
///
/// # Errors
///
/// If a lab does not start or ends before its time.
pub(crate) fn run(options: &Options) -> Result<Report, String> {
    let plan = |line: &str, is_ours| Plan {
        labs: vec![Command {
            line: line.to_owned(),
            is_ours,
        }],
        store: "memory:".to_owned(),
        prefix: "sess:".to_owned(),
    };
    let (left, right) = (plan(&options.left, false), plan(&options.right, true));
    play(&left, &right, options.seeds())
}

/// Plays each seed against two sides, up to the first unexplained difference.
///
/// # Errors
///
/// If a lab does not start or ends before its time.
pub(crate) fn play(
    left: &Plan,
    right: &Plan,
    seeds: RangeInclusive<u64>,
) -> Result<Report, String> {
    let mut report = Report::default();
    for config in Config::all() {
        let is_its = |seed: &u64| std::ptr::eq(Config::of(*seed), config);
        let seeds: Vec<u64> = seeds.clone().filter(is_its).collect();
        for batch in seeds.chunks(BATCH) {
            let mut pair = Pair::start(left, right, config)?;
            for &seed in batch {
                run_seed(&mut pair, seed, &mut report)
                    .map_err(|error| format!("seed {seed}: {error}"))?;
                if !report.passed() {
                    return Ok(report);
                }
            }
        }
    }
    Ok(report)
}

fn run_seed(pair: &mut Pair, seed: u64, report: &mut Report) -> Result<(), String> {
    let requests = generate::sequence(seed);
    // The configuration depends on the last digit.
    pair.first = usize::from(seed / 10 % 2 == 1);
    let outcome = pair.play(&requests)?;
    report.count(&outcome);
    if outcome.difference.is_none() {
        return Ok(());
    }
    if shows_again(pair, &requests)? {
        report.fail(shorten(pair, seed, requests)?);
    } else {
        report.slip(Failure {
            seed,
            config: pair.config,
            requests,
            outcome,
        });
    }
    Ok(())
}

/// Returns `true` if a sequence shows a difference again. A lab that the machine delayed for some
/// milliseconds shows one in the lifetimes that it computes, and none the next time.
fn shows_again(pair: &mut Pair, requests: &[Request]) -> Result<bool, String> {
    for _ in 0..4 {
        if pair.play(requests)?.difference.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks for the shortest sequence that still shows a difference.
fn shorten(pair: &mut Pair, seed: u64, requests: Vec<Request>) -> Result<Failure, String> {
    let config = pair.config;
    let shortest = shrink::shrink(requests, |requests| {
        Ok(pair.play(requests)?.difference.is_some())
    })?;
    let outcome = pair.play(&shortest)?;
    Ok(Failure {
        seed,
        config,
        requests: shortest,
        outcome,
    })
}

pub(crate) fn parse_seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let seeds = text
        .split_once("..=")
        .and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    seeds
        .filter(|seeds| !seeds.is_empty())
        .ok_or_else(|| "write it as 1..=2000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_with_its_end() {
        assert_eq!(parse_seeds("3..=5"), Ok(3..=5));
        for text in ["3", "3..5", "5..=3", "a..=b"] {
            assert!(parse_seeds(text).is_err(), "{text}");
        }
    }
}
