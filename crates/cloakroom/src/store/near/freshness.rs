//! The freshness of a copy: a decision about instants.

use std::time::{Duration, Instant};

/// The connection that reports later changes to a session that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadSource {
    /// The subscription: the read went to the server that it is connected to.
    Subscribed,
    /// No connection: later changes are not reported.
    Unsubscribed,
}

/// The times of a copy: when it was read, and until when it can be used at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct CopyTimes {
    /// Time at which the store was asked: its reply was current then or later.
    pub(super) asked: Instant,
    pub(super) until: Instant,
    pub(super) source: ReadSource,
}

/// The decision about a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CacheDecision {
    Serve,
    /// It has reached its greatest age.
    Over,
    /// Nothing has confirmed it for longer than the bound.
    Unproven,
}

/// Decides about a copy of which no change was reported, `proven` being read before that and `now` after it.
pub(super) fn judge(
    times: CopyTimes,
    proven: Option<Instant>,
    now: Instant,
    staleness: Duration,
) -> CacheDecision {
    if now >= times.until {
        return CacheDecision::Over;
    }
    let followed = proven.filter(|_| times.source == ReadSource::Subscribed);
    let held_at = followed.map_or(times.asked, |proven| proven.max(times.asked));
    if now.saturating_duration_since(held_at) <= staleness {
        CacheDecision::Serve
    } else {
        CacheDecision::Unproven
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_is_served_within_the_bound_of_its_last_proof() {
        use {CacheDecision::*, ReadSource::*};
        let begin = Instant::now() + Duration::from_hours(1);
        let at = |millis| begin + Duration::from_millis(millis);
        #[rustfmt::skip]
        let table = [ // asked, until, source,     proven,      now,    verdict
            (0,     30_000, Subscribed,   Some(0),     0,      Serve),
            (0,     30_000, Subscribed,   Some(5_000), 6_000,  Serve),
            (0,     30_000, Subscribed,   Some(5_000), 6_001,  Unproven),
            (0,     30_000, Subscribed,   None,        1_000,  Serve),
            (0,     30_000, Subscribed,   None,        1_001,  Unproven),
            (5_000, 30_000, Subscribed,   Some(1_000), 6_000,  Serve), // younger than the last proof
            (5_000, 30_000, Subscribed,   Some(1_000), 6_001,  Unproven),
            (0,     30_000, Unsubscribed, Some(5_000), 1_000,  Serve),
            (0,     30_000, Unsubscribed, Some(5_000), 5_000,  Unproven), // the subscription is to another server
            (0,     30_000, Subscribed,   Some(30_000), 29_999, Serve),
            (0,     30_000, Subscribed,   Some(30_000), 30_000, Over),
            (0,     500,    Unsubscribed, None,        500,    Over),
        ];
        for row in table {
            let (asked, until, source, proven, now, verdict) = row;
            let times = CopyTimes {
                asked: at(asked),
                until: at(until),
                source,
            };
            let second = Duration::from_secs(1);
            let found = judge(times, proven.map(at), at(now), second);
            assert_eq!(found, verdict, "{row:?}");
        }
    }
}
