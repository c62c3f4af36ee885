//! The clock that attempts are counted by.

use std::time::Instant;

use governor::clock::Clock as GovernorClock;
use governor::nanos::Nanos;

use crate::clock::{Clock, Timestamp};

/// A monotonic one, which a clock that is set back cannot stretch.
#[derive(Clone)]
pub(crate) enum Time {
    Monotonic(Instant),
    Set { clock: Clock, begin: Timestamp },
}

impl Time {
    pub(super) fn of(clock: Clock) -> Self {
        match clock {
            Clock::System | Clock::Skewed(_) => Self::Monotonic(Instant::now()),
            clock => Self::Set {
                begin: clock.now(),
                clock,
            },
        }
    }
}

impl GovernorClock for Time {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        match self {
            Self::Monotonic(begin) => begin.elapsed(),
            Self::Set { clock, begin } => clock.now().since(*begin),
        }
        .into()
    }
}
