//! Spares requests the wait for a store that does not answer.
//!
//! A failure that comes at once costs nobody anything, and is not counted. Neither is a wait while others
//! were answered: a record that is locked keeps waiting who wants to change it, and the store works.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many operations in a row have to fail before the next are refused.
const FAILURES: u32 = 5;
/// What took shorter than this was no wait.
const WAIT: Duration = Duration::from_millis(100);
/// How long they are refused before one is let through to see.
const PAUSE: Duration = Duration::from_millis(500);

/// Open, it refuses operations at once; one at a time is let through, and its success closes it.
#[derive(Default)]
pub(super) struct Circuit(Mutex<Count>);

#[derive(Clone, Copy, Default)]
struct Count {
    state: State,
    /// How many operations were answered.
    answers: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    /// Refuses until then.
    Open {
        until: Instant,
    },
    /// Refuses while one operation is under way.
    Probing,
}

/// What came of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The store has answered, were it with a refusal.
    Answered,
    FailedAtOnce,
    WaitedInVain,
}

/// What an operation may do.
#[derive(Debug, PartialEq, Eq)]
enum Pass {
    Go,
    Probe,
    Refused,
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl State {
    fn enter(self, now: Instant) -> (Self, Pass) {
        match self {
            Self::Closed { .. } => (self, Pass::Go),
            Self::Open { until } if now >= until => (Self::Probing, Pass::Probe),
            Self::Open { .. } | Self::Probing => (self, Pass::Refused),
        }
    }

    fn leave(self, end: End, now: Instant) -> Self {
        let open = Self::Open { until: now + PAUSE };
        match (self, end) {
            (_, End::Answered) => Self::default(),
            (Self::Closed { failures }, End::WaitedInVain) if failures + 1 < FAILURES => {
                Self::Closed {
                    failures: failures + 1,
                }
            }
            (Self::Closed { .. }, End::WaitedInVain) | (Self::Probing, _) => open,
            // Those that were under way when it opened come in late.
            (Self::Open { .. }, _) | (_, End::FailedAtOnce) => self,
        }
    }

    /// The operation that was to show how things are was given up by its caller: the next one may.
    fn given_up(self, now: Instant) -> Self {
        match self {
            Self::Probing => Self::Open { until: now },
            other => other,
        }
    }
}

impl Circuit {
    /// Leave for an operation that begins now; `None` where it is refused.
    pub(super) fn enter(&self, now: Instant) -> Option<Permit<'_>> {
        let (pass, answers) = self.change(|count| {
            let (state, pass) = count.state.enter(now);
            (Count { state, ..count }, (pass, count.answers))
        });
        (pass != Pass::Refused).then_some(Permit {
            circuit: self,
            begin: now,
            answers,
            probes: pass == Pass::Probe,
            ended: false,
        })
    }

    fn change<T>(&self, change: impl FnOnce(Count) -> (Count, T)) -> T {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, result) = change(*count);
        *count = next;
        result
    }
}

impl Count {
    /// After an operation that began when so many were answered.
    fn leave(self, end: End, before: u64, now: Instant) -> Self {
        let (end, answers) = match end {
            End::Answered => (end, self.answers.wrapping_add(1)),
            // The store answers, only not this one: the others go on.
            End::WaitedInVain if self.answers != before => (End::FailedAtOnce, self.answers),
            _ => (end, self.answers),
        };
        Self {
            state: self.state.leave(end, now),
            answers,
        }
    }
}

/// An operation that is under way.
pub(super) struct Permit<'a> {
    circuit: &'a Circuit,
    begin: Instant,
    /// How many operations were answered before this.
    answers: u64,
    probes: bool,
    ended: bool,
}

impl Permit<'_> {
    /// Says whether the store has answered, were it with a refusal.
    pub(super) fn end(mut self, answered: bool) {
        self.ended = true;
        // An answer closes it at any time, and is worth no look at the clock.
        let now = if answered { self.begin } else { Instant::now() };
        let end = match answered {
            true => End::Answered,
            false if now - self.begin < WAIT => End::FailedAtOnce,
            false => End::WaitedInVain,
        };
        let (was, is) = self.circuit.change(|count| {
            let next = count.leave(end, self.answers, now);
            (next, (count.state, next.state))
        });
        match (was, is) {
            (State::Closed { .. }, State::Open { .. }) => {
                tracing::error!("the session store does not answer: requests are refused at once");
            }
            (State::Open { .. } | State::Probing, State::Closed { .. }) => {
                tracing::info!("the session store answers again");
            }
            _ => {}
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let now = Instant::now();
        self.circuit.change(|count| match self.probes {
            true => {
                let state = count.state.given_up(now);
                (Count { state, ..count }, ())
            }
            // Its caller has waited in vain, were it less long than the policy lets it.
            false if self.begin.elapsed() >= WAIT => {
                (count.leave(End::WaitedInVain, self.answers, now), ())
            }
            false => (count, ()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(failures: u32) -> State {
        State::Closed { failures }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_success_closes_it() {
        let now = Instant::now();
        let (soon, later) = (now + PAUSE / 2, now + PAUSE);
        let open = State::Open { until: later };
        let entering = [
            (closed(4), now, closed(4), Pass::Go),
            (open, soon, open, Pass::Refused),
            (open, later, State::Probing, Pass::Probe),
            (State::Probing, later, State::Probing, Pass::Refused),
        ];
        for (state, at, next, pass) in entering {
            assert_eq!(state.enter(at), (next, pass), "{state:?}");
        }
        let leaving = [
            (closed(0), End::WaitedInVain, closed(1)),
            (closed(3), End::WaitedInVain, closed(4)),
            (closed(3), End::FailedAtOnce, closed(3)),
            (closed(3), End::Answered, closed(0)),
            (closed(4), End::WaitedInVain, open),
            (open, End::WaitedInVain, open),
            (open, End::Answered, closed(0)),
            (State::Probing, End::WaitedInVain, open),
            (State::Probing, End::FailedAtOnce, open),
            (State::Probing, End::Answered, closed(0)),
        ];
        for (state, end, next) in leaving {
            assert_eq!(state.leave(end, now), next, "{state:?} {end:?}");
        }
    }

    #[test]
    fn failures_open_it_where_they_were_waited_for() {
        for (ago, opens) in [(WAIT, true), (Duration::ZERO, false)] {
            let circuit = Circuit::default();
            for _ in 0..FAILURES {
                circuit.enter(Instant::now() - ago).unwrap().end(false);
            }
            assert_eq!(circuit.enter(Instant::now()).is_none(), opens);
        }
    }

    #[test]
    fn a_caller_that_hangs_up_leaves_its_place_to_the_next() {
        let circuit = Circuit::default();
        let open = State::Open {
            until: Instant::now(),
        };
        circuit.change(|count| {
            (
                Count {
                    state: open,
                    ..count
                },
                (),
            )
        });
        let enter = || circuit.enter(Instant::now());
        let probe = enter().unwrap();
        assert!(enter().is_none());
        drop(probe);
        enter().unwrap().end(true);
        assert!(enter().is_some());
    }

    #[test]
    fn r8_waits_in_vain_do_not_open_it_while_others_are_answered() {
        for answered in [true, false] {
            let circuit = Circuit::default();
            let waiting: Vec<Permit<'_>> = (0..2 * FAILURES)
                .map(|_| circuit.enter(Instant::now() - WAIT).unwrap())
                .collect();
            circuit.enter(Instant::now()).unwrap().end(answered);
            for permit in waiting {
                permit.end(false);
            }
            let is_open = circuit.enter(Instant::now()).is_none();
            assert_eq!(is_open, !answered);
        }
    }
}
