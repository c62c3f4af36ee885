//! The durations of many operations.

use std::fmt;
use std::time::Duration;

/// The times of one kind of operation, in nanoseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<u32>);

/// The summary of the durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
    /// Duration of all of them together.
    pub(crate) total: Duration,
}

impl Samples {
    pub(crate) fn add(&mut self, took: Duration) {
        // Four seconds are as bad as any longer.
        self.0
            .push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
    }

    pub(crate) fn merge(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// `None` of nothing.
    pub(crate) fn spread(mut self) -> Option<Spread> {
        self.0.sort_unstable();
        let at = |share: usize| {
            let rank = (self.0.len() * share).div_ceil(100).saturating_sub(1);
            Some(nanos(*self.0.get(rank)?))
        };
        Some(Spread {
            count: self.0.len(),
            p50: at(50)?,
            p99: at(99)?,
            max: at(100)?,
            total: self.0.iter().map(|took| nanos(*took)).sum(),
        })
    }
}

fn nanos(nanos: u32) -> Duration {
    Duration::from_nanos(nanos.into())
}

impl Spread {
    /// Operations per second, one after the other.
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.total.as_secs_f64().max(1e-9)
    }
}

/// A time as a table shows it: three figures.
pub(crate) struct Time(pub(crate) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos() as f64;
        let (value, unit) = match nanos {
            n if n < 999.5 => return write!(f, "{n:.0} ns"),
            n if n < 999_500.0 => (n / 1e3, "µs"),
            n if n < 999_500_000.0 => (n / 1e6, "ms"),
            n => (n / 1e9, "s"),
        };
        let digits = match value {
            v if v < 9.995 => 2,
            v if v < 99.95 => 1,
            _ => 0,
        };
        write!(f, "{value:.digits$} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Samples, Time};

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let mut samples = Samples::default();
        for n in (1..=1000).rev() {
            samples.add(Duration::from_nanos(n));
        }
        let spread = samples.spread().unwrap();
        let nanos = |time: Duration| time.as_nanos();
        assert_eq!(
            (nanos(spread.p50), nanos(spread.p99), nanos(spread.max)),
            (500, 990, 1000)
        );
        assert_eq!(spread.count, 1000);
        assert!((spread.rate() - 1e9 / 500.5).abs() < 1.0);
    }

    #[test]
    fn one_time_is_every_percentile_and_none_is_none() {
        let mut one = Samples::default();
        one.add(Duration::from_hours(1));
        let spread = one.spread().unwrap();
        assert_eq!(spread.p50, spread.max);
        assert!(Samples::default().spread().is_none());
    }

    #[test]
    fn times_have_three_figures() {
        let table = [
            (7, "7 ns"),
            (999, "999 ns"),
            (1_234, "1.23 µs"),
            (12_340, "12.3 µs"),
            (999_400, "999 µs"),
            (1_234_567, "1.23 ms"),
            (2_500_000_000, "2.50 s"),
        ];
        for (nanos, text) in table {
            assert_eq!(Time(Duration::from_nanos(nanos)).to_string(), text);
        }
    }
}
