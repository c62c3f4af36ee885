//! The time of a store, by a clock that is never set: this process's monotonic one, or a server's as it was
//! last read.
//!
//! A wall clock that is wrong, or jumps, ends no session: an instant of a process is converted to a distance
//! from its own now, and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use crate::clock::{Clock, Timestamp};

/// Milliseconds by which two clocks may differ and count as one.
const AS_ONE: i64 = 1000;

#[derive(Clone, Debug)]
pub(super) struct Steady {
    /// The process's.
    clock: Clock,
    start: Instant,
    /// The store's time at `start`, in milliseconds since 1970.
    at_start: Arc<AtomicI64>,
}

impl Steady {
    /// Starts with the time of `clock`; a clock that a test sets is followed throughout.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            at_start: Arc::new(AtomicI64::new(clock.now().as_millis())),
            clock,
            start: Instant::now(),
        }
    }

    /// Returns the time in the store.
    pub(super) fn now(&self) -> Timestamp {
        match &self.clock {
            Clock::Manual(clock) => clock.now(),
            _ => Timestamp::from_millis(self.at_start.load(Ordering::Relaxed) + self.elapsed()),
        }
    }

    /// Sets it to the time that a server has just reported.
    #[cfg(any(feature = "sqlite", feature = "mongodb"))]
    pub(super) fn set(&self, server: Timestamp) {
        let at_start = server.as_millis() - self.elapsed();
        self.at_start.store(at_start, Ordering::Relaxed);
    }

    /// Converts an instant of the process to one of the store.
    #[cfg(any(feature = "sqlite", feature = "mongodb"))]
    pub(super) fn inward(&self, instant: Timestamp) -> Timestamp {
        self.look().inward(instant)
    }

    /// Converts an instant of the store to one of the process.
    #[cfg(any(feature = "sqlite", feature = "mongodb"))]
    pub(super) fn outward(&self, instant: Timestamp) -> Timestamp {
        self.look().outward(instant)
    }

    /// Reads both clocks, once each.
    pub(super) fn look(&self) -> Look {
        let now = self.now();
        let ahead = match &self.clock {
            Clock::Manual(_) => 0,
            clock => apart(now, clock.now()),
        };
        Look { now, ahead }
    }

    fn elapsed(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX / 2)
    }
}

/// A reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The time in the store.
    #[cfg_attr(
        not(feature = "memory"),
        expect(dead_code, reason = "the others ask for it alone")
    )]
    pub(super) now: Timestamp,
    /// Milliseconds by which it is ahead of the process's.
    ahead: i64,
}

impl Look {
    /// Converts an instant of the process to one of the store.
    pub(super) fn inward(self, instant: Timestamp) -> Timestamp {
        Timestamp::from_millis(instant.as_millis() + self.ahead)
    }

    /// Converts an instant of the store to one of the process.
    pub(super) fn outward(self, instant: Timestamp) -> Timestamp {
        Timestamp::from_millis(instant.as_millis() - self.ahead)
    }
}

fn apart(store: Timestamp, process: Timestamp) -> i64 {
    let apart = store.as_millis() - process.as_millis();
    if apart.abs() < AS_ONE { 0 } else { apart }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{ManualClock, SkewedClock};

    #[test]
    fn r5_clocks_that_differ_by_less_than_a_second_count_as_one() {
        let table = [
            (0, 0, 0),
            (999, 0, 0),
            (0, 999, 0),
            (1000, 0, 1000),
            (0, 3_600_000, -3_600_000),
        ];
        for (store, process, expected) in table {
            let [store, process] = [store, process].map(Timestamp::from_millis);
            assert_eq!(apart(store, process), expected, "{store:?} {process:?}");
        }
    }

    #[test]
    fn r5_a_wall_clock_that_jumps_moves_no_expiry() {
        let wall = SkewedClock::new();
        let steady = Steady::new(wall.clone().into());
        let hour = Duration::from_hours(1);
        let expires = steady.inward(Clock::from(wall.clone()).now().after(hour));
        let almost = |instant: Timestamp, meant: Timestamp| {
            let off = instant.as_millis() - meant.as_millis();
            assert!(off.abs() < 60_000, "{off}");
        };
        for millis in [86_400_000, -86_400_000, 3_600_000, 0] {
            wall.set(millis);
            let now = Clock::from(wall.clone()).now();
            almost(expires, steady.now().after(hour));
            almost(steady.outward(expires), now.after(hour));
            almost(steady.inward(now.after(hour)), expires);
        }
    }

    #[test]
    fn a_clock_that_a_test_sets_is_followed() {
        let clock = ManualClock::at(Timestamp::from_millis(5));
        let steady = Steady::new(clock.clone().into());
        clock.set(Timestamp::from_millis(1_000_000));
        assert_eq!(steady.now(), clock.now());
        assert_eq!(steady.inward(Timestamp::from_millis(7)).as_millis(), 7);
    }
}
