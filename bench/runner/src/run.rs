//! A whole run: everybody's turns, round by round, then what is counted apart.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Instant;

use crate::contenders::{Backing, Contender, Program};
use crate::findings::Findings;
use crate::measure::{self, Setting};
use crate::passes;

/// Reads of each session between two changes of a tenth of them.
const READS: [usize; 3] = [1, 2, 10];

/// Measures and counts; who fails is left out from then on, and named.
pub(crate) fn all(
    contenders: Vec<Contender>,
    unbuilt: &BTreeMap<Program, String>,
    setting: &Setting,
) -> Findings {
    let (mut findings, mut live) = (Findings::default(), Vec::new());
    for contender in contenders {
        match unbuilt.get(&contender.program) {
            None => live.push(contender),
            Some(reason) => findings.fail(contender.name, reason),
        }
    }
    findings.contenders = live;
    for round in 0..setting.effort.rounds {
        rounds(&mut findings, setting, round);
    }
    counts(&mut findings, setting);
    findings
}

fn rounds(findings: &mut Findings, setting: &Setting, round: usize) {
    let begin = Instant::now();
    say(&format!(
        "round {} of {}: ",
        round + 1,
        setting.effort.rounds
    ));
    let mut samples = BTreeMap::new();
    for contender in findings.contenders.clone() {
        say(".");
        match measure::turn(&contender, setting) {
            Err(reason) => findings.fail(contender.name, &reason),
            Ok(turn) => samples.extend(
                turn.into_iter()
                    .map(|(route, sample)| ((contender.name, route), sample)),
            ),
        }
    }
    findings.rounds.push(samples);
    say(&format!(" {} s\n", begin.elapsed().as_secs()));
}

/// Round trips, rows, sizes, hits.
fn counts(findings: &mut Findings, setting: &Setting) {
    let begin = Instant::now();
    say("round trips, rows and sizes: ");
    for contender in findings.contenders.clone() {
        say(".");
        if let Err(reason) = count(findings, setting, &contender) {
            findings.fail(contender.name, &reason);
        }
    }
    say(&format!(" {} s\n", begin.elapsed().as_secs()));
}

fn count(findings: &mut Findings, setting: &Setting, contender: &Contender) -> Result<(), String> {
    let name = contender.name;
    if matches!(contender.backing, Backing::Redis | Backing::Postgres) {
        let trips = passes::trips(contender, setting)?;
        findings.trips.extend(
            trips
                .into_iter()
                .map(|(route, trips)| ((name, route), trips)),
        );
    }
    if contender.backing == Backing::Postgres {
        let rows = passes::rows_written(contender, setting)?;
        findings.rows_written.insert(name, rows);
    }
    if let Some(bytes) = passes::bytes(contender, setting)? {
        findings.bytes.insert(name, bytes);
    }
    if contender.kind == "near" {
        for reads in READS {
            findings
                .hits
                .push((reads, passes::hits(contender, setting, reads)?));
        }
    }
    Ok(())
}

impl Findings {
    /// Takes somebody out, and says so at once.
    fn fail(&mut self, name: &str, reason: &str) {
        eprintln!("\n{name} FAILED: {reason}");
        self.contenders.retain(|contender| contender.name != name);
        self.failures.push((name.to_owned(), reason.to_owned()));
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout();
    // Progress that nobody sees does no harm.
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}
