//! The results of the rounds of one kind.

use std::fmt;
use std::time::Duration;

use super::super::peer::Seen;

/// One logout, as all the other servers saw it.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Time until all the others refused.
    delay: Duration,
    /// `true` if one of them accepted past the bound.
    past: bool,
}

/// The rounds of one kind.
#[derive(Debug)]
pub(super) struct Tally {
    what: String,
    bound: Duration,
    rounds: Vec<Round>,
    /// Times that the server that ended a session still served it.
    pub(super) here: usize,
}

impl Tally {
    pub(super) fn new(what: String, bound: Duration) -> Self {
        let (rounds, here) = (Vec::new(), 0);
        Self {
            what,
            bound,
            rounds,
            here,
        }
    }

    /// Judges a logout that had returned at `ended`, in microseconds since 1970; `true` if it was accepted past
    /// the bound.
    pub(super) fn judge(&mut self, ended: u64, seen: impl Iterator<Item = Seen> + Clone) -> bool {
        let after = |at: u64| Duration::from_micros(at.saturating_sub(ended));
        let refused = seen.clone().map(|seen| after(seen.refused)).max();
        let accepted = seen.map(|seen| after(seen.accepted)).max();
        let past = accepted.expect("there are others") > self.bound;
        self.rounds.push(Round {
            delay: refused.expect("there are others"),
            past,
        });
        past
    }

    pub(super) fn len(&self) -> usize {
        self.rounds.len()
    }

    /// Returns the number of rounds in which a server accepted past the bound.
    pub(super) fn past(&self) -> usize {
        self.rounds.iter().filter(|round| round.past).count()
    }

    /// The delay that so many of a thousand rounds do not exceed.
    pub(super) fn at(&self, thousandths: usize) -> Duration {
        let mut delays: Vec<Duration> = self.rounds.iter().map(|round| round.delay).collect();
        delays.sort();
        let last = delays.len().saturating_sub(1);
        delays[(delays.len() * thousandths / 1000).min(last)]
    }

    pub(super) fn is_kept(&self) -> bool {
        self.past() == 0 && self.here == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, many, most, all] = [500, 990, 999, 1000].map(|of| self.at(of).as_secs_f64());
        let millis = |seconds: f64| format!("{:.1}", seconds * 1e3);
        write!(
            f,
            "{:<42} {:>6} {:>8} {:>8} {:>8} {:>8} {:>7} {:>5} {:>5}",
            self.what,
            self.len(),
            millis(half),
            millis(many),
            millis(most),
            millis(all),
            self.bound.as_millis(),
            self.past(),
            self.here,
        )
    }
}

/// The head of the table.
pub(super) const HEAD: &str = "\
milliseconds until all others refuse       rounds      p50      p99    p99.9      max   bound  past  here";

#[test]
fn a_rounds_delay_is_that_of_the_slowest_server() {
    let mut tally = Tally::new("kind".into(), Duration::from_millis(1));
    let seen = |accepted, refused| Seen { accepted, refused };
    tally.judge(1000, [seen(0, 500), seen(900, 1010)].into_iter());
    assert_eq!(
        (tally.at(1000), tally.past()),
        (Duration::from_micros(10), 0)
    );
    tally.judge(1000, [seen(0, 500), seen(2000, 2010)].into_iter());
    assert!(tally.is_kept(), "at the bound, not past it");
    tally.judge(1000, [seen(2001, 2020), seen(0, 900)].into_iter());
    assert_eq!((tally.at(0), tally.past()), (Duration::from_micros(10), 1));
    assert_eq!(tally.at(1000), Duration::from_micros(1020));
    assert!(!tally.is_kept());
}
