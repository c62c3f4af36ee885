//! The course of what takes long, on a terminal; in a pipe nothing is said.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// The sessions that there are to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Total {
    Known(u64),
    Unknown,
}

/// A bar, or a number that grows.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Begins, on standard error if that is a terminal.
    pub(super) fn of(what: &'static str, total: Total) -> Self {
        if !io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let (total, template) = match total {
            Total::Known(total) => (
                Some(total),
                "{msg} {bar:20} {human_pos:>11} of {human_len}  {rate:>11}",
            ),
            Total::Unknown => (None, "{msg} {human_pos:>11}  {rate:>11}"),
        };
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{:.0}/s", state.per_sec());
            };
            bar.set_style(style.with_key("rate", rate).progress_chars("=> "));
        }
        bar.set_message(what);
        // What is done at once shows no bar.
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// Moves to this number.
    pub(super) fn at(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Takes the bar away, so that the result is what remains.
    pub(super) fn end(self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // A failure is said on a line of its own.
        self.0.finish_and_clear();
    }
}
