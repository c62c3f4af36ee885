//! Requests that come by an id which is not the session's any more: what they may still do.
//!
//! | the id was | the request has | its writes | its cookie |
//! |---|---|---|---|
//! | renewed, for the same user | the session | go to the session's present id | none |
//! | closed: login, logout, another user, other rights | nobody's session | are refused as gone | none |
//! | either, and the request signs somebody in | | a session under an id of its own | that one's |
//!
//! Whoever planted an id, or stole it, learns no other id by it.

use super::session_state::{Arrival, Rotation, SessionState};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::policy::Policy;
use crate::record::{Owner, Record, RecordText};

/// The key of a session's roles.
const ROLES: &str = "roles";

/// Whether whoever has the id that is replaced may go on with the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Succession {
    Closed,
    Renewed,
}

/// Decides who has the session after its id was replaced: its user's other requests, where nothing but
/// the id changed. An anonymous visitor's explicit change of the id closes the old one, because that is
/// how applications sign in by themselves.
pub(crate) fn succession(
    policy: &Policy,
    rotation: Option<Rotation>,
    base: Option<&Record>,
    record: &Record,
) -> Succession {
    let owner = |record: &Record| policy.settings().user_keys.owner_by(|key| record.get(key));
    let (Some(base), Some(rotation)) = (base, rotation) else {
        return Succession::Closed;
    };
    let before = owner(base);
    let may_follow = match rotation {
        Rotation::Renewal => true,
        Rotation::Regenerated => matches!(before, Owner::User(_)),
        Rotation::Handover => false,
    };
    if may_follow && before == owner(record) && base.get(ROLES) == record.get(ROLES) {
        Succession::Renewed
    } else {
        Succession::Closed
    }
}

/// Whether a request that meets another one's renewal leaves the id as that one gave it: it was about to
/// change the id itself, and nothing but that.
pub(crate) fn leaves_id(
    policy: &Policy,
    rotation: Option<Rotation>,
    base: Option<&Record>,
    record: &Record,
) -> bool {
    let owner = |record: &Record| policy.settings().user_keys.owner_by(|key| record.get(key));
    let (Some(base), Some(rotation)) = (base, rotation) else {
        return false;
    };
    let may_stay = match rotation {
        Rotation::Renewal => true,
        Rotation::Regenerated => base.get(ROLES) == record.get(ROLES),
        Rotation::Handover => false,
    };
    may_stay && owner(base) == owner(record)
}

/// Whether a request signs somebody in: by a login, or by naming another user than it found.
pub(crate) fn signs_in(policy: &Policy, held: &SessionState) -> bool {
    let keys = &policy.settings().user_keys;
    let found = |key: &str| held.base.as_ref().and_then(|base| base.get(key));
    let signs_in = || {
        let owner = keys.owner_by(|key| held.data(key));
        matches!(owner, Owner::User(_)) && owner != keys.owner_by(found)
    };
    held.is_login || signs_in()
}

/// Returns the user of a request that signs in, where it found the same user signed in already.
pub(crate) fn user_before(policy: &Policy, held: &SessionState) -> Option<String> {
    let (found, keys) = (held.found()?, &policy.settings().user_keys);
    let user = keys.owner_by(|key| found.get(key)).user()?;
    let now = keys.owner_by(|key| held.data(key));
    now.is(&user).then_some(user)
}

/// Whether a request signs somebody in who proved it, where it found nobody: the visitor's session may
/// have expired meanwhile. Whoever was signed in may have been signed out everywhere.
pub(crate) fn signs_in_a_visitor(policy: &Policy, held: &SessionState) -> bool {
    let keys = &policy.settings().user_keys;
    let is_nobodys = |found: &Record| keys.owner_by(|key| found.get(key)) == Owner::Nobody;
    signs_in(policy, held) && !held.is_handed && held.found().is_none_or(is_nobodys)
}

/// Returns the text of the session that must be there still when its data is left behind: what it takes
/// on, without a proof of a user's or for the same user, must not outlive a logout everywhere.
pub(crate) fn required(policy: &Policy, held: &SessionState) -> Option<RecordText> {
    let goes_on = || held.is_handed || user_before(policy, held).is_some();
    let found = held.found().filter(|_| held.base.is_none() && goes_on())?;
    Some(found.text().clone())
}

/// Whether nothing of the session may be stored: its client's id was closed.
pub(crate) fn is_shut_out(policy: &Policy, held: &SessionState) -> bool {
    held.arrival == Arrival::Closed && held.stored.is_none() && !signs_in(policy, held)
}

/// Whether the response must not carry the session's cookie: its client may have been given another
/// by now.
pub(crate) fn is_late(policy: &Policy, held: &SessionState) -> bool {
    held.arrival != Arrival::Current && !signs_in(policy, held)
}

/// Prepares the end of a request that came by a predecessor of the session's id: one that signs
/// somebody in gives the session the id `id`, every other leaves it as it is.
pub(crate) fn settle_predecessor(
    policy: &Policy,
    held: &mut SessionState,
    id: SessionId,
    now: Timestamp,
) {
    if !signs_in(policy, held) {
        if held.base.is_some() {
            held.keep_id();
        }
    } else if held.rotation.is_none() {
        held.change_id(id, Rotation::Handover, now);
    }
}
