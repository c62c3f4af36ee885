//! The number of tests that a test runner reports.

use std::iter::Sum;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Ignored, skipped, cancelled or still to do: none of them may be.
    pub(crate) skipped: usize,
}

impl Counts {
    /// Counts the tests that passed where none did otherwise.
    pub(crate) fn passed(passed: usize) -> Self {
        Self {
            passed,
            ..Self::default()
        }
    }

    /// Adds up the lines `test result: ok. 12 passed; 0 failed; 1 ignored; …` of `cargo test`.
    pub(crate) fn of_cargo(output: &str) -> Self {
        output
            .lines()
            .filter_map(|line| line.strip_prefix("test result: "))
            .flat_map(|line| line.split([';', '.']))
            .filter_map(|part| part.trim().split_once(' '))
            .map(|(number, word)| Self::one(word, number))
            .sum()
    }

    /// Reads the summary of `node --test`: `ℹ pass 12`, or `# pass 12`.
    pub(crate) fn of_node(output: &str) -> Self {
        output
            .lines()
            .filter_map(|line| line.strip_prefix("ℹ ").or(line.strip_prefix("# ")))
            .filter_map(|line| line.split_once(' '))
            .map(|(word, number)| Self::one(word, number))
            .sum()
    }

    fn one(word: &str, number: &str) -> Self {
        let number = number.parse().unwrap_or_default();
        let mut counts = Self::default();
        match word {
            "passed" | "pass" => counts.passed = number,
            "failed" | "fail" => counts.failed = number,
            "ignored" | "filtered out" | "skipped" | "cancelled" | "todo" => {
                counts.skipped = number;
            }
            _ => {}
        }
        counts
    }

    /// Returns the number of tests that did not pass, for whatever reason.
    pub(crate) fn unsuccessful(&self) -> usize {
        self.failed + self.skipped
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, counts| Self {
            passed: sum.passed + counts.passed,
            failed: sum.failed + counts.failed,
            skipped: sum.skipped + counts.skipped,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_of_cargo_counts() {
        let output = "\
running 3 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: FAILED. 10 passed; 3 failed; 0 ignored; 0 measured; 4 filtered out; finished in 1.25s
";
        let counts = Counts {
            passed: 12,
            failed: 3,
            skipped: 5,
        };
        assert_eq!(Counts::of_cargo(output), counts);
        assert_eq!(counts.unsuccessful(), 8);
    }

    #[test]
    fn the_summary_of_node_counts_under_both_reporters() {
        let words = ["tests 9", "suites 1", "pass 4", "fail 1", "cancelled 1"];
        for mark in ["ℹ", "#"] {
            let lines = words.map(|words| format!("{mark} {words}\n")).concat();
            let output =
                format!("{lines}{mark} skipped 2\n{mark} todo 1\n{mark} duration_ms 5.5\n");
            let counts = Counts {
                passed: 4,
                failed: 1,
                skipped: 4,
            };
            assert_eq!(Counts::of_node(&output), counts);
        }
    }
}
