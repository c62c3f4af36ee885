//! The log, and plausible errors around it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::super::log::{Acceptance, End, EndLog, Generation, Identity, LogLimits, Pending};

/// An error in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoil {
    /// A new server is taken for the one before.
    NeverMeets,
    /// A server is identified by its run alone.
    KnowsRunsOnly,
    /// One without an identity is taken for the one before.
    TrustsTheUnknown,
    /// A partly failed operation counts as done.
    CountsTheUnanswered,
    /// A reply of a server that has been replaced counts for its successor.
    CountsTheReplaced,
    /// An end is reported although another server has taken over.
    ReportsTheLate,
    /// An end that was repeated is dropped.
    RepeatsOnce,
    /// The newest end is dropped when there are too many.
    KeepsTheOldest,
    /// Ends are dropped too early.
    ForgetsEarly,
    /// Ids are no longer barred once the repetition begins.
    LiftsTheBarFirst,
    /// Ids are no longer barred once the repetition is over, however it ended.
    LiftsTheBarAnyway,
    /// Only the first of several parts is repeated.
    TellsOnePart,
    /// The oldest end is skipped.
    PassesOneOver,
}

impl Spoil {
    pub(super) const ALL: [Self; 13] = [
        Self::NeverMeets,
        Self::KnowsRunsOnly,
        Self::TrustsTheUnknown,
        Self::CountsTheUnanswered,
        Self::CountsTheReplaced,
        Self::ReportsTheLate,
        Self::RepeatsOnce,
        Self::KeepsTheOldest,
        Self::ForgetsEarly,
        Self::LiftsTheBarFirst,
        Self::LiftsTheBarAnyway,
        Self::TellsOnePart,
        Self::PassesOneOver,
    ];
}

/// A copy of [`EndLog`] with one error.
pub(super) struct Log {
    good: EndLog,
    spoil: Option<Spoil>,
    limits: LogLimits,
    count: usize,
    has_met: bool,
    done: HashSet<u64>,
}

impl Log {
    pub(super) fn new(limits: LogLimits, spoil: Option<Spoil>) -> Self {
        let mut kept = limits;
        if spoil == Some(Spoil::ForgetsEarly) {
            kept.age /= 2;
        }
        Self {
            good: EndLog::new(kept),
            spoil,
            limits,
            count: 0,
            has_met: false,
            done: HashSet::new(),
        }
    }

    pub(super) fn is(&self, spoil: Spoil) -> bool {
        self.spoil == Some(spoil)
    }

    pub(super) fn current(&self) -> Generation {
        self.good.current()
    }

    pub(super) fn meet(&mut self, identity: Option<(u32, u32)>) -> bool {
        let first = !std::mem::replace(&mut self.has_met, true);
        let identity = match self.spoil {
            Some(Spoil::NeverMeets) => Some((0, 0)),
            Some(Spoil::KnowsRunsOnly) => identity.map(|(run, _)| (run, 0)),
            Some(Spoil::TrustsTheUnknown) if identity.is_none() && !first => return false,
            _ => identity,
        };
        self.good
            .meet(identity.map(|(run, replication)| Identity(format!("{run}/{replication}"))))
    }

    pub(super) fn acknowledge(&mut self, end: End, by: Generation, now: Instant) -> Acceptance {
        self.count += 1;
        if self.is(Spoil::KeepsTheOldest) && self.count > self.limits.ids {
            return Acceptance::Holds;
        }
        let standing = self.good.acknowledge(end, by, now);
        if self.is(Spoil::ReportsTheLate) {
            return Acceptance::Holds;
        }
        standing
    }

    pub(super) fn pending(
        &mut self,
        generation: Generation,
        from: u64,
        most: usize,
        now: Instant,
    ) -> Vec<Pending> {
        if self.is(Spoil::TellsOnePart) && from > 0 {
            return Vec::new();
        }
        let from = from + u64::from(self.is(Spoil::PassesOneOver) && from == 0);
        let mut pending = self.good.pending(generation, from, most, now);
        pending.retain(|pending| !self.done.contains(&pending.number));
        pending
    }

    pub(super) fn applied(&mut self, numbers: &[u64], by: Generation) {
        if self.is(Spoil::RepeatsOnce) {
            self.done.extend(numbers);
        }
        let by = if self.is(Spoil::CountsTheReplaced) {
            self.good.current()
        } else {
            by
        };
        self.good.applied(numbers, by);
    }

    pub(super) fn is_settled(&self) -> bool {
        let unaware = [
            Spoil::LiftsTheBarAnyway,
            Spoil::TellsOnePart,
            Spoil::PassesOneOver,
            Spoil::RepeatsOnce,
        ];
        self.good.is_settled() || unaware.iter().any(|spoil| self.is(*spoil))
    }

    pub(super) fn has(&self, end: &End) -> bool {
        self.good.has(&end.id)
    }

    pub(super) fn limits(&self) -> LogLimits {
        self.limits
    }

    pub(super) fn age(&self) -> Duration {
        self.limits.age
    }
}
