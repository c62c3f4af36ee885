//! A whole run: all turns, round by round, then the separate counts.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Instant;

use crate::contenders::{Backing, Contender, Program};
use crate::findings::Findings;
use crate::measure::{self, Setting};
use crate::passes;
use crate::races;

/// Reads of each session between two changes of a tenth of them.
const READS: [usize; 3] = [1, 2, 10];

/// Measures and counts; whatever fails is named.
pub(crate) fn all(
    contenders: Vec<Contender>,
    unbuilt: &BTreeMap<Program, String>,
    setting: &Setting,
) -> Findings {
    let (mut findings, mut live) = (Findings::default(), Vec::new());
    for contender in contenders {
        match unbuilt.get(&contender.program) {
            None => live.push(contender),
            Some(reason) => findings.fail(contender.name, "build", reason),
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
            Err(reason) => {
                let what = format!("round {}", round + 1);
                findings.fail(contender.name, &what, &reason);
            }
            Ok(turn) => samples.extend(
                turn.into_iter()
                    .map(|(route, sample)| ((contender.name, route), sample)),
            ),
        }
    }
    findings.rounds.push(samples);
    say(&format!(" {} s\n", begin.elapsed().as_secs()));
}

/// Round trips, rows, sizes, races, hits.
fn counts(findings: &mut Findings, setting: &Setting) {
    let begin = Instant::now();
    say("round trips, rows and sizes: ");
    for contender in findings.contenders.clone() {
        say(".");
        if let Err(reason) = count(findings, setting, &contender) {
            findings.fail(contender.name, "counts", &reason);
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
    if contender.has_sessions() {
        findings
            .races
            .insert(name, races::play(contender, setting)?);
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
    /// Notes a failure, and says so at once; who fails twice is out.
    fn fail(&mut self, name: &str, what: &str, reason: &str) {
        eprintln!("\n{name} FAILED, {what}: {reason}");
        let before = self.failures.len();
        self.failures
            .push((format!("{name}, {what}"), reason.to_owned()));
        let is_of = |failure: &(String, String)| failure.0.starts_with(&format!("{name},"));
        if self.failures[..before].iter().any(is_of) {
            self.contenders.retain(|contender| contender.name != name);
        }
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout();
    // A failure to print progress does no harm.
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contenders;

    #[test]
    fn a_contender_that_fails_twice_is_excluded() {
        let mut findings = Findings {
            contenders: contenders::all(),
            ..Findings::default()
        };
        let is_in = |findings: &Findings| {
            let mut names = findings.contenders.iter().map(|who| who.name);
            names.any(|name| name == "cloakroom redis")
        };
        // Another name begins in the same way.
        findings.fail("cloakroom redis near", "round 1", "no answer");
        findings.fail("cloakroom redis", "round 1", "no answer");
        assert!(is_in(&findings));
        findings.fail("cloakroom redis", "round 2", "no answer");
        assert!(!is_in(&findings));
        assert_eq!(findings.failures.len(), 3);
    }
}
