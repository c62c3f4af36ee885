//! The phases of a move: copy, passes until they settle, ready, the last pass.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use cloakroom::store::Store as _;

use super::cutover::Cutover;
use super::decide::{Rules, Settled, settled};
use super::endings::When;
use super::ends::patiently;
use super::journal::Phase;
use super::mover::Mover;
use super::verified::Verified;
use crate::problem::Problem;
use crate::sessions::open::failed;

/// The shortest pause between two passes of a target that is ready.
const PAUSE: Duration = Duration::from_secs(1);

/// The moment of the last pass.
pub(super) enum Last {
    /// As soon as the passes have settled.
    AtOnce,
    /// At the operator's word.
    After(Cutover),
    /// Now: the target serves already.
    Now,
}

impl Mover {
    /// Goes on from where the journal is, to the end; returns what a comparison has found.
    pub(super) async fn run(
        &mut self,
        mut last: Last,
        settle: f64,
        verify: Option<f64>,
    ) -> Result<Option<Verified>, Problem> {
        let mut verified = None;
        loop {
            match (self.journal.state.phase, &mut last) {
                (Phase::Copy | Phase::Settle, Last::Now) => return Err(too_early()),
                (Phase::Copy, _) => self.copy().await?,
                (Phase::Settle, last) => {
                    let closeness = self.settle(settle).await?;
                    if closeness == Settled::No {
                        continue;
                    }
                    if let (Last::After(_), Some(share)) = (&*last, verify) {
                        self.report.say("comparing both stores");
                        verified = Some(self.verify(share).await?);
                        refuse_differences(verified.as_ref())?;
                    }
                    self.enter(Phase::Ready)?;
                }
                (Phase::Ready, Last::After(cutover)) => {
                    self.follow(cutover).await?;
                    self.enter(Phase::Last)?;
                }
                (Phase::Ready, _) => self.enter(Phase::Last)?,
                (Phase::Last, last) => {
                    self.pass(Rules::Serving, When::Always).await?;
                    if let (Last::AtOnce, Some(share)) = (&*last, verify) {
                        self.report.say("comparing both stores");
                        verified = Some(self.verify(share).await?);
                    }
                    self.enter(Phase::Done)?;
                }
                (Phase::Done, _) => return Ok(verified),
            }
        }
    }

    async fn copy(&mut self) -> Result<(), Problem> {
        let begin = Instant::now();
        if self.journal.state.pass == 0 {
            self.journal.state.pass = 1;
        }
        self.show_bar().await?;
        self.forward(Rules::Filling).await?;
        self.report.pass(&self.journal.state, begin.elapsed())?;
        self.enter(Phase::Settle)
    }

    /// Makes one pass; returns if the target is as close to the source as it gets.
    async fn settle(&mut self, share: f64) -> Result<Settled, Problem> {
        self.pass(Rules::Filling, When::Missed).await?;
        let state = &mut self.journal.state;
        let moved = state.current.moved();
        let before = state.moved_before.replace(moved);
        Ok(settled(moved, before, state.current.read, share))
    }

    /// Keeps the target up to date until the operator says that it serves.
    async fn follow(&mut self, cutover: &mut Cutover) -> Result<(), Problem> {
        if cutover.forget() {
            self.report
                .say("a cut-over before it was time was passed over");
        }
        let changing = self.journal.state.moved_before.unwrap_or(0);
        self.report.ready(changing)?;
        while !cutover.is_asked() {
            let begin = Instant::now();
            cutover.wait(PAUSE).await;
            if cutover.is_asked() {
                break;
            }
            self.pass(Rules::Serving, When::Missed).await?;
            // Half of the time at most is spent on reading the source.
            cutover.wait(begin.elapsed()).await;
        }
        self.report.say("cut-over: the last pass");
        Ok(())
    }

    /// Makes a pass over both stores.
    async fn pass(&mut self, rules: Rules, when: When) -> Result<(), Problem> {
        let begin = Instant::now();
        // What the operator took to switch is not the move's.
        self.counted = begin;
        let state = &mut self.journal.state;
        state.total = state.total.and_then(state.current);
        state.current = super::tally::Tally::default();
        state.cursor = None;
        state.pass += 1;
        self.journal.enter(Vec::new())?;
        self.show_bar().await?;
        self.forward(rules).await?;
        self.end(when).await?;
        self.journal.forget_rejects()?;
        self.count_time();
        self.report.pass(&self.journal.state, begin.elapsed())?;
        self.journal.enter(Vec::new())
    }

    async fn show_bar(&mut self) -> Result<(), Problem> {
        let source = &self.ends.source;
        let all = patiently(|| source.count()).await;
        let all = all.map_err(|error| failed(&error))?;
        let state = &self.journal.state;
        self.report
            .begin(state.phase, state.pass, all, state.current.read);
        Ok(())
    }

    fn enter(&mut self, phase: Phase) -> Result<(), Problem> {
        self.journal.state.phase = phase;
        self.journal.enter(Vec::new())
    }

    /// Writes the sessions that were not moved; returns their number.
    pub(super) fn write_rejects(&self, path: &Path) -> Result<u64, Problem> {
        let count = self.journal.rejected()?;
        let unwritten = |error: &std::io::Error| {
            Problem::failed(format!(
                "{} cannot be written ({error}): give another file with --rejects, and run this again",
                path.display()
            ))
        };
        if count == 0 {
            // One of an earlier run tells of what has been moved since.
            return match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(unwritten(&error))
                }
                _ => Ok(0),
            };
        }
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| unwritten(&error))?;
        let mut out = BufWriter::new(file);
        let written = self.journal.each_reject(|reject| {
            let line = serde_json::to_string(&reject).unwrap_or_default();
            writeln!(out, "{line}")
        })?;
        written
            .and_then(|()| out.flush())
            .map_err(|error| unwritten(&error))?;
        Ok(count)
    }
}

/// Refuses to tell the operator to switch to a target that is not as the source.
fn refuse_differences(verified: Option<&Verified>) -> Result<(), Problem> {
    match verified {
        Some(verified) if verified.differ() > 0 => Err(Problem::failed(format!(
            "the target is not as the source ({}): nothing is switched; see who else writes to the target, and run this again",
            verified.sentence().trim_end_matches('.')
        ))),
        _ => Ok(()),
    }
}

fn too_early() -> Problem {
    Problem::usage(
        "the copy is not complete: run this without --cutover, with --follow if both sides serve",
    )
}
