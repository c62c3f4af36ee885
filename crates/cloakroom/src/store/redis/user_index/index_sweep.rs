//! A sweep over a user's index while its sessions change their ids: the members that remain to be read.
//!
//! An id is entered before its session is stored, and before the id that it replaces is removed. So a session
//! that changes its id always leaves a new member behind, and one that was missing twice in a row hides none.

use std::collections::HashSet;

use crate::id::SessionId;

/// The progress of a sweep over a user's index.
pub(crate) struct IndexSweep {
    done: HashSet<SessionId>,
    /// The members that were missing in the last pass.
    absent: HashSet<SessionId>,
}

impl IndexSweep {
    /// Begins a sweep that skips `done`.
    pub(crate) fn past(done: impl IntoIterator<Item = SessionId>) -> Self {
        Self {
            done: done.into_iter().collect(),
            absent: HashSet::new(),
        }
    }

    /// Returns the members that are to be read now.
    pub(crate) fn next(&self, mut members: Vec<SessionId>) -> Vec<SessionId> {
        members.retain(|id| !self.done.contains(id));
        members
    }

    /// Records the members that were read, some of them `missing`; returns `true` if each of these was
    /// missing before. A member that was missing twice in a row is not read again.
    pub(crate) fn looked(&mut self, at: Vec<SessionId>, missing: HashSet<SessionId>) -> bool {
        let is_settled = missing.is_subset(&self.absent);
        let again = |id: &SessionId| missing.contains(id) && !self.absent.contains(id);
        self.done.extend(at.into_iter().filter(|id| !again(id)));
        self.absent = missing;
        is_settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &str) -> Vec<SessionId> {
        names
            .split_whitespace()
            .map(SessionId::from_store)
            .collect()
    }

    #[test]
    fn missing_members_are_read_twice_and_no_more() {
        let mut walk = IndexSweep::past(ids("kept"));
        #[rustfmt::skip]
        let table = [ // members,      looked at,  missing,  settled
            ("kept a b",               "a b",      "b",      false),
            ("kept a b c",             "b c",      "b c",    false), // b may have become c
            ("kept a b c d",           "c d",      "c",      true),
            ("kept a b c d",           "",         "",       true),
        ];
        for (members, looked_at, missing, settled) in table {
            let next = walk.next(ids(members));
            assert_eq!(next, ids(looked_at), "{members}");
            let missing = ids(missing).into_iter().collect();
            assert_eq!(walk.looked(next, missing), settled, "{members}");
        }
    }

    #[test]
    fn sweep_without_missing_members_settles_at_once() {
        let mut walk = IndexSweep::past([]);
        assert!(walk.looked(ids("a b"), HashSet::new()));
        assert_eq!(walk.next(ids("a b")), []);
    }
}
