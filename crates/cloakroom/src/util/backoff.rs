//! Pauses between attempts, each twice as long as the one before, up to a longest.

use std::time::Duration;

/// The pause before the next attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    pause: Duration,
}

impl Backoff {
    /// Begins with a pause of `first`; no pause is longer than `longest`.
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            pause: first,
        }
    }

    /// Returns the present pause.
    pub(crate) fn pause(&self) -> Duration {
        self.pause
    }

    /// Notes an attempt that failed.
    pub(crate) fn failed(&mut self) {
        self.pause = (self.pause * 2).min(self.longest);
    }

    /// Notes one that succeeded: the next pause is the first again.
    pub(crate) fn succeeded(&mut self) {
        self.pause = self.first;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    #[test]
    fn pause_doubles_up_to_the_longest_until_an_attempt_succeeds() {
        let millis = Duration::from_millis;
        let mut backoff = Backoff::new(millis(50), millis(500));
        for expected in [50, 100, 200, 400, 500, 500] {
            assert_eq!(backoff.pause(), millis(expected));
            backoff.failed();
        }
        backoff.succeeded();
        assert_eq!(backoff.pause(), millis(50));
    }
}
