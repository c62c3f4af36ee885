//! The course of a move for its operator: a bar on a terminal, a line for each pass, the summary.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::{Value, json};

use super::grouped::grouped;
use super::journal::{Phase, State};
use super::tally::Tally;
use super::verified::Verified;
use crate::output::{Output, print, print_json};
use crate::problem::Problem;

/// Prints the course of a move.
pub(super) struct Report {
    bar: ProgressBar,
    output: Output,
    json: bool,
}

/// The facts of the summary.
pub(super) struct Summary<'a> {
    pub(super) state: &'a State,
    pub(super) rejected: u64,
    pub(super) rejects_file: String,
    pub(super) verified: Option<Verified>,
}

impl Report {
    /// Creates one for standard output and standard error; in a pipe standard output gets JSON.
    pub(super) fn new(json: bool) -> Self {
        Self {
            bar: ProgressBar::hidden(),
            output: Output::of_stdout(),
            json: json || !io::stdout().is_terminal(),
        }
    }

    /// Shows the bar of a pass, if somebody looks.
    pub(super) fn begin(&mut self, phase: Phase, pass: u32, all: u64, read: u64) {
        if !io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(all.max(read)), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(
            "{prefix:<9} {bar:20} {human_pos:>11} of {human_len}  {rate:>11}  {msg}",
        );
        if let Ok(style) = style {
            let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{:.0}/s", state.per_sec());
            };
            bar.set_style(style.with_key("rate", rate).progress_chars("=> "));
        }
        bar.set_prefix(title(phase, pass));
        bar.set_position(read);
        bar.reset_eta();
        self.bar = bar;
    }

    /// Moves the bar on.
    pub(super) fn read(&self, read: u64, backs_off: bool) {
        if read > self.bar.length().unwrap_or(0) {
            self.bar.set_length(read);
        }
        self.bar.set_position(read);
        self.bar
            .set_message(if backs_off { "source is slow" } else { "" });
    }

    /// Prints what a pass has done.
    pub(super) fn pass(&self, state: &State, took: Duration) -> Result<(), Problem> {
        self.bar.finish_and_clear();
        let Tally {
            read,
            copied,
            updated,
            ended,
            ..
        } = state.current;
        let title = title(state.phase, state.pass);
        self.say(&format!(
            "{title}: {read} read, {copied} copied, {updated} updated, {ended} ended in {}",
            seconds(took)
        ));
        self.event(&json!({
            "event": "pass", "phase": state.phase, "pass": state.pass, "seconds": took.as_secs_f64(),
            "counts": state.current,
        }))
    }

    /// Tells the operator to switch.
    pub(super) fn ready(&self, changing: u64) -> Result<(), Problem> {
        let pid = std::process::id();
        if changing > 0 {
            self.say(&format!(
                "{changing} sessions change during a pass: the last pass will move about as many"
            ));
        }
        let press = if io::stdin().is_terminal() {
            "press Enter, or send"
        } else {
            "send"
        };
        self.say("ready: switch the application to the target now");
        self.say(&format!("then {press} SIGUSR1 to process {pid}"));
        self.event(&json!({ "event": "ready", "pid": pid, "changing": changing }))
    }

    /// Says a line to whoever looks.
    pub(super) fn say(&self, line: &str) {
        self.bar.suspend(|| {
            let _ = writeln!(io::stderr(), "{line}");
        });
    }

    fn event(&self, event: &Value) -> Result<(), Problem> {
        if self.json { print_json(event) } else { Ok(()) }
    }

    /// Prints the summary: a table at a terminal, a line of JSON in a pipe.
    pub(super) fn summary(&self, summary: &Summary<'_>) -> Result<(), Problem> {
        if self.json {
            return print_json(&summary.json());
        }
        print(&summary.table(self.output))
    }
}

impl Summary<'_> {
    /// Sessions that the copy stored in a second.
    fn rate(&self) -> u64 {
        self.state.tally().copied.saturating_mul(1000) / self.state.copy_spent.max(1)
    }

    fn json(&self) -> Value {
        let verified = self.verified.as_ref();
        json!({
            "event": "done", "counts": self.state.tally(), "rejected": self.rejected, "passes": self.state.pass,
            "seconds": Duration::from_millis(self.state.spent).as_secs_f64(), "rate": self.rate(),
            "verified": verified.map(|verified| verified.compared),
            "differ": verified.map(Verified::differ),
        })
    }

    fn table(&self, output: Output) -> String {
        let tally = self.state.tally();
        let always = [
            ("at the source, in the last pass", tally.read),
            ("copied", tally.copied),
            ("updated", tally.updated),
            ("ended, as at the source", tally.ended),
            ("not moved", self.rejected),
        ];
        let if_any = [
            ("at the target already", tally.adopted),
            ("expired meanwhile", tally.expired),
            ("without an end", tally.endless),
            ("left out, without an end", tally.skipped),
            ("left as the target changed them", tally.kept),
            ("left ended, as at the target", tally.ended_there),
            ("in another form at the target", tally.reformed),
        ];
        let if_any = if_any.into_iter().filter(|(_, count)| *count > 0);
        let rest = [
            ("passes", u64::from(self.state.pass)),
            ("seconds", self.state.spent.div_ceil(1000)),
            ("copied a second", self.rate()),
        ];
        let mut text = String::new();
        for (name, count) in always.into_iter().chain(if_any).chain(rest) {
            let number = format!("{:>13}", grouped(count));
            let _ = writeln!(text, "{name:<33}{}", output.style().bold(&number));
        }
        let mut note = |body: &str| output.paragraph(&mut text, "", body);
        if tally.reformed > 0 {
            note(
                "The target has a form of its own: values are kept; the order of keys and the digits of numbers may differ.",
            );
        }
        if let Some(verified) = &self.verified {
            note(&verified.sentence());
        }
        if self.rejected > 0 {
            note(&format!(
                "{} not moved: handles and reasons are in {}",
                grouped(self.rejected),
                self.rejects_file
            ));
        }
        text
    }
}

fn title(phase: Phase, pass: u32) -> String {
    match phase {
        Phase::Copy => "copy".to_owned(),
        Phase::Settle | Phase::Ready => format!("pass {pass}"),
        Phase::Last | Phase::Done => "last pass".to_owned(),
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{State, Summary, Tally};
    use crate::output::Output;

    #[test]
    fn a_summary_names_what_happened_and_no_more() {
        let state = State {
            pass: 3,
            spent: 12_001,
            copy_spent: 10_000,
            total: Tally {
                copied: 1_000_000,
                kept: 5,
                ..Tally::default()
            },
            current: Tally {
                read: 1_000_001,
                copied: 1,
                reformed: 7,
                ..Tally::default()
            },
            ..State::default()
        };
        let summary = Summary {
            state: &state,
            rejected: 2,
            rejects_file: "a.rejects".into(),
            verified: None,
        };
        let text = summary.table(Output::plain(Some(80)));
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        for line in [
            "copied                               1 000 001",
            "not moved                                    2",
            "seconds                                     13",
            "copied a second                        100 000",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(
            text.contains("a.rejects") && text.contains("form"),
            "{text}"
        );
        assert!(!text.contains("changed them"), "{text}");
        let json = summary.json();
        assert_eq!(json["counts"]["copied"], 1_000_001);
        assert_eq!(json["rejected"], 2);
    }
}
