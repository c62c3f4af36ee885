use cloakroom::Timestamp;
use cloakroom::store::ENDLESS;

use super::{
    AtSource, Backward, Digest, Forward, Known, Rules, Seen, Settled, There, Why, are_plausible,
    backward, forward, same_expiry, settled,
};

const NOW: i64 = 1_000_000;
const HOUR: i64 = NOW + 3_600_000;

fn seen(text: u8, value: u8, expires: i64) -> Seen {
    Seen {
        digest: Digest {
            text: [text; 8],
            value: [value; 8],
        },
        expires: Timestamp::from_millis(expires),
    }
}

/// A record of one form.
fn plain(value: u8, expires: i64) -> Seen {
    seen(value, value, expires)
}

#[expect(clippy::unnecessary_wraps, reason = "a cell of a table")]
fn copied(copied: Seen) -> Option<Known> {
    Some(Known::Copied {
        copied,
        pending: None,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "a cell of a table")]
fn over(copied: Seen, pending: Seen) -> Option<Known> {
    Some(Known::Copied {
        copied,
        pending: Some(pending),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "a cell of a table")]
fn intended(pending: Seen, ago: i64) -> Option<Known> {
    Some(Known::Intended {
        pending,
        since: Timestamp::from_millis(NOW - ago),
    })
}

#[test]
fn a_session_of_the_source_is_moved_by_what_is_known_of_it() {
    use Forward::{Adopt, Create, Leave, Overwrite, Read};
    use There::{Absent, Retired, Unread};
    use Why::{Ended, EndedThere, Rejected, Same, TargetWins, Unsure};
    let (a, b, c) = (plain(1, HOUR), plain(2, HOUR), plain(3, HOUR));
    let short = plain(1, NOW);
    // The same value in the bytes of another form.
    let a_other = seen(9, 1, HOUR);
    let (later, jitter) = (plain(1, HOUR + 60_000), plain(1, HOUR + 1_500));
    let at = |seen: Seen| There::Read(seen);
    let unread = |expires| Unread(Timestamp::from_millis(expires));
    let rejected = |seen| Some(Known::Rejected(seen));
    #[rustfmt::skip]
    let table = [ // source, journal, target, while the source serves alone, while the target may
        // It was never heard of.
        (a, None,                      Absent,             Create,            Create),
        (a, None,                      Retired,            Leave(EndedThere), Leave(EndedThere)),
        (a, None,                      unread(HOUR),       Read,              Read),
        (a, None,                      at(a),              Adopt,             Adopt),
        (a, None,                      at(a_other),        Adopt,             Adopt),
        (a, None,                      at(b),              Overwrite,         Leave(TargetWins)),
        (a, None,                      at(later),          Overwrite,         Leave(TargetWins)),
        // It was copied, and the source has not changed it.
        (a, copied(a),                 unread(HOUR),       Leave(Same),       Leave(Same)),
        (jitter, copied(a),            unread(HOUR),       Leave(Same),       Leave(Same)),
        (a, copied(a),                 unread(HOUR + 1_500), Leave(Same),     Leave(Same)),
        (a, copied(a),                 unread(HOUR + 1_501), Read,            Leave(TargetWins)),
        (a, copied(a),                 unread(NOW + 60_000), Read,            Leave(Same)),
        (a, copied(a),                 at(later),          Overwrite,         Leave(TargetWins)),
        (a, copied(a),                 at(b),              Overwrite,         Leave(TargetWins)),
        (a, copied(a),                 at(plain(1, NOW + 60_000)), Overwrite, Leave(Same)),
        (a, copied(a),                 Absent,             Create,            Leave(EndedThere)),
        (a, copied(a),                 Retired,            Leave(EndedThere), Leave(EndedThere)),
        // It was copied, and the source has changed or touched it.
        (b, copied(a),                 unread(HOUR),       Read,              Read),
        (later, copied(a),             unread(HOUR),       Read,              Read),
        (a_other, copied(a),           unread(HOUR),       Read,              Read),
        (b, copied(a),                 at(a),              Overwrite,         Overwrite),
        (b, copied(a),                 at(a_other),        Overwrite,         Overwrite),
        (later, copied(a),             at(a),              Overwrite,         Overwrite),
        (b, copied(a),                 at(b),              Adopt,             Adopt),
        (b, copied(a),                 at(c),              Overwrite,         Leave(TargetWins)),
        (b, copied(a),                 at(later),          Overwrite,         Leave(TargetWins)),
        (b, copied(a),                 Absent,             Create,            Leave(EndedThere)),
        (b, copied(a),                 Retired,            Leave(EndedThere), Leave(EndedThere)),
        // Its copy expired before the touch could follow.
        (a, copied(short),             Absent,             Create,            Leave(Unsure)),
        (a, over(short, a),            Absent,             Create,            Leave(Unsure)),
        (short, over(a, short),        Absent,             Create,            Leave(EndedThere)),
        // The command was killed while it stored `b` over `a`.
        (b, over(a, b),                unread(HOUR),       Read,              Read),
        (a, over(a, b),                unread(HOUR),       Read,              Read),
        (b, over(a, b),                at(a),              Overwrite,         Overwrite),
        (b, over(a, b),                at(b),              Adopt,             Adopt),
        (c, over(a, b),                at(a),              Overwrite,         Overwrite),
        (c, over(a, b),                at(b),              Overwrite,         Overwrite),
        (b, over(a, b),                at(c),              Overwrite,         Leave(TargetWins)),
        (b, over(a, b),                Absent,             Create,            Leave(EndedThere)),
        // It was killed while it created it: a minute long a mark tells if it ended since.
        (a, intended(a, 5),            unread(HOUR),       Read,              Read),
        (a, intended(a, 5),            at(a),              Adopt,             Adopt),
        (b, intended(a, 5),            at(a),              Overwrite,         Overwrite),
        (b, intended(a, 5),            at(c),              Overwrite,         Leave(TargetWins)),
        (a, intended(a, 5),            Absent,             Create,            Create),
        (a, intended(a, 59_999),       Absent,             Create,            Create),
        (a, intended(a, 60_000),       Absent,             Create,            Leave(Unsure)),
        (a, intended(a, 5),            Retired,            Leave(EndedThere), Leave(EndedThere)),
        // It ended.
        (a, Some(Known::EndedAtSource), Absent,            Leave(Ended),      Leave(Ended)),
        (a, Some(Known::EndedAtSource), at(a),             Leave(Ended),      Leave(Ended)),
        (a, Some(Known::EndedAtTarget), Absent,            Leave(EndedThere), Leave(EndedThere)),
        (b, Some(Known::EndedAtTarget), at(a),             Leave(EndedThere), Leave(EndedThere)),
        // The target does not take it.
        (a, rejected(a),               Absent,             Leave(Rejected),   Leave(Rejected)),
        (b, rejected(a),               Absent,             Create,            Create),
        (a, rejected(a),               Retired,            Leave(EndedThere), Leave(EndedThere)),
        (a, rejected(a),               at(a),              Adopt,             Adopt),
    ];
    let now = Timestamp::from_millis(NOW);
    for (row, (source, known, there, filling, serving)) in table.iter().enumerate() {
        for (rules, expected) in [(Rules::Filling, filling), (Rules::Serving, serving)] {
            let decided = forward(rules, source, known.as_ref(), there, now);
            assert_eq!(
                decided, *expected,
                "row {row}, {rules:?}: {source:?} {known:?} {there:?}"
            );
        }
    }
}

#[test]
fn a_session_of_the_target_ends_if_it_ended_at_the_source() {
    use AtSource::{Found, Gone, NotPassed, Passed, Retired};
    use Backward::{AskSource, End, Leave};
    let (lives, over_by_now) = (plain(1, HOUR), plain(1, NOW));
    let (later, long_over) = (plain(2, HOUR), plain(1, NOW - 60_000));
    #[rustfmt::skip]
    let table = [ // journal,                  passed, not passed, found, gone,  retired
        (None,                                 [Leave, Leave,     Leave, Leave, Leave]), // another's
        (copied(lives),                        [Leave, AskSource, Leave, End,   End]),
        (copied(over_by_now),                  [Leave, AskSource, Leave, Leave, End]), // it expired at the source, or a mark tells
        (copied(long_over),                    [Leave, Leave,     Leave, Leave, End]), // it expired: no mark would be there
        (over(over_by_now, later),             [Leave, AskSource, Leave, End,   End]),
        (over(lives, over_by_now),             [Leave, AskSource, Leave, End,   End]),
        (intended(lives, 5),                   [Leave, AskSource, Leave, End,   End]),
        (intended(long_over, 5),               [Leave, Leave,     Leave, Leave, End]),
        (Some(Known::EndedAtSource),           [End,   End,       End,   End,   End]), // its end was lost, or undone
        (Some(Known::EndedAtTarget),           [Leave, Leave,     Leave, Leave, End]),
        (Some(Known::Rejected(lives)),         [Leave, Leave,     Leave, Leave, End]),
    ];
    let now = Timestamp::from_millis(NOW);
    for (known, expected) in table {
        let sources = [Passed, NotPassed, Found, Gone, Retired];
        for (source, expected) in sources.into_iter().zip(expected) {
            let decided = backward(known.as_ref(), source, now);
            assert_eq!(decided, expected, "{known:?} {source:?}");
        }
    }
}

#[test]
fn expiries_of_one_life_are_told_from_a_touch() {
    let endless = ENDLESS.as_millis();
    for (one, other, same) in [
        (0, 1_500, true),
        (1_501, 0, false),
        (endless, i64::MAX, true),
        (endless, HOUR, false),
    ] {
        let [one, other] = [one, other].map(Timestamp::from_millis);
        assert_eq!(same_expiry(one, other), same, "{one:?} {other:?}");
        assert_eq!(same_expiry(other, one), same, "{one:?} {other:?}");
    }
}

#[test]
fn passes_go_on_as_long_as_they_help() {
    #[rustfmt::skip]
    let table = [ // moved, before, of all, settled
        (0,       None,          0,         Settled::Yes),
        (0,       None,          1_000_000, Settled::Yes),
        (100,     None,          1_000_000, Settled::Yes),
        (101,     None,          1_000_000, Settled::No),
        (4_000,   Some(90_000),  1_000_000, Settled::No),
        (3_199,   Some(4_000),   1_000_000, Settled::No),
        (3_200,   Some(4_000),   1_000_000, Settled::AsCloseAsItGets),
        (9_000,   Some(4_000),   1_000_000, Settled::AsCloseAsItGets),
        (90,      Some(4_000),   1_000_000, Settled::Yes),
        (1,       Some(1),       100,       Settled::AsCloseAsItGets),
    ];
    for (moved, before, all, expected) in table {
        assert_eq!(
            settled(moved, before, all, 0.0001),
            expected,
            "{moved} {before:?}"
        );
    }
}

#[test]
fn a_source_that_was_emptied_does_not_empty_the_target() {
    #[rustfmt::skip]
    let table = [ // ends, of all, allowed, plausible
        (100,       100,       None,          true), // few of a small store
        (101,       1_000,     None,          false),
        (100_000,   1_000_000, None,          true),
        (100_001,   1_000_000, None,          false),
        (100_001,   1_000_000, Some(100_001), true),
        (5,         1_000_000, Some(4),       false),
    ];
    for (ends, all, allowed, expected) in table {
        assert_eq!(are_plausible(ends, all, allowed), expected, "{ends} {all}");
    }
}

#[test]
fn a_refused_record_leaves_what_is_at_the_target_known() {
    let (a, b) = (plain(1, HOUR), plain(2, HOUR));
    #[rustfmt::skip]
    let table = [
        (None,                          Some(Known::Rejected(b))),
        (intended(a, 5),                Some(Known::Rejected(b))),
        (Some(Known::Rejected(a)),      Some(Known::Rejected(b))),
        (copied(a),                     copied(a)), // it can still end
        (over(a, b),                    over(a, b)),
    ];
    for (known, expected) in table {
        assert_eq!(
            Some(Known::refused(known.as_ref(), b)),
            expected,
            "{known:?}"
        );
    }
}
