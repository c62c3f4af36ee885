//! Which sessions are to be asked for, and what the answer means.

use std::time::Duration;

use tokio::time::Instant;

use super::End;
use crate::clock::Timestamp;

/// How often a session is asked for where nobody gives hints: half of what is promised, so that the
/// question itself has the other half.
const EVERY: Duration = Duration::from_millis(500);
/// How often one is asked for although hints come: they speed things up, and nothing rests on them.
const SAFETY: Duration = Duration::from_secs(15);
/// By how much a time to live may be read too long: the answer's way, and whole seconds.
const SLACK: Duration = Duration::from_secs(1);

/// What is known of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing, or nothing any more: a hint came.
    Nothing,
    /// The store is being asked.
    Asking,
    /// It was alive then, and nobody will say when that changes.
    Alive(Instant),
    /// It was alive then, and a change is hinted at.
    Hinted(Instant),
}

/// Whether hints come through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Polls,
    Hints,
}

/// Whether a session is to be asked for. `expires` is when the store lets it go, as far as is known.
pub(super) fn is_due(
    known: Known,
    mode: Mode,
    expires: Timestamp,
    now: Timestamp,
    at: Instant,
) -> bool {
    let after = |since: Instant, pause| at.saturating_duration_since(since) >= pause;
    match (known, mode) {
        (Known::Nothing, _) | (Known::Alive(_), Mode::Hints) => true,
        (Known::Asking, _) => false,
        // A server lets go of what expired when it comes to it, and gives its hint then.
        (Known::Hinted(_), Mode::Hints) if expires <= now => true,
        (Known::Hinted(since), Mode::Hints) => after(since, SAFETY),
        (Known::Hinted(since) | Known::Alive(since), Mode::Polls) => after(since, EVERY),
    }
}

/// Whether a session is asked for together with others that are due: those that began to be watched
/// at different times become one question.
pub(super) fn joins(known: Known, mode: Mode, at: Instant) -> bool {
    match (known, mode) {
        (Known::Alive(since) | Known::Hinted(since), Mode::Polls) => {
            at.saturating_duration_since(since) >= EVERY / 2
        }
        _ => false,
    }
}

/// Why a session is over that the store does not have.
pub(super) fn why(expires: Timestamp, deadline: Option<Timestamp>, now: Timestamp) -> End {
    if expires <= now.after(SLACK) || is_over(deadline, now) {
        End::Expired
    } else {
        End::Ended
    }
}

/// Whether a session's absolute time-out has come: no store has to be asked then.
pub(super) fn is_over(deadline: Option<Timestamp>, now: Timestamp) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_or_was_long_ago_is_asked_for() {
        let (begin, now) = (Instant::now(), Timestamp::from_millis(1_000_000));
        let at = begin + Duration::from_mins(1);
        let ago = |millis| at - Duration::from_millis(millis);
        let (later, over) = (now.after(Duration::from_secs(1)), now);
        #[rustfmt::skip]
        let table = [ // known,              mode,        expires, due
            (Known::Nothing,               Mode::Polls, later, true),
            (Known::Nothing,               Mode::Hints, later, true),
            (Known::Asking,                Mode::Polls, over,  false),
            (Known::Asking,                Mode::Hints, over,  false),
            (Known::Alive(ago(499)),       Mode::Polls, later, false),
            (Known::Alive(ago(500)),       Mode::Polls, later, true),
            // Nobody will hint at its end: it has to be asked for where hints begin.
            (Known::Alive(ago(0)),         Mode::Hints, later, true),
            (Known::Hinted(ago(14_999)),   Mode::Hints, later, false),
            (Known::Hinted(ago(15_000)),   Mode::Hints, later, true),
            (Known::Hinted(ago(1)),        Mode::Hints, over,  true),
            // The link is not proven any more.
            (Known::Hinted(ago(499)),      Mode::Polls, later, false),
            (Known::Hinted(ago(500)),      Mode::Polls, later, true),
        ];
        for (known, mode, expires, due) in table {
            let found = is_due(known, mode, expires, now, at);
            assert_eq!(found, due, "{known:?} {mode:?} {expires:?}");
        }
    }

    #[test]
    fn who_was_asked_for_half_a_turn_ago_comes_along() {
        let at = Instant::now() + Duration::from_mins(1);
        let ago = |millis| at - Duration::from_millis(millis);
        let table = [
            (Known::Alive(ago(250)), Mode::Polls, true),
            (Known::Hinted(ago(250)), Mode::Polls, true),
            (Known::Alive(ago(249)), Mode::Polls, false),
            (Known::Hinted(ago(250)), Mode::Hints, false),
            (Known::Asking, Mode::Polls, false),
        ];
        for (known, mode, comes) in table {
            assert_eq!(joins(known, mode, at), comes, "{known:?} {mode:?}");
        }
    }

    #[test]
    fn what_is_gone_before_its_time_was_ended() {
        let now = Timestamp::from_millis(1_000_000);
        let at = |millis: i64| Timestamp::from_millis(1_000_000 + millis);
        #[rustfmt::skip]
        let table = [ // expires, deadline,    end
            (at(60_000),  None,              End::Ended),
            (at(60_000),  Some(at(1)),       End::Ended),
            (at(60_000),  Some(at(0)),       End::Expired),
            (at(1_001),   None,              End::Ended),
            (at(1_000),   None,              End::Expired),
            (at(-60_000), None,              End::Expired),
        ];
        for (expires, deadline, end) in table {
            assert_eq!(why(expires, deadline, now), end, "{expires:?} {deadline:?}");
        }
    }
}
