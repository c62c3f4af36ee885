//! The decisions of a move: what to do with a session, by what the source, the target and the journal hold.

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::time::Duration;

use cloakroom::Timestamp;
use cloakroom::store::{ENDLESS, RETIRED_FOR};

/// The difference up to which two readings of one expiry are the same, as in a store's conditional put.
const SAME_EXPIRY: Duration = Duration::from_millis(1_500);

/// A keyed digest of a record: of its bytes, and of its value as JSON, which another form keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) text: [u8; 8],
    pub(super) value: [u8; 8],
}

/// A record as it was read in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) digest: Digest,
    pub(super) expires: Timestamp,
}

impl Seen {
    /// Returns `true` if nothing was changed at the source.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.digest.text == other.digest.text && same_expiry(self.expires, other.expires)
    }

    /// Returns `true` if both are the same session, in whatever form.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.digest.value == other.digest.value && same_expiry(self.expires, other.expires)
    }

    /// Returns `true` if nobody changed or touched what was stored as `self`.
    fn is_still(&self, there: &Self) -> bool {
        let is_touched = there.expires > self.expires && !same_expiry(there.expires, self.expires);
        self.digest.value == there.digest.value && !is_touched
    }
}

fn same_expiry(one: Timestamp, other: Timestamp) -> bool {
    let (one, other) = (one.min(ENDLESS), other.min(ENDLESS));
    one.since(other).max(other.since(one)) <= SAME_EXPIRY
}

/// The entry of a session in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It is at the target as `copied`; `pending` was about to be stored over it, and may have been.
    Copied { copied: Seen, pending: Option<Seen> },
    /// It was about to be created at the target for the first time, at this instant, and may have been.
    Intended { pending: Seen, since: Timestamp },
    /// It ended at the source, and so at the target.
    EndedAtSource,
    /// It ended at the target while that served.
    EndedAtTarget,
    /// The target does not take it in this form.
    Rejected(Seen),
}

/// A session as the target holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum There {
    Absent,
    /// It ended there, or got another id, within the last minute.
    Retired,
    /// It lives until then; its record was not read.
    Unread(Timestamp),
    Read(Seen),
}

/// The stores that serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// The source alone: the target is made equal to it.
    Filling,
    /// The target does, or may at any moment: what it changed wins, and what it ended stays ended.
    Serving,
}

/// The decision on a session that the source has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forward {
    /// Nothing is to be done.
    Leave(Why),
    /// Read the target's record, and decide again.
    Read,
    /// Store it at the target, where it is absent and not retired.
    Create,
    /// Store it in place of the record that was read there.
    Overwrite,
    /// It is at the target already: enter it in the journal.
    Adopt,
}

/// The reason why a session is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Same,
    /// The target changed it.
    TargetWins,
    /// It ended at the target.
    EndedThere,
    /// It ended, and something brought it back at the source.
    Ended,
    Rejected,
    /// It was at the target, or may have been, and nothing tells if it ended there: it expired before a longer
    /// life could follow, or the command was killed while it created it, more than a minute ago.
    Unsure,
}

/// Decides about a session that the source has.
pub(super) fn forward(
    rules: Rules,
    source: &Seen,
    known: Option<&Known>,
    there: &There,
    now: Timestamp,
) -> Forward {
    use Forward::{Adopt, Leave, Overwrite, Read};
    match (known, there) {
        (Some(Known::EndedAtSource), _) => Leave(Why::Ended),
        (Some(Known::EndedAtTarget), _) | (_, There::Retired) => Leave(Why::EndedThere),
        (Some(Known::Rejected(seen)), There::Absent) if seen.is(source) => Leave(Why::Rejected),
        (known, There::Absent) => absent(rules, known, now),
        (
            Some(Known::Copied {
                copied,
                pending: None,
            }),
            There::Unread(expires),
        ) if copied.is(source) && same_expiry(copied.expires, *expires) => Leave(Why::Same),
        // The source has nothing new: whatever the target has done, it stays.
        (
            Some(Known::Copied {
                copied,
                pending: None,
            }),
            There::Unread(expires),
        ) if rules == Rules::Serving && copied.is(source) => Leave(if *expires > copied.expires {
            Why::TargetWins
        } else {
            Why::Same
        }),
        (_, There::Unread(_)) => Read,
        (_, There::Read(there)) if source.equals(there) => Adopt,
        (_, There::Read(_)) if rules == Rules::Filling => Overwrite,
        (Some(known), There::Read(there)) if known.is_still(there) => match known {
            Known::Copied { copied, .. } if copied.is(source) => Leave(Why::Same),
            _ => Overwrite,
        },
        (_, There::Read(_)) => Leave(Why::TargetWins),
    }
}

/// Decides about a session that the target does not have.
fn absent(rules: Rules, known: Option<&Known>, now: Timestamp) -> Forward {
    match (rules, known) {
        // Its life was over there before the source's longer one was known, or it ended before that.
        (Rules::Serving, Some(Known::Copied { copied, .. })) if copied.expires <= now => {
            Forward::Leave(Why::Unsure)
        }
        // It was there, and the target serves: it ended.
        (Rules::Serving, Some(Known::Copied { .. })) => Forward::Leave(Why::EndedThere),
        // Within a minute a mark would tell that it ended.
        (Rules::Serving, Some(Known::Intended { since, .. }))
            if now.since(*since) >= RETIRED_FOR =>
        {
            Forward::Leave(Why::Unsure)
        }
        _ => Forward::Create,
    }
}

impl Forward {
    /// Returns the entry of the journal once it was carried out; `None` where nothing is to be entered.
    pub(super) fn entry(self, source: Seen) -> Option<Known> {
        match self {
            Self::Create | Self::Overwrite | Self::Adopt => Some(Known::Copied {
                copied: source,
                pending: None,
            }),
            Self::Leave(Why::EndedThere) => Some(Known::EndedAtTarget),
            Self::Leave(_) | Self::Read => None,
        }
    }
}

impl Known {
    /// Returns the entry of a session that is about to be stored, which is entered before it is; `there` is
    /// what the decision was made by.
    pub(super) fn intended(
        known: Option<&Self>,
        there: &There,
        source: Seen,
        now: Timestamp,
    ) -> Self {
        match (known, there) {
            // It settles which of two is there, if the command was killed before.
            (_, There::Read(copied)) | (Some(Self::Copied { copied, .. }), _) => {
                Self::over(*copied, source)
            }
            // What was stored then may have ended since: the minute in which a mark tells has begun.
            (Some(Self::Intended { since, .. }), _) => Self::Intended {
                pending: source,
                since: *since,
            },
            _ => Self::Intended {
                pending: source,
                since: now,
            },
        }
    }

    fn over(copied: Seen, pending: Seen) -> Self {
        Self::Copied {
            copied,
            pending: Some(pending),
        }
    }

    /// Returns `true` if the target holds what this command stored.
    fn is_still(&self, there: &Seen) -> bool {
        match self {
            Self::Copied { copied, pending } => {
                copied.is_still(there) || pending.is_some_and(|pending| pending.is_still(there))
            }
            Self::Intended { pending, .. } => pending.is_still(there),
            Self::EndedAtSource | Self::EndedAtTarget | Self::Rejected(_) => false,
        }
    }

    /// Returns the entry once the target has refused a record: what it held before, it still holds.
    pub(super) fn refused(known: Option<&Self>, source: Seen) -> Self {
        match known {
            Some(known @ Self::Copied { .. }) => *known,
            _ => Self::Rejected(source),
        }
    }

    /// Returns `true` if it would be alive, by the latest expiry that this command knows of.
    fn has_time_left(&self, now: Timestamp) -> bool {
        match self {
            Self::Copied { copied, pending } => {
                copied.expires > now || pending.is_some_and(|pending| pending.expires > now)
            }
            Self::Intended { pending, .. } => pending.expires > now,
            Self::EndedAtSource | Self::EndedAtTarget | Self::Rejected(_) => false,
        }
    }
}

/// The decision on a session that the target has, once the source was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backward {
    Leave,
    /// Ask the source for it, and decide again.
    AskSource,
    /// End it at the target.
    End,
}

/// A session that the target has, as the source holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtSource {
    /// This pass has read it there.
    Passed,
    /// This pass has not.
    NotPassed,
    /// It was asked for, and is there.
    Found,
    /// It was asked for, or cannot be, and is not there.
    Gone,
    /// It was asked for, and ended within the last minute.
    Retired,
}

/// Decides about a session that the target has. An end holds, whatever the target has changed meanwhile.
pub(super) fn backward(known: Option<&Known>, source: AtSource, now: Timestamp) -> Backward {
    let Some(known) = known else {
        return Backward::Leave;
    };
    if *known == Known::EndedAtSource {
        return Backward::End;
    }
    // What is over at the source by its own expiry may live on where it was touched; a mark tells it from an
    // end that came before.
    match source {
        AtSource::NotPassed if known.has_time_left(minute_before(now)) => Backward::AskSource,
        AtSource::Gone if known.has_time_left(now) => Backward::End,
        AtSource::Retired => Backward::End,
        _ => Backward::Leave,
    }
}

/// Returns the earliest end of which a mark still tells.
pub(super) fn minute_before(now: Timestamp) -> Timestamp {
    let minute = i64::try_from(RETIRED_FOR.as_millis()).unwrap_or(0);
    Timestamp::from_millis(now.as_millis() - minute)
}

/// The outcome of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// Another pass moves less.
    No,
    /// It moved less than asked for.
    Yes,
    /// It moved more, and another one will move as much: that many change while a pass takes place.
    AsCloseAsItGets,
}

/// Decides if the target is close enough to the source: by the sessions that a pass moved, those that the
/// pass before it moved, and the share of all that is asked for.
pub(super) fn settled(moved: u64, before: Option<u64>, all: u64, share: f64) -> Settled {
    #[expect(clippy::cast_precision_loss, reason = "a share of many")]
    let (part, whole) = (moved as f64, all as f64);
    match before {
        _ if part <= whole * share => Settled::Yes,
        Some(before) if moved >= before - before / 5 => Settled::AsCloseAsItGets,
        _ => Settled::No,
    }
}

/// Sessions that may be gone in one pass in any case.
const FEW_ENDS: u64 = 100;

/// Decides if so many sessions may have ended at the source since the pass before, of so many; a source that
/// was emptied must not empty the target. `allowed` is what the operator allows.
pub(super) fn are_plausible(ends: u64, all: u64, allowed: Option<u64>) -> bool {
    ends <= allowed.unwrap_or_else(|| FEW_ENDS.max(all / 10))
}
