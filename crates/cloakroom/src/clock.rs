//! The current time; `date` formats an instant for a record and for a header.

mod date;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An instant in milliseconds since 1970-01-01T00:00:00Z, as JavaScript's `Date` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The furthest instant from 1970 that JavaScript's `Date` can hold (ECMA-262, 21.4.1.1).
    const LIMIT: i64 = 8_640_000_000_000_000;

    /// Creates an instant from its milliseconds since 1970, clamped to the range of a JavaScript `Date`.
    pub const fn from_millis(millis: i64) -> Self {
        if millis > Self::LIMIT {
            Self(Self::LIMIT)
        } else if millis < -Self::LIMIT {
            Self(-Self::LIMIT)
        } else {
            Self(millis)
        }
    }

    /// Creates an instant from its milliseconds, or `None` where a JavaScript `Date` would be invalid.
    pub(crate) const fn checked(millis: i64) -> Option<Self> {
        if millis < -Self::LIMIT || millis > Self::LIMIT {
            None
        } else {
            Some(Self(millis))
        }
    }

    /// Returns the milliseconds since 1970; negative before.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the instant `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(Self::LIMIT);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Returns the time from `earlier` to this instant; zero where `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(Self::LIMIT),
            Err(before) => {
                i64::try_from(before.duration().as_millis()).map_or(-Self::LIMIT, |ms| -ms)
            }
        };
        Self::from_millis(millis)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        let distance = Duration::from_millis(timestamp.0.unsigned_abs());
        if timestamp.0 < 0 {
            UNIX_EPOCH - distance
        } else {
            UNIX_EPOCH + distance
        }
    }
}

/// The source of the library's time.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Clock {
    /// The machine's own clock.
    #[default]
    System,
    /// A clock that a test sets.
    Manual(ManualClock),
    /// The machine's own, off by as much as a test says.
    Skewed(SkewedClock),
}

impl Clock {
    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => SystemTime::now().into(),
            Self::Manual(clock) => clock.now(),
            Self::Skewed(clock) => clock.now(),
        }
    }
}

impl From<ManualClock> for Clock {
    fn from(clock: ManualClock) -> Self {
        Self::Manual(clock)
    }
}

impl From<SkewedClock> for Clock {
    fn from(clock: SkewedClock) -> Self {
        Self::Skewed(clock)
    }
}

/// A machine's clock that is wrong, for tests of the effects: it advances, and may jump. Clones share one
/// clock.
///
/// Stores that read a server's time, or have a monotonic clock, are not affected; a [`ManualClock`] replaces
/// both.
#[derive(Clone, Debug, Default)]
pub struct SkewedClock(Arc<AtomicI64>);

impl SkewedClock {
    /// Creates a clock that is right.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets it fast by so many milliseconds; slow, where that is less than zero.
    pub fn set(&self, fast_by: i64) {
        self.0.store(fast_by, Ordering::SeqCst);
    }

    /// Returns the time that it shows.
    pub fn now(&self) -> Timestamp {
        let right = Timestamp::from(SystemTime::now()).as_millis();
        Timestamp::from_millis(right.saturating_add(self.0.load(Ordering::SeqCst)))
    }
}

/// A clock for tests: it stands still until it is advanced. Clones share one time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Creates a clock that shows `start`.
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_millis())))
    }

    /// Returns the time that it shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    /// Moves it forward.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now().after(duration));
    }

    /// Sets it, forward or back.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.as_millis(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
