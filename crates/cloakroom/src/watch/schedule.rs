//! Decides which sessions are to be queried, and what the answer means.

use std::time::Duration;

use tokio::time::Instant;

use super::EndReason;
use crate::clock::Timestamp;

/// Interval of queries without invalidations: half of the promised second, so that the query itself has the
/// other half.
const EVERY: Duration = Duration::from_millis(500);
/// Interval of queries although invalidations arrive: they speed things up, and nothing depends on them.
const SAFETY: Duration = Duration::from_secs(15);
/// Tolerance by which a time to live may be read too long: the latency of the reply, and whole seconds.
const SLACK: Duration = Duration::from_secs(1);

/// The state of knowledge about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Nothing is known, or an invalidation came.
    Unknown,
    /// The query is in flight.
    InFlight,
    /// It was alive then, and no invalidation will report a change.
    Polled(Instant),
    /// It was alive then, and an invalidation will report a change.
    Subscribed(Instant),
}

/// The way in which changes arrive: `Push` while invalidations do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Polling,
    Push,
}

/// Returns `true` if a session is to be queried. `expires` is the store's expiry, as far as it is known.
pub(super) fn is_due(
    known: Freshness,
    mode: Delivery,
    expires: Timestamp,
    now: Timestamp,
    at: Instant,
) -> bool {
    let after = |since: Instant, pause| at.saturating_duration_since(since) >= pause;
    match (known, mode) {
        (Freshness::Unknown, _) | (Freshness::Polled(_), Delivery::Push) => true,
        (Freshness::InFlight, _) => false,
        // A server evicts an expired session some time later, and sends its invalidation then.
        (Freshness::Subscribed(_), Delivery::Push) if expires <= now => true,
        (Freshness::Subscribed(since), Delivery::Push) => after(since, SAFETY),
        (Freshness::Subscribed(since) | Freshness::Polled(since), Delivery::Polling) => {
            after(since, EVERY)
        }
    }
}

/// Returns `true` if a session is queried together with others that are due: watches that began at different
/// times become one query.
pub(super) fn joins(known: Freshness, mode: Delivery, at: Instant) -> bool {
    match (known, mode) {
        (Freshness::Polled(since) | Freshness::Subscribed(since), Delivery::Polling) => {
            at.saturating_duration_since(since) >= EVERY / 2
        }
        _ => false,
    }
}

/// Returns the reason for which a session is over that the store does not have.
pub(super) fn why(expires: Timestamp, deadline: Option<Timestamp>, now: Timestamp) -> EndReason {
    if expires <= now.after(SLACK) || is_over(deadline, now) {
        EndReason::Expired
    } else {
        EndReason::Ended
    }
}

/// Returns `true` if a session's absolute time-out has come: no store has to be queried then.
pub(super) fn is_over(deadline: Option<Timestamp>, now: Timestamp) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_or_stale_sessions_are_queried() {
        let (begin, now) = (Instant::now(), Timestamp::from_millis(1_000_000));
        let at = begin + Duration::from_mins(1);
        let ago = |millis| at - Duration::from_millis(millis);
        let (later, over) = (now.after(Duration::from_secs(1)), now);
        #[rustfmt::skip]
        let table = [ // known,              mode,        expires, due
            (Freshness::Unknown,               Delivery::Polling, later, true),
            (Freshness::Unknown,               Delivery::Push, later, true),
            (Freshness::InFlight,                Delivery::Polling, over,  false),
            (Freshness::InFlight,                Delivery::Push, over,  false),
            (Freshness::Polled(ago(499)),       Delivery::Polling, later, false),
            (Freshness::Polled(ago(500)),       Delivery::Polling, later, true),
            // No invalidation will report its end: it has to be queried where invalidations begin.
            (Freshness::Polled(ago(0)),         Delivery::Push, later, true),
            (Freshness::Subscribed(ago(14_999)),   Delivery::Push, later, false),
            (Freshness::Subscribed(ago(15_000)),   Delivery::Push, later, true),
            (Freshness::Subscribed(ago(1)),        Delivery::Push, over,  true),
            // The subscription is not proven any more.
            (Freshness::Subscribed(ago(499)),      Delivery::Polling, later, false),
            (Freshness::Subscribed(ago(500)),      Delivery::Polling, later, true),
        ];
        for (known, mode, expires, due) in table {
            let found = is_due(known, mode, expires, now, at);
            assert_eq!(found, due, "{known:?} {mode:?} {expires:?}");
        }
    }

    #[test]
    fn sessions_queried_half_an_interval_ago_join() {
        let at = Instant::now() + Duration::from_mins(1);
        let ago = |millis| at - Duration::from_millis(millis);
        let table = [
            (Freshness::Polled(ago(250)), Delivery::Polling, true),
            (Freshness::Subscribed(ago(250)), Delivery::Polling, true),
            (Freshness::Polled(ago(249)), Delivery::Polling, false),
            (Freshness::Subscribed(ago(250)), Delivery::Push, false),
            (Freshness::InFlight, Delivery::Polling, false),
        ];
        for (known, mode, comes) in table {
            assert_eq!(joins(known, mode, at), comes, "{known:?} {mode:?}");
        }
    }

    #[test]
    fn a_session_gone_before_its_expiry_was_ended() {
        let now = Timestamp::from_millis(1_000_000);
        let at = |millis: i64| Timestamp::from_millis(1_000_000 + millis);
        #[rustfmt::skip]
        let table = [ // expires, deadline,    end
            (at(60_000),  None,              EndReason::Ended),
            (at(60_000),  Some(at(1)),       EndReason::Ended),
            (at(60_000),  Some(at(0)),       EndReason::Expired),
            (at(1_001),   None,              EndReason::Ended),
            (at(1_000),   None,              EndReason::Expired),
            (at(-60_000), None,              EndReason::Expired),
        ];
        for (expires, deadline, end) in table {
            assert_eq!(why(expires, deadline, now), end, "{expires:?} {deadline:?}");
        }
    }
}
