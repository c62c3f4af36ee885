//! The results of the steps: a row for each, and the line that sums them up.

use std::fmt;
use std::time::Duration;

use crate::counts::Counts;
use crate::steps::Done;

#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    took: Duration,
    counts: Counts,
}

#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) rows: Vec<Row>,
}

impl Row {
    /// Judges a step; what else it has to say is handed back.
    pub(crate) fn of(
        name: &'static str,
        result: Result<Done, String>,
        took: Duration,
    ) -> (Self, String) {
        let (counts, note) = match result {
            Ok(Done { counts, note }) => (counts, note),
            // A step that ends early has run no test that could fail, and counts as one.
            Err(error) => (failure(), error),
        };
        (Self { name, took, counts }, note)
    }

    fn verdict(&self) -> String {
        let Counts {
            passed,
            failed,
            skipped,
        } = self.counts;
        let mut words = Vec::new();
        for (number, word) in [(passed, "passed"), (failed, "FAILED"), (skipped, "SKIPPED")] {
            if number > 0 {
                words.push(format!("{number} {word}"));
            }
        }
        if words.is_empty() {
            words.push("done".to_owned());
        }
        words.join(", ")
    }
}

impl Summary {
    /// Returns `true` if every step succeeded, and no test was left out.
    pub(crate) fn passed(&self) -> bool {
        self.counts().unsuccessful() == 0
    }

    fn counts(&self) -> Counts {
        self.rows.iter().map(|row| row.counts).sum()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s, {}", self.took.as_secs_f64(), self.verdict())
    }
}

impl fmt::Display for Summary {
    /// The last line is `N passed, N failed`; a test that was skipped has failed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<14}{:>8}  result", "step", "seconds")?;
        for row in &self.rows {
            let (name, seconds) = (row.name, row.took.as_secs_f64());
            writeln!(f, "{name:<14}{seconds:>8.1}  {}", row.verdict())?;
        }
        let seconds: f64 = self.rows.iter().map(|row| row.took.as_secs_f64()).sum();
        writeln!(f, "{:<14}{seconds:>8.1}\n", "in all")?;
        let counts = self.counts();
        let (passed, failed) = (counts.passed, counts.unsuccessful());
        write!(f, "{passed} passed, {failed} failed")
    }
}

fn failure() -> Counts {
    Counts {
        failed: 1,
        ..Counts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(results: Vec<Result<Done, String>>) -> Summary {
        let row = |result| Row::of("step", result, Duration::from_millis(1500)).0;
        Summary {
            rows: results.into_iter().map(row).collect(),
        }
    }

    fn last_line(summary: &Summary) -> String {
        summary.to_string().lines().last().unwrap().to_owned()
    }

    #[test]
    fn passes_add_up() {
        let summary = summary(vec![
            Ok(Done::default()),
            Ok(Counts::passed(3).into()),
            Ok(Counts::passed(4).into()),
        ]);
        assert!(summary.passed());
        assert_eq!(last_line(&summary), "7 passed, 0 failed");
        assert_eq!(summary.rows[0].to_string(), "1.5 s, done");
    }

    #[test]
    fn a_skipped_test_fails_the_run() {
        let counts = Counts {
            skipped: 2,
            ..Counts::passed(3)
        };
        let summary = summary(vec![Ok(counts.into())]);
        assert!(!summary.passed());
        assert_eq!(last_line(&summary), "3 passed, 2 failed");
    }

    #[test]
    fn a_step_that_ends_early_fails_the_run() {
        let summary = summary(vec![Ok(Counts::passed(3).into()), Err("no".to_owned())]);
        assert!(!summary.passed());
        assert_eq!(last_line(&summary), "3 passed, 1 failed");
    }
}
