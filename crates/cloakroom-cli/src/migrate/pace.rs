//! The pace of a move: as fast as asked for, and slower where the source suffers.

use std::time::Duration;

/// Pages of which the source's usual time is learned.
const LEARNED: usize = 5;
/// The shortest and the longest pause before a page, while the source is slow.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Time below which a page is not called slow: a busy machine's own.
const QUICK: Duration = Duration::from_millis(20);

/// Returns the time to wait so that `done` sessions take as long as they may at `rate` a second.
pub(super) fn due(rate: Option<u32>, done: u64, elapsed: Duration) -> Duration {
    let Some(rate) = rate else {
        return Duration::ZERO;
    };
    let needed = Duration::from_millis(done.saturating_mul(1000) / u64::from(rate));
    needed.saturating_sub(elapsed)
}

/// Follows the time that the source takes for a page.
#[derive(Debug, Default)]
pub(super) struct Latency {
    first: Vec<Duration>,
    pause: Duration,
}

impl Latency {
    /// Notes the time of a page, and returns the pause before the next: it grows while pages take twice as
    /// long as the first ones did.
    pub(super) fn after(&mut self, page: Duration) -> Duration {
        if self.first.len() < LEARNED {
            self.first.push(page);
            self.first.sort_unstable();
            return Duration::ZERO;
        }
        let usual = self.first[LEARNED / 2].max(QUICK);
        self.pause = next_pause(self.pause, page > usual * 2);
        self.pause
    }

    /// Returns `true` if it waits for the source now.
    pub(super) fn backs_off(&self) -> bool {
        !self.pause.is_zero()
    }
}

fn next_pause(pause: Duration, is_slow: bool) -> Duration {
    match (is_slow, pause) {
        (true, Duration::ZERO) => FIRST_PAUSE,
        (true, pause) => (pause * 2).min(LONGEST_PAUSE),
        (false, pause) if pause <= FIRST_PAUSE => Duration::ZERO,
        (false, pause) => pause / 2,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Latency, due};

    #[test]
    fn a_rate_is_kept_over_the_whole() {
        #[rustfmt::skip]
        let table = [ // rate, done, elapsed ms, wait ms
            (None,        1_000_000, 0,     0),
            (Some(1_000), 500,       0,     500),
            (Some(1_000), 500,       200,   300),
            (Some(1_000), 500,       500,   0),
            (Some(1_000), 500,       9_000, 0),
            (Some(1),     2,         500,   1_500),
        ];
        for (rate, done, elapsed, wait) in table {
            let waits = due(rate, done, Duration::from_millis(elapsed));
            assert_eq!(waits, Duration::from_millis(wait), "{rate:?} {done}");
        }
    }

    #[test]
    fn a_slow_source_is_given_time_until_it_is_as_before() {
        let mut latency = Latency::default();
        let mut pauses = |pages: &[u64]| -> Vec<u64> {
            let after = |page: &u64| latency.after(Duration::from_millis(*page)).as_millis();
            pages
                .iter()
                .map(after)
                .map(|pause| u64::try_from(pause).unwrap())
                .collect()
        };
        assert_eq!(
            pauses(&[30, 31, 500, 29, 30]),
            [0; 5],
            "one slow page is no rule"
        );
        assert_eq!(pauses(&[59, 61, 200, 70]), [0, 20, 40, 80]);
        assert_eq!(pauses(&[30, 30, 30, 30]), [40, 20, 0, 0]);
        assert_eq!(pauses(&[9_000; 12]).last(), Some(&5_000));
        assert!(latency.backs_off());
        let mut quick = Latency::default();
        for page in [1, 1, 1, 1, 1, 30, 40] {
            assert_eq!(quick.after(Duration::from_millis(page)), Duration::ZERO);
        }
    }
}
