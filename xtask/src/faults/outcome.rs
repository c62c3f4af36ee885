//! The result of a part: the number of tests that passed, and the lines in which they report.

use std::collections::BTreeSet;

use super::parts::Part;
use crate::context::{Finished, excerpt};
use crate::counts::Counts;

/// A part that was run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) part: &'static Part,
    /// Number of rounds that each of its tests was asked for; 0 where they have a number of their own.
    pub(crate) rounds: usize,
    pub(crate) passed: usize,
    failed: usize,
    /// Load and what was seen, of each store.
    pub(crate) seen: Vec<(String, String)>,
    /// The reports of the controls.
    pub(crate) controls: Vec<String>,
    why: String,
}

impl Outcome {
    pub(crate) fn new(part: &'static Part, rounds: usize) -> Self {
        Self {
            part,
            rounds,
            passed: 0,
            failed: 0,
            seen: Vec::new(),
            controls: Vec::new(),
            why: String::new(),
        }
    }

    /// Reads what a test program has said.
    pub(crate) fn add(&mut self, finished: &Finished) {
        let counts = Counts::of_cargo(&finished.output);
        self.passed += counts.passed;
        let failed = counts.failed.max(usize::from(!finished.success));
        self.failed += failed;
        if failed > 0 {
            self.why.push_str(&excerpt(&finished.output));
        }
        let (mut seen, mut controls) = (BTreeSet::new(), BTreeSet::new());
        for line in finished.output.lines() {
            if let Some((load, what)) = said(line, "fault: ", self.part.name).and_then(halves) {
                seen.insert((load.to_owned(), what.to_owned()));
            }
            if let Some(what) = said(line, "control: ", self.part.name) {
                controls.insert(what.to_owned());
            }
        }
        self.seen.extend(seen);
        self.controls.extend(controls);
    }

    /// Returns `true` if no test failed, and at least one ran, where there are any.
    pub(crate) fn held(&self) -> bool {
        self.failed == 0 && (self.passed > 0 || !self.is_here())
    }

    /// Returns `true` if the repository has tests for it.
    pub(crate) fn is_here(&self) -> bool {
        !self.part.tests.is_empty()
    }

    pub(crate) fn verdict(&self) -> String {
        match (self.is_here(), self.passed, self.failed) {
            (false, ..) => "not here".to_owned(),
            (true, passed, 0) if passed > 0 => format!("{passed} passed"),
            (true, 0, 0) => "FAILED: no test of that name".to_owned(),
            (true, passed, failed) => format!("{passed} passed, {failed} FAILED"),
        }
    }

    pub(crate) fn why(&self) -> String {
        format!("{}: {}\n{}", self.part.name, self.verdict(), self.why)
    }
}

/// `fault: F05 | …` of this fault; libtest may have written before it on the line.
fn said<'a>(line: &'a str, what: &str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(what)?;
    rest.strip_prefix(name)?.strip_prefix(" | ")
}

fn halves(line: &str) -> Option<(&str, &str)> {
    line.split_once(" | ")
}

#[cfg(test)]
mod tests {
    use super::super::parts::PARTS;
    use super::*;

    fn played(success: bool, output: &str) -> Outcome {
        let part = PARTS.iter().find(|part| part.name == "F02").unwrap();
        let mut outcome = Outcome::new(part, 0);
        outcome.add(&Finished {
            success,
            output: output.to_owned(),
        });
        outcome
    }

    #[test]
    fn reports_of_tests_are_kept() {
        let output = "test a ... fault: F02 | 5 cuts | 0 lost\ncontrol: F02 | 3 lost\nfault: F03 | no | no\n\
                      test result: ok. 2 passed; 0 failed; 0 ignored";
        let outcome = played(true, output);
        assert!(outcome.held());
        assert_eq!(outcome.seen, [("5 cuts".to_owned(), "0 lost".to_owned())]);
        assert_eq!(outcome.controls, ["3 lost"]);
        assert_eq!(outcome.verdict(), "2 passed");
    }

    #[test]
    fn a_part_that_failed_or_never_ran_has_not_held() {
        assert!(!played(false, "test result: FAILED. 1 passed; 1 failed; 0 ignored").held());
        assert!(!played(false, "it was ended").held());
        assert!(!played(true, "test result: ok. 0 passed; 0 failed; 0 ignored").held());
    }
}
