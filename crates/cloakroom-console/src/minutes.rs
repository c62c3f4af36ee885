//! Counts of the last hour by the minute.

use std::time::{Duration, SystemTime};

/// Minutes that are kept.
pub(crate) const MINUTES: usize = 60;

/// Counts of the last 60 minutes.
#[derive(Clone, Debug)]
pub(crate) struct Minutes {
    /// The minute of the last element, counted from 1970.
    now: u64,
    counts: [u64; MINUTES],
}

impl Default for Minutes {
    fn default() -> Self {
        Self {
            now: 0,
            counts: [0; MINUTES],
        }
    }
}

fn minute_of(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
        / 60
}

impl Minutes {
    /// Counts so many at an instant; one that is older than an hour, or in the future, is left out.
    pub(crate) fn add(&mut self, at: SystemTime, now: SystemTime, count: u64) {
        self.turn_to(now);
        let ago = self.now.checked_sub(minute_of(at));
        let ago = ago.and_then(|ago| usize::try_from(ago).ok());
        if let Some(ago) = ago.filter(|ago| *ago < MINUTES) {
            self.counts[MINUTES - 1 - ago] += count;
        }
    }

    fn turn_to(&mut self, now: SystemTime) {
        let now = minute_of(now);
        let steps = usize::try_from(now.saturating_sub(self.now))
            .unwrap_or(usize::MAX)
            .min(MINUTES);
        self.counts.rotate_left(steps);
        self.counts[MINUTES - steps..].fill(0);
        self.now = self.now.max(now);
    }

    /// Returns the counts as of `now`, the oldest minute first; the last is the one that has begun.
    pub(crate) fn at(&self, now: SystemTime) -> [u64; MINUTES] {
        let mut turned = self.clone();
        turned.turn_to(now);
        turned.counts
    }
}

/// Returns the time of day of a minute, in UTC: `14:05`.
pub(crate) fn label(ago: usize, now: SystemTime) -> String {
    let at = now
        .checked_sub(Duration::from_secs(60 * ago as u64))
        .unwrap_or(now);
    let minute = minute_of(at) % (24 * 60);
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{MINUTES, Minutes, label};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn total(minutes: &Minutes, now: SystemTime) -> u64 {
        minutes.at(now).iter().sum()
    }

    #[test]
    fn counts_move_with_the_minutes_and_leave_after_an_hour() {
        let mut minutes = Minutes::default();
        minutes.add(at(60_000), at(60_000), 2);
        minutes.add(at(59_940), at(60_030), 1);
        // Beyond the hour, and in the future.
        minutes.add(at(60_000 - 3_600), at(60_000), 7);
        minutes.add(at(60_060), at(60_000), 7);
        assert_eq!(minutes.at(at(60_059))[MINUTES - 2..], [1, 2]);
        assert_eq!(minutes.at(at(60_060))[MINUTES - 3..], [1, 2, 0]);
        assert_eq!(total(&minutes, at(60_000 + 3_599)), 2);
        assert_eq!(total(&minutes, at(60_000 + 3_600)), 0);
    }

    #[test]
    fn minutes_have_the_time_of_day() {
        assert_eq!(label(0, at(14 * 3600 + 5 * 60 + 59)), "14:05");
        assert_eq!(label(6, at(86_400 + 5 * 60)), "23:59");
    }
}
