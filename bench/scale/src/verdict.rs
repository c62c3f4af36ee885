//! The goals, and their results.

use std::fmt;

use crate::ladder::{Pair, Rung, SMALL};
use crate::table::grouped;

/// A limit for the slowest of a hundred operations in the largest store, relative to the small one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    pub(crate) store: &'static str,
    pub(crate) most: f64,
}

/// The line of the memory store.
pub(crate) const MEMORY: Line = Line {
    store: "memory",
    most: 1.5,
};
/// The line of SQLite.
pub(crate) const SQLITE: Line = Line {
    store: "SQLite",
    most: 3.0,
};

/// The result of checking a limit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    line: Line,
    what: String,
    ratio: f64,
}

impl Verdict {
    /// Returns one verdict for each operation at the largest size.
    pub(crate) fn of(line: Line, rungs: &[Rung]) -> Vec<Self> {
        let Some(top) = rungs.last() else {
            return Vec::new();
        };
        let one = |pair: &Pair| Self {
            line,
            what: format!(
                "p99 of {} at {} to that at {}",
                pair.op.name(),
                grouped(top.size.into()),
                grouped(SMALL.into())
            ),
            ratio: pair.ratio(),
        };
        top.ops.iter().map(one).collect()
    }

    pub(crate) fn holds(&self) -> bool {
        self.ratio <= self.line.most
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds() { "holds" } else { "misses" };
        write!(
            f,
            "| {} | {} | {:.2} | {:.1} | {verdict} |",
            self.line.store, self.what, self.ratio, self.line.most
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{MEMORY, SQLITE, Verdict};

    #[test]
    fn a_verdict_compares_the_ratio_with_its_limit() {
        let table = [
            (MEMORY, 1.5, "holds"),
            (MEMORY, 1.51, "misses"),
            (SQLITE, 1.51, "holds"),
            (SQLITE, 3.01, "misses"),
            (SQLITE, f64::NAN, "misses"),
        ];
        for (line, ratio, verdict) in table {
            let what = "get".to_owned();
            let said = Verdict { line, what, ratio }.to_string();
            assert!(said.ends_with(&format!("| {verdict} |")), "{said}");
        }
    }
}
