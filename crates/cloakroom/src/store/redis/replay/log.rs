//! The log of ends that were acknowledged: by which server, and what must be repeated once another answers.
//!
//! A server that restarts from a snapshot, or a replica that takes over, may hold sessions whose end its
//! predecessor had acknowledged. Each such change is a generation. An end counts once the current generation
//! has acknowledged it, and all that others acknowledged is pending.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::HashMap;

use crate::id::SessionId;

/// The identity of a server between one restart or change of role and the next.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity(pub(super) String);

/// A server as it was from one change to the next; later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Generation(pub(super) u64);

/// The log entry of an end.
#[derive(Clone)]
pub(in super::super) struct End {
    pub(in super::super) id: SessionId,
    /// The retired id's note, if it was retired.
    pub(in super::super) note: Option<Arc<str>>,
}

/// The bounds on the log.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct LogLimits {
    pub(in super::super) age: Duration,
    pub(in super::super) ids: usize,
}

/// The result of an acknowledgement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Acceptance {
    /// The current server has it.
    Holds,
    /// Another took over while the reply was on its way: that one must get the end as well.
    Late,
}

/// An end that must be repeated.
#[derive(Clone)]
pub(super) struct Pending {
    /// Its position among all ends.
    pub(super) number: u64,
    pub(super) end: End,
    /// Time since it was acknowledged.
    pub(super) since: Duration,
}

/// The ends that were acknowledged last, the oldest first.
pub(super) struct EndLog {
    limits: LogLimits,
    kept: VecDeque<LoggedEnd>,
    /// The number of each id's latest end.
    numbers: HashMap<SessionId, u64>,
    /// The number of the oldest entry.
    first: u64,
    /// The identity of the current server, if it gave one.
    identity: Option<Identity>,
    current: Generation,
}

struct LoggedEnd {
    end: End,
    at: Instant,
    /// `None` if it is unknown whether the server still has it.
    by: Option<Generation>,
}

impl EndLog {
    pub(super) fn new(limits: LogLimits) -> Self {
        Self {
            limits,
            kept: VecDeque::new(),
            numbers: HashMap::default(),
            first: 0,
            identity: None,
            current: Generation::default(),
        }
    }

    pub(super) fn current(&self) -> Generation {
        self.current
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Records the server that a new connection leads to; returns `true` if it may have lost something. One
    /// without an identity may be any: all ends are repeated, and other connections may lead to it as well.
    pub(super) fn meet(&mut self, identity: Option<Identity>) -> bool {
        let is_known = identity.is_some();
        if is_known && identity == self.identity {
            return false;
        }
        if is_known || self.identity.is_some() {
            self.current.0 += 1;
        }
        self.identity = identity;
        for kept in &mut self.kept {
            kept.by = None;
        }
        true
    }

    /// Records an end that `by` has acknowledged, or a server after it.
    pub(super) fn acknowledge(&mut self, end: End, by: Generation, now: Instant) -> Acceptance {
        self.forget(now, 1);
        let number = self.first + self.kept.len() as u64;
        self.numbers.insert(end.id.clone(), number);
        let kept = LoggedEnd {
            end,
            at: now,
            by: Some(by),
        };
        self.kept.push_back(kept);
        if by == self.current {
            Acceptance::Holds
        } else {
            Acceptance::Late
        }
    }

    /// Returns up to `most` ends that `generation` has not acknowledged, from the number `from` on.
    pub(super) fn pending(
        &mut self,
        generation: Generation,
        from: u64,
        most: usize,
        now: Instant,
    ) -> Vec<Pending> {
        self.forget(now, 0);
        let from = from.max(self.first);
        let passed = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        let numbered = (from..).zip(self.kept.iter().skip(passed));
        let pending = numbered.filter(|(_, kept)| kept.by != Some(generation));
        let pending = pending.map(|(number, kept)| Pending {
            number,
            end: kept.end.clone(),
            since: now.saturating_duration_since(kept.at),
        });
        pending.take(most).collect()
    }

    /// Records ends that a server has acknowledged again. A reply of one that is not current any more does
    /// not count.
    pub(super) fn applied(&mut self, numbers: &[u64], by: Generation) {
        if by != self.current {
            return;
        }
        for number in numbers {
            let at = number.checked_sub(self.first);
            let at = at.and_then(|at| usize::try_from(at).ok());
            if let Some(kept) = at.and_then(|at| self.kept.get_mut(at)) {
                kept.by = Some(by);
            }
        }
    }

    /// Returns `true` if the current server has acknowledged all of them.
    pub(super) fn is_settled(&self) -> bool {
        self.kept.iter().all(|kept| kept.by == Some(self.current))
    }

    /// Returns `true` if a session is known to have ended.
    pub(super) fn has(&self, id: &SessionId) -> bool {
        self.numbers.contains_key(id)
    }

    /// Drops entries beyond their age, and the oldest until there is room for so many.
    fn forget(&mut self, now: Instant, room: usize) {
        while let Some(oldest) = self.kept.front()
            && (self.kept.len() + room > self.limits.ids
                || now.saturating_duration_since(oldest.at) > self.limits.age)
        {
            if self.numbers.get(&oldest.end.id) == Some(&self.first) {
                self.numbers.remove(&oldest.end.id);
            }
            self.kept.pop_front();
            self.first += 1;
        }
    }
}
