//! The page that a run writes.

use std::fmt::Write as _;
use std::time::Duration;

use crate::figures::Figures;
use crate::verdict::Verdict;
use crate::{Options, machine, say};

/// The findings so far.
#[derive(Debug)]
pub(crate) struct Report {
    head: String,
    sections: String,
    pub(crate) verdicts: Vec<Verdict>,
    beside_verdicts: String,
    pub(crate) figures: Figures,
}

impl Report {
    pub(crate) fn new(options: &Options) -> Self {
        let partial = match (options.quick, options.only) {
            (false, None) => "",
            _ => "\nA quick or partial run: not the page of the repository.\n",
        };
        Self {
            head: format!("{}{partial}", machine::describe()),
            sections: String::new(),
            verdicts: Vec::new(),
            beside_verdicts: String::new(),
            figures: Figures::default(),
        }
    }

    /// A heading, what to know, a table.
    pub(crate) fn section(&mut self, title: &str, note: &str, table: &str) {
        say(title);
        let _ = write!(self.sections, "\n## {title}\n\n{note}\n\n{table}");
    }

    /// Text behind the last section.
    pub(crate) fn add(&mut self, text: &str) {
        let _ = write!(self.sections, "\n{text}\n");
    }

    /// Adds a note to the verdicts.
    pub(crate) fn beside_verdicts(&mut self, text: &str) {
        self.beside_verdicts.push_str(text);
        self.beside_verdicts.push('\n');
    }

    /// Returns the number of goals that are met.
    pub(crate) fn verdict(&self) -> String {
        let held = self.verdicts.iter().filter(|verdict| verdict.holds());
        format!("{} of {} lines hold", held.count(), self.verdicts.len())
    }

    pub(crate) fn page(&self, took: Duration) -> String {
        let Self {
            head,
            sections,
            figures,
            ..
        } = self;
        let mut page = format!(
            "# What each store does with a thousand sessions, and with ten million\n\n\
             Written by `cargo xtask scale`, in {:.0} s:\n\n{head}\n{HOW}\n",
            took.as_secs_f64()
        );
        if !self.verdicts.is_empty() {
            let _ = write!(
                page,
                "## The lines to hold\n\n| store | what | ratio | at most | |\n|---|---|---|---|---|\n"
            );
            for verdict in &self.verdicts {
                let _ = writeln!(page, "{verdict}");
            }
            let _ = write!(page, "\n{}", self.beside_verdicts);
        }
        let _ = write!(
            page,
            "{sections}\n## Figures for the manual\n\n{FIGURES}\n\n{figures}"
        );
        page
    }
}

const HOW: &str = "\
Records have 300 bytes, ids 32. A time is that of the store's operation alone, seen by its caller, one at a time; making the
id and the record is not in it. Each size is asked in turns with a second store of 1 000 sessions, so that whatever else the
machine does meets both: trust ratios more than times. `/s` is one divided by the mean. Servers run on this machine and share
its cores with what asks them.
";

const FIGURES: &str = "\
`cargo xtask scale --page` writes them into `crates/cloakroom/src/manual/sizing.md` and computes its tables again.";
