//! The numbers of a pass.

use serde::{Deserialize, Serialize};

use super::decide::{Forward, Why};

/// Numbers of sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tally {
    /// Read at the source.
    pub(super) read: u64,
    /// Created at the target.
    pub(super) copied: u64,
    /// Stored over another record at the target.
    pub(super) updated: u64,
    /// Found at the target as they are at the source, although the journal did not say so.
    pub(super) adopted: u64,
    /// Ended at the target, because they ended at the source.
    pub(super) ended: u64,
    /// Over before they could be stored.
    pub(super) expired: u64,
    /// Without an end of their life.
    pub(super) endless: u64,
    /// Left out by `--endless skip`.
    pub(super) skipped: u64,
    /// Left as the target has changed them.
    pub(super) kept: u64,
    /// Left ended, as the target has ended them.
    pub(super) ended_there: u64,
    /// Stored in the target's own form.
    pub(super) reformed: u64,
}

impl Tally {
    /// Returns the number of sessions that were changed at the target.
    pub(super) fn moved(&self) -> u64 {
        self.copied + self.updated + self.ended
    }

    /// Counts what was done with a session.
    pub(super) fn count(&mut self, done: Forward) {
        match done {
            Forward::Create => self.copied += 1,
            Forward::Overwrite => self.updated += 1,
            Forward::Adopt => self.adopted += 1,
            Forward::Leave(Why::TargetWins) => self.kept += 1,
            Forward::Leave(Why::EndedThere) => self.ended_there += 1,
            Forward::Leave(Why::Same | Why::Ended | Why::Rejected | Why::Unsure)
            | Forward::Read => {}
        }
    }

    /// Adds what a later pass has done; what it has found counts as it found it.
    pub(super) fn and_then(self, later: Self) -> Self {
        Self {
            copied: self.copied + later.copied,
            updated: self.updated + later.updated,
            adopted: self.adopted + later.adopted,
            ended: self.ended + later.ended,
            expired: self.expired + later.expired,
            reformed: self.reformed + later.reformed,
            ..later
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn what_was_done_adds_up_and_what_was_found_is_the_last() {
        let [one, other] = [1, 10].map(|n| Tally {
            read: n,
            copied: n,
            updated: n,
            adopted: n,
            ended: n,
            expired: n,
            endless: n,
            skipped: n,
            kept: n,
            ended_there: n,
            reformed: n,
        });
        let both = one.and_then(other);
        assert_eq!((both.copied, both.updated, both.ended), (11, 11, 11));
        assert_eq!((both.read, both.kept, both.endless), (10, 10, 10));
        assert_eq!(both.moved(), 33);
    }
}
