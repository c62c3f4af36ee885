//! The circuit breaker: rejects operations at once while the store does not reply.
//!
//! A failure that comes at once makes no request wait, and is not counted. Neither is a time-out while other
//! operations were answered: a locked record blocks those that want to change it, and the store works.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::util::lock;

/// Number of timed-out operations in a row that opens the breaker.
const FAILURE_THRESHOLD: u32 = 5;
/// Time below which a failure counts as fast, not as a time-out.
const SLOW_CALL: Duration = Duration::from_millis(100);
/// Time for which an open breaker rejects operations before it admits a probe.
const OPEN_FOR: Duration = Duration::from_millis(500);

/// Open, it rejects operations at once; half open, it admits one probe at a time, whose success closes it.
#[derive(Default)]
pub(super) struct CircuitBreaker(Mutex<Count>);

#[derive(Clone, Copy, Default)]
struct Count {
    state: BreakerState,
    /// Number of operations that were answered.
    answers: u64,
    /// `true` if it was open when its news were asked for last.
    was_open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BreakerState {
    Closed {
        failures: u32,
    },
    /// Rejects until then.
    Open {
        until: Instant,
    },
    /// Rejects while the probe is under way.
    HalfOpen,
}

/// The outcome of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The store has answered, even if it refused.
    Success,
    FastFailure,
    Timeout,
}

/// The admission of an operation.
#[derive(Debug, PartialEq, Eq)]
enum Admit {
    Allow,
    Probe,
    Reject,
}

impl Default for BreakerState {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl BreakerState {
    fn enter(self, now: Instant) -> (Self, Admit) {
        match self {
            Self::Closed { .. } => (self, Admit::Allow),
            Self::Open { until } if now >= until => (Self::HalfOpen, Admit::Probe),
            Self::Open { .. } | Self::HalfOpen => (self, Admit::Reject),
        }
    }

    fn leave(self, end: Outcome, now: impl FnOnce() -> Instant) -> Self {
        let open = || Self::Open {
            until: now() + OPEN_FOR,
        };
        match (self, end) {
            (_, Outcome::Success) => Self::default(),
            (Self::Closed { failures }, Outcome::Timeout) if failures + 1 < FAILURE_THRESHOLD => {
                Self::Closed {
                    failures: failures + 1,
                }
            }
            (Self::Closed { .. }, Outcome::Timeout) | (Self::HalfOpen, _) => open(),
            // Those that were admitted before it opened finish late.
            (Self::Open { .. }, _) | (_, Outcome::FastFailure) => self,
        }
    }

    /// Handles a probe that its caller gave up: the next operation may probe.
    fn given_up(self, now: Instant) -> Self {
        match self {
            Self::HalfOpen => Self::Open { until: now },
            other => other,
        }
    }
}

impl CircuitBreaker {
    /// Admits an operation that begins now; returns `None` where it is rejected. A closed breaker does not ask for
    /// the time.
    pub(super) fn enter(&self, now: impl FnOnce() -> Instant) -> Option<BreakerPermit<'_>> {
        let (pass, answers) = self.change(|count| {
            let (state, pass) = match count.state {
                closed @ BreakerState::Closed { .. } => (closed, Admit::Allow),
                other => other.enter(now()),
            };
            (Count { state, ..count }, (pass, count.answers))
        });
        (pass != Admit::Reject).then_some(BreakerPermit {
            breaker: self,
            begin: None,
            answers,
            probes: pass == Admit::Probe,
            ended: false,
        })
    }

    /// Returns whether it is open, if that has changed since this was asked last. One that lets a probe through is
    /// open.
    pub(super) fn news(&self) -> Option<bool> {
        self.change(|count| {
            let is_open = !matches!(count.state, BreakerState::Closed { .. });
            let news = (is_open != count.was_open).then_some(is_open);
            let was_open = is_open;
            (Count { was_open, ..count }, news)
        })
    }

    fn change<T>(&self, change: impl FnOnce(Count) -> (Count, T)) -> T {
        let mut count = lock(&self.0);
        let (next, result) = change(*count);
        *count = next;
        result
    }
}

impl Count {
    /// Records the outcome of an operation that began at `before` answers.
    fn leave(self, end: Outcome, before: u64, now: impl FnOnce() -> Instant) -> Self {
        let (end, answers) = match end {
            Outcome::Success => (end, self.answers.wrapping_add(1)),
            // The store answers, just not this operation: the others go on.
            Outcome::Timeout if self.answers != before => (Outcome::FastFailure, self.answers),
            _ => (end, self.answers),
        };
        Self {
            state: self.state.leave(end, now),
            answers,
            ..self
        }
    }
}

/// An admitted operation that is under way.
pub(super) struct BreakerPermit<'a> {
    breaker: &'a CircuitBreaker,
    /// The time since which it waits; `None` for one that does not.
    begin: Option<Instant>,
    /// Number of operations that were answered before this one began.
    answers: u64,
    probes: bool,
    ended: bool,
}

impl BreakerPermit<'_> {
    /// Notes that the operation is not done at once: it waits from now on.
    pub(super) fn waits(&mut self, now: Instant) {
        self.begin = Some(now);
    }

    fn has_waited_long(&self) -> bool {
        self.begin.is_some_and(|begin| begin.elapsed() >= SLOW_CALL)
    }

    /// Reports whether the store has answered, even if it refused.
    pub(super) fn end(mut self, answered: bool) {
        self.ended = true;
        // A success closes the breaker at any time, and needs no reading of the clock.
        let end = match answered {
            true => Outcome::Success,
            false if self.has_waited_long() => Outcome::Timeout,
            false => Outcome::FastFailure,
        };
        let (was, is) = self.breaker.change(|count| {
            let next = count.leave(end, self.answers, Instant::now);
            (next, (count.state, next.state))
        });
        match (was, is) {
            (BreakerState::Closed { .. }, BreakerState::Open { .. }) => {
                tracing::error!("the session store does not answer: the circuit breaker opens");
            }
            (BreakerState::Open { .. } | BreakerState::HalfOpen, BreakerState::Closed { .. }) => {
                tracing::info!("the session store answers again: the circuit breaker closes");
            }
            _ => {}
        }
    }
}

impl Drop for BreakerPermit<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.breaker.change(|count| match self.probes {
            true => {
                let state = count.state.given_up(Instant::now());
                (Count { state, ..count }, ())
            }
            // The operation timed out, or its caller gave up after a long wait.
            false if self.has_waited_long() => {
                let next = count.leave(Outcome::Timeout, self.answers, Instant::now);
                (next, ())
            }
            false => (count, ()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Admits an operation that has waited since then.
    fn entered(breaker: &CircuitBreaker, since: Instant) -> Option<BreakerPermit<'_>> {
        let mut permit = breaker.enter(|| since)?;
        permit.waits(since);
        Some(permit)
    }

    fn closed(failures: u32) -> BreakerState {
        BreakerState::Closed { failures }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_success_closes_it() {
        let now = Instant::now();
        let (soon, later) = (now + OPEN_FOR / 2, now + OPEN_FOR);
        let open = BreakerState::Open { until: later };
        let entering = [
            (closed(4), now, closed(4), Admit::Allow),
            (open, soon, open, Admit::Reject),
            (open, later, BreakerState::HalfOpen, Admit::Probe),
            (
                BreakerState::HalfOpen,
                later,
                BreakerState::HalfOpen,
                Admit::Reject,
            ),
        ];
        for (state, at, next, pass) in entering {
            assert_eq!(state.enter(at), (next, pass), "{state:?}");
        }
        let leaving = [
            (closed(0), Outcome::Timeout, closed(1)),
            (closed(3), Outcome::Timeout, closed(4)),
            (closed(3), Outcome::FastFailure, closed(3)),
            (closed(3), Outcome::Success, closed(0)),
            (closed(4), Outcome::Timeout, open),
            (open, Outcome::Timeout, open),
            (open, Outcome::Success, closed(0)),
            (BreakerState::HalfOpen, Outcome::Timeout, open),
            (BreakerState::HalfOpen, Outcome::FastFailure, open),
            (BreakerState::HalfOpen, Outcome::Success, closed(0)),
        ];
        for (state, end, next) in leaving {
            assert_eq!(state.leave(end, || now), next, "{state:?} {end:?}");
        }
    }

    #[test]
    fn only_timed_out_failures_open_it() {
        for (ago, opens) in [(SLOW_CALL, true), (Duration::ZERO, false)] {
            let breaker = CircuitBreaker::default();
            for _ in 0..FAILURE_THRESHOLD {
                entered(&breaker, Instant::now() - ago).unwrap().end(false);
            }
            assert_eq!(entered(&breaker, Instant::now()).is_none(), opens);
        }
    }

    #[test]
    fn it_is_told_once_that_it_opened_and_once_that_it_closed() {
        let breaker = CircuitBreaker::default();
        let ago = || entered(&breaker, Instant::now() - SLOW_CALL).unwrap();
        let waiting: Vec<BreakerPermit<'_>> = (0..FAILURE_THRESHOLD).map(|_| ago()).collect();
        assert_eq!(breaker.news(), None);
        // Callers that gave up after a long wait open it as well.
        drop(waiting);
        assert_eq!([breaker.news(), breaker.news()], [Some(true), None]);
        let probe = entered(&breaker, Instant::now() + OPEN_FOR).unwrap();
        assert_eq!(breaker.news(), None);
        probe.end(true);
        assert_eq!([breaker.news(), breaker.news()], [Some(false), None]);
    }

    #[test]
    fn a_caller_that_disconnects_frees_the_probe() {
        let breaker = CircuitBreaker::default();
        let open = BreakerState::Open {
            until: Instant::now(),
        };
        breaker.change(|count| {
            (
                Count {
                    state: open,
                    ..count
                },
                (),
            )
        });
        let enter = || entered(&breaker, Instant::now());
        let probe = enter().unwrap();
        assert!(enter().is_none());
        drop(probe);
        enter().unwrap().end(true);
        assert!(enter().is_some());
    }

    #[test]
    fn r8_timeouts_do_not_open_it_while_others_are_answered() {
        for answered in [true, false] {
            let breaker = CircuitBreaker::default();
            let waiting: Vec<BreakerPermit<'_>> = (0..2 * FAILURE_THRESHOLD)
                .map(|_| entered(&breaker, Instant::now() - SLOW_CALL).unwrap())
                .collect();
            entered(&breaker, Instant::now()).unwrap().end(answered);
            for permit in waiting {
                permit.end(false);
            }
            let is_open = entered(&breaker, Instant::now()).is_none();
            assert_eq!(is_open, !answered);
        }
    }
}
