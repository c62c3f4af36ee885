//! One session on its way: what is to be done with it, and doing it.

use std::time::SystemTime;

use cloakroom::record::UserKeys;
use cloakroom::store::{
    AnyStore, PutIf, PutOutcome, Store as _, StoreError, StoreErrorKind, StoredRecord,
};
use cloakroom::{SessionId, Timestamp};

use super::decide::{Forward, Known, Rules, Seen, There, Why, forward};
use super::digest::{Digester, IdDigest};
use super::ends::patiently;
use super::journal::Reject;
use crate::problem::with_causes;
use crate::sessions::write::entry;

/// Times that a put is decided again because others wrote meanwhile.
const TRIES: usize = 5;

/// A session of the source.
pub(super) struct Item {
    /// Its id at the target.
    pub(super) id: SessionId,
    pub(super) digest: IdDigest,
    /// The handle, for a reject.
    pub(super) handle: String,
    pub(super) stored: StoredRecord,
    pub(super) seen: Seen,
}

/// A task with a session.
pub(super) struct Work {
    pub(super) item: Item,
    pub(super) known: Option<Known>,
    pub(super) there: There,
    pub(super) read: Option<StoredRecord>,
    pub(super) decided: Forward,
}

/// The outcome of a task: the decision that was carried out, or the target's reason to refuse it.
pub(super) type Done = Result<Forward, Refused>;

/// A record that the target refuses.
pub(super) struct Refused {
    pub(super) reject: Reject,
    pub(super) entry: Known,
}

impl Work {
    /// Returns `true` if it is to be stored.
    pub(super) fn writes(&self) -> bool {
        matches!(self.decided, Forward::Create | Forward::Overwrite)
    }

    /// Decides again, by the record that the target holds.
    pub(super) fn see(&mut self, rules: Rules, digester: &Digester, stored: Option<StoredRecord>) {
        self.there = match &stored {
            Some(stored) => There::Read(digester.seen(stored)),
            None => There::Absent,
        };
        self.read = stored;
        self.decide(rules);
    }

    fn decide(&mut self, rules: Rules) {
        let now = Timestamp::from(SystemTime::now());
        self.decided = forward(
            rules,
            &self.item.seen,
            self.known.as_ref(),
            &self.there,
            now,
        );
    }

    /// Stores it on the condition that nobody has written since it was decided, and decides again where
    /// somebody has.
    pub(super) async fn put(
        mut self,
        rules: Rules,
        target: &AnyStore,
        digester: &Digester,
        keys: &UserKeys,
    ) -> (Item, Result<Done, StoreError>) {
        let new = entry(keys, &self.item.stored);
        for _ in 0..TRIES {
            let condition = match (self.decided, self.read.clone()) {
                (Forward::Create, _) => PutIf::Absent,
                (Forward::Overwrite, Some(read)) => PutIf::Unchanged(read),
                (decided, _) => return (self.item, Ok(Ok(decided))),
            };
            let put = patiently(|| target.put(&self.item.id, &new, &condition)).await;
            match put {
                Ok(PutOutcome::Stored) => return (self.item, Ok(Ok(self.decided))),
                Ok(PutOutcome::Conflict(stored)) => self.see(rules, digester, Some(stored)),
                Ok(PutOutcome::NotFound) => self.see(rules, digester, None),
                Ok(PutOutcome::Retired) => {
                    self.there = There::Retired;
                    self.decide(rules);
                }
                Err(error) if refuses(error.kind()) => {
                    let reason = format!("at the target: {}", with_causes(&error));
                    let handle = self.item.handle.clone();
                    let refused = Refused {
                        reject: Reject { handle, reason },
                        entry: Known::refused(self.known.as_ref(), self.item.seen),
                    };
                    return (self.item, Ok(Err(refused)));
                }
                Err(error) => return (self.item, Err(error)),
            }
        }
        // Whoever writes so often has the newer one.
        (self.item, Ok(Ok(Forward::Leave(Why::TargetWins))))
    }
}

/// Returns `true` if it was stored.
pub(super) fn is_stored(done: &Done) -> bool {
    matches!(done, Ok(Forward::Create | Forward::Overwrite))
}

/// Returns `true` if the store takes others, and not this one.
fn refuses(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Invalid | StoreErrorKind::Corrupt)
}

/// Returns the reject of a session that may have ended.
pub(super) fn unsure(handle: &str) -> Reject {
    let reason = "not created again: it was at the target, or may have been, and nothing tells if it ended there";
    Reject {
        handle: handle.to_owned(),
        reason: reason.to_owned(),
    }
}
