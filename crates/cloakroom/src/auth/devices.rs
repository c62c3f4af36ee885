//! The sessions of a user: whose one is, which ones are beyond a limit, and their order.

use std::sync::Arc;

use super::Device;
use super::login::is_same;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::policy::{AtLimit, Policy};
use crate::record::{Metadata, Record, RecordText, StoredRecord};
use crate::session::{Session, SessionError};

/// One of a user's sessions, and its id in the store.
pub(crate) struct UserSession {
    pub(crate) key: SessionId,
    device: Device,
    /// All valid handles: by other keys of the ring as well.
    names: Vec<String>,
}

impl UserSession {
    /// Reads a device from a record in which its user is signed in; `None` where it is over.
    pub(crate) fn of(
        policy: &Policy,
        key: SessionId,
        stored: StoredRecord,
        now: Timestamp,
    ) -> Option<Self> {
        let names = policy.keys().keyed_hashes(key.expose());
        let name = names.first().cloned().unwrap_or_default();
        let device = Device::of(policy, stored, name, now)?;
        Some(Self { key, device, names })
    }

    /// Returns the handle of its device.
    pub(crate) fn into_handle(self) -> String {
        self.device.handle
    }

    /// Returns `true` if this is one of its handles.
    pub(crate) fn is_called(&self, handle: &str) -> bool {
        is_same(&self.device.handle, handle) || self.names.iter().any(|name| is_same(name, handle))
    }
}

impl Session {
    /// Returns `true` if its last login noted this handle.
    pub(crate) fn is_device(&self, handle: &str) -> bool {
        let note = self.login_device();
        note.is_some_and(|note| is_same(&note.handle, handle))
    }

    /// Gives the session of a user who has set another password a new id and new tokens; the user, unless
    /// impersonated, has proved their identity with it.
    pub(crate) fn prove_again(&self, user: &str) -> Result<(), SessionError> {
        if self.impersonator().is_some() {
            self.hand_over()
        } else {
            self.renew_login(self.fingerprints_of(user), true)
        }
    }
}

/// Returns `true` if this user is signed in by a record, whose keys do not contradict each other, without an
/// impersonator: an impersonator without its proof, which another writer left there or made up, does not
/// count. `parse` returns the parsed record, `None` for one that cannot be read.
pub(crate) fn is_own(
    policy: &Policy,
    text: &RecordText,
    parse: impl FnOnce() -> Option<Arc<Record>>,
    user: &str,
) -> bool {
    if !policy.settings().user_keys.owner_of(text).is(user) {
        return false;
    }
    // An unreadable record is an error where it is to be changed.
    let Some(record) = parse() else {
        return true;
    };
    let metadata = record.metadata().map(AsRef::as_ref);
    let acts = |(by, proof): (&str, &str)| {
        let proofs = policy.keys().fingerprints_of_both(by, user);
        proofs.iter().any(|own| is_same(own, proof))
    };
    let is_here = metadata.and_then(Metadata::realm) == policy.realm();
    is_here && !metadata.and_then(Metadata::by).is_some_and(acts)
}

/// Returns sessions as devices, the one used last first; the one with the key `current` is marked.
pub(crate) fn last_used_first(found: Vec<UserSession>, current: Option<&SessionId>) -> Vec<Device> {
    let mark = |found: UserSession| Device {
        is_current: Some(&found.key) == current,
        ..found.device
    };
    let mut devices: Vec<Device> = found.into_iter().map(mark).collect();
    devices
        .sort_by(|one, other| (other.last_seen, &other.handle).cmp(&(one.last_seen, &one.handle)));
    devices
}

/// Returns the sessions beyond the limit: of the oldest, never the one that signs in; of the newest, the one
/// that came last, as concurrent logins do not see each other before both are stored.
///
/// One that is younger than the login itself ends only with `also_younger`: its own login, if that is still
/// under way, is about to end this one, and both must not be gone.
pub(crate) fn excess(
    mut found: Vec<UserSession>,
    most: usize,
    at_limit: AtLimit,
    own: Option<&SessionId>,
    also_younger: bool,
) -> Vec<SessionId> {
    let count = found.len().saturating_sub(most);
    found.sort_by(|one, other| {
        let order = |found: &UserSession| (found.device.since(), found.device.handle.clone());
        order(one).cmp(&order(other))
    });
    if at_limit == AtLimit::Refuse {
        found.reverse();
    } else {
        // Where it does not exist any more, a younger login has ended it, and enforces the limit.
        let own = found.iter().position(|found| Some(&found.key) == own);
        let younger = own.map_or_else(Vec::new, |own| found.split_off(own));
        let others = younger.into_iter().skip(1);
        match own {
            Some(_) if also_younger => found.extend(others),
            Some(_) => {}
            None => found.clear(),
        }
    }
    let keys = found.into_iter().map(|found| found.key);
    keys.take(count).collect()
}
