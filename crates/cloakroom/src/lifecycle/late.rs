//! Late requests: what a request may do that comes by an id which is not the session's any more.
//!
//! | the id was | the request has | its writes | its cookie |
//! |---|---|---|---|
//! | renewed, for the same user | the session | go to the session's present id | none |
//! | closed: login, logout, another user, other rights | an anonymous session | are refused as gone | none |
//! | either, and the request signs a user in | | a session under an id of its own | that one's |
//!
//! A client that planted or stole an id learns no other id by it.

use super::session_state::{Arrival, Rotation, SessionState};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::policy::Policy;
use crate::record::{Owner, Record, RecordText};

/// The key of a session's roles.
const ROLES: &str = "roles";

/// The right of the clients that have the replaced id to go on with the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Succession {
    Closed,
    Renewed,
}

/// Decides who has the session after its id was replaced: its user's other requests, where only the id
/// changed. An anonymous client's explicit change of the id closes the old one, because that is how
/// applications without `login` sign in.
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
    let may_follow = match rotation {
        Rotation::Renewal => true,
        Rotation::Regenerated => matches!(owner(base), Owner::User(_)),
        Rotation::Handover => false,
    };
    if may_follow && owner(base) == owner(record) && base.get(ROLES) == record.get(ROLES) {
        Succession::Renewed
    } else {
        Succession::Closed
    }
}

/// Returns `true` if a request keeps the id that another request's renewal gave the session: it was about to
/// change the id itself, and nothing else.
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

/// Returns `true` if a request signs a user in: by a login, or by naming another user than it found.
pub(crate) fn signs_in(policy: &Policy, held: &SessionState) -> bool {
    let keys = &policy.settings().user_keys;
    let found = |key: &str| held.data.base.as_ref().and_then(|base| base.get(key));
    let is_changed = || keys.roots().any(|key| held.data.patch.get(key).is_some());
    let signs_in = || {
        let owner = keys.owner_by(|key| held.data.application_value(key));
        matches!(owner, Owner::User(_)) && owner != keys.owner_by(found)
    };
    held.progress.is_login || (is_changed() && signs_in())
}

/// Returns the user who is signed in by a session as it is now.
pub(crate) fn user_now(policy: &Policy, held: &SessionState) -> Option<String> {
    let keys = &policy.settings().user_keys;
    keys.owner_by(|key| held.data.application_value(key)).user()
}

/// Returns the user of a request that signs in, where it found the same user signed in already.
pub(crate) fn user_before(policy: &Policy, held: &SessionState) -> Option<String> {
    let (found, keys) = (held.data.last_record()?, &policy.settings().user_keys);
    let user = keys.owner_by(|key| found.get(key)).user()?;
    let now = keys.owner_by(|key| held.data.application_value(key));
    now.is(&user).then_some(user)
}

/// Returns `true` if a request signs in a user who proved it, in an anonymous session: that may have expired
/// meanwhile. A user who was signed in may have been signed out everywhere.
pub(crate) fn signs_in_a_visitor(policy: &Policy, held: &SessionState) -> bool {
    let keys = &policy.settings().user_keys;
    let is_nobodys = |found: &Record| keys.owner_by(|key| found.get(key)) == Owner::Nobody;
    signs_in(policy, held)
        && !held.progress.is_handed
        && held.data.last_record().is_none_or(is_nobodys)
}

/// Returns the text of the session that must still be stored when its data is discarded: what it keeps,
/// without a user's proof or for the same user, must not outlive a logout everywhere.
pub(crate) fn required(policy: &Policy, held: &SessionState) -> Option<RecordText> {
    let goes_on = || held.progress.is_handed || user_before(policy, held).is_some();
    let found = held
        .data
        .last_record()
        .filter(|_| held.data.base.is_none() && goes_on())?;
    Some(found.text().clone())
}

/// Returns `true` if nothing of the session may be stored: its client's id was closed.
pub(crate) fn is_shut_out(policy: &Policy, held: &SessionState) -> bool {
    held.identity.arrival == Arrival::Closed
        && held.identity.stored.is_none()
        && !signs_in(policy, held)
}

/// Returns `true` if the response must not carry the session's cookie: its client may have another one by
/// now.
pub(crate) fn is_late(policy: &Policy, held: &SessionState) -> bool {
    held.identity.arrival != Arrival::Current && !signs_in(policy, held)
}

/// Prepares the end of a request that came by a predecessor of the session's id: one that signs a user in
/// gives the session the id `id`, every other leaves it unchanged.
pub(crate) fn settle_predecessor(
    policy: &Policy,
    held: &mut SessionState,
    id: SessionId,
    now: Timestamp,
) {
    if !signs_in(policy, held) {
        if held.data.base.is_some() {
            held.keep_id();
        }
    } else if held.identity.rotation.is_none() {
        held.change_id(id, Rotation::Handover, now);
    }
}
