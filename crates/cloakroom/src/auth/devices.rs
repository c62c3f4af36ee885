//! All sessions of a user: lists them, ends single ones, keeps them within a limit.

use std::panic::resume_unwind;
use std::time::Duration;

use tokio::time::Instant;

use super::Device;
use crate::id::SessionId;
use crate::policy::AtLimit;
use crate::record::{Metadata, RecordText, StoredRecord};
use crate::session::{Coordinator, Followed, Session, SessionError};
use crate::store::{StoreError, StoreErrorKind};

/// Number of times that a limit is re-checked, after sessions that were to end changed their ids.
const TRIES: usize = 3;
/// Time for which a login waits for a younger one, which may still be under way, to end excess sessions.
const OVERLAP: Duration = Duration::from_millis(100);

/// One of a user's sessions, and its id in the store.
struct FoundSession {
    key: SessionId,
    device: Device,
    /// All valid handles: by other keys of the ring as well.
    names: Vec<String>,
}

impl Session {
    /// Returns the sessions of this session's user, the one used last first; this one is marked. Empty where
    /// no user is signed in. Where this request has signed the user in, the session is stored first, so that
    /// it is in the list.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`]; as for [`save`](Self::save) where the session is stored first.
    pub async fn devices(&self) -> Result<Vec<Device>, SessionError> {
        self.must_be_attached()?;
        if self.is_unsaved_login() {
            self.save().await?;
        }
        match self.user() {
            Some(user) => Ok(list_by_user(self.coordinator(), &user, Some(self)).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Ends the session of the same user that has this [handle](Device::handle), on every server;
    /// `false` where there is none. It may be this one.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`]: the session may still be there.
    pub async fn end_device(&self, handle: &str) -> Result<bool, SessionError> {
        self.must_be_attached()?;
        let Some(user) = self.user() else {
            return Ok(false);
        };
        if self
            .login_device()
            .is_some_and(|note| is(&note.handle, handle))
        {
            self.destroy().await?;
            return Ok(true);
        }
        Ok(end(self.coordinator(), &user, handle).await?)
    }

    /// Ends all other sessions of the same user, on every server, and returns their number.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`]: some may have ended.
    pub async fn end_others(&self) -> Result<u64, SessionError> {
        self.must_be_attached()?;
        let Some(user) = self.user() else {
            return Ok(0);
        };
        let keep = self.present_key().await?;
        let ended = self
            .coordinator()
            .destroy_by_user(&user, keep.as_ref())
            .await?;
        Ok(ended)
    }

    /// Ends all sessions of the same user, this one included, on every server, and returns their number.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`]: some may have ended, and this one lives.
    pub async fn end_all(&self) -> Result<u64, SessionError> {
        self.must_be_attached()?;
        let Some(user) = self.user() else {
            return Ok(0);
        };
        let ended = self.coordinator().destroy_by_user(&user, None).await?;
        // A login of this request has stored nothing yet, or under another user.
        match self.destroy().await {
            Ok(()) | Err(SessionError::Ended) => Ok(ended),
            Err(error) => Err(error),
        }
    }

    /// Ends all other sessions of the user whose password was just changed, and gives this one a new
    /// id, a new time of login and new tokens (OWASP ASVS 7.4.3).
    ///
    /// Call it once the new password is stored: the old one could sign in until then. This session is stored
    /// first, so that a copy of its cookie is worth nothing when the others end; and all of it is done even
    /// where the client disconnects meanwhile.
    ///
    /// # Errors
    ///
    /// As for [`save`](Self::save) and [`end_others`](Self::end_others). Where this session could not
    /// be stored, [`SessionError::Gone`] for one, the others end nevertheless.
    /// [`SessionError::HeadersSent`] once the response's head is on its way: then none has ended.
    pub async fn password_changed(&self) -> Result<u64, SessionError> {
        self.must_be_attached()?;
        let Some(user) = self.user() else {
            return Ok(0);
        };
        self.must_precede_head()?;
        if self.impersonator().is_some() {
            self.hand_over()?;
        } else {
            self.renew_login(&user, true)?;
        }
        let session = self.clone();
        let changing = tokio::spawn(async move {
            let renewed = session.save().await;
            let keep = session.key();
            let ending = session.coordinator().destroy_by_user(&user, keep.as_ref());
            let ended = ending.await?;
            renewed.map(|()| ended)
        });
        match changing.await {
            Ok(ended) => ended,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(error) => Err(StoreError::new(StoreErrorKind::Unknown, error).into()),
            },
        }
    }

    /// Returns `true` if a login of this request is not stored yet.
    fn is_unsaved_login(&self) -> bool {
        self.lock(|held| held.progress.is_login && !held.identity.is_stored())
    }

    /// Returns its id in the store.
    fn key(&self) -> Option<SessionId> {
        Some(self.coordinator().key(&self.stored_id()?).into_owned())
    }

    /// Returns its present id in the store, even if it was renewed while this request runs.
    pub(crate) async fn present_key(&self) -> Result<Option<SessionId>, StoreError> {
        let Some(id) = self.stored_id() else {
            return Ok(None);
        };
        let present = match self.coordinator().follow(&id).await? {
            Followed::Successor(next, _) => next,
            Followed::Unknown | Followed::Closed => id,
        };
        Ok(Some(self.coordinator().key(&present).into_owned()))
    }

    /// Checks that the policy allows the user one more session.
    pub(super) async fn check_session_limit(&self, user: &str) -> Result<(), SessionError> {
        let limit = self.coordinator().policy.settings().max_sessions;
        let Some((most, AtLimit::Refuse)) = limit else {
            return Ok(());
        };
        let own = self.present_key().await?;
        let mut others = find(self.coordinator(), user).await?;
        others.retain(|found| Some(&found.key) != own.as_ref());
        if others.len() < most {
            Ok(())
        } else {
            Err(SessionError::TooManySessions)
        }
    }

    /// Stores the login, and ends the user's excess sessions.
    pub(super) async fn enforce_session_limit(&self, user: &str) -> Result<(), SessionError> {
        let Some((most, at_limit)) = self.coordinator().policy.settings().max_sessions else {
            return Ok(());
        };
        self.save().await?;
        let kept = self.end_excess(user, most, at_limit).await;
        if kept.is_err() && !self.is_ended() {
            // A client whose login failed must not be signed in.
            let _ = self.destroy().await;
        }
        kept
    }

    async fn end_excess(
        &self,
        user: &str,
        most: usize,
        at_limit: AtLimit,
    ) -> Result<(), SessionError> {
        for tried in 0..TRIES {
            let found = find(self.coordinator(), user).await?;
            if found.len() <= most {
                return Ok(());
            }
            let too_many = excess(found, most, at_limit, self.key().as_ref(), tried > 0);
            if too_many.is_empty() {
                tokio::time::sleep(OVERLAP).await;
            }
            for key in too_many {
                self.coordinator().destroy_at(&key).await?;
                if Some(&key) == self.key().as_ref() {
                    self.was_destroyed();
                    return Err(SessionError::TooManySessions);
                }
            }
        }
        Ok(())
    }
}

/// Returns the sessions beyond the limit: of the oldest, never the one that signs in; of the newest, the one
/// that came last, as concurrent logins do not see each other before both are stored.
///
/// One that is younger than the login itself ends only with `also_younger`: its own login, if that is still
/// under way, is about to end this one, and both must not be gone.
fn excess(
    mut found: Vec<FoundSession>,
    most: usize,
    at_limit: AtLimit,
    own: Option<&SessionId>,
    also_younger: bool,
) -> Vec<SessionId> {
    let count = found.len().saturating_sub(most);
    found.sort_by(|one, other| {
        let order = |found: &FoundSession| (found.device.since(), found.device.handle.clone());
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

pub(crate) async fn list_by_user(
    coordinator: &Coordinator,
    user: &str,
    current: Option<&Session>,
) -> Result<Vec<Device>, StoreError> {
    let current = current.and_then(Session::key);
    let mut devices: Vec<Device> = find(coordinator, user)
        .await?
        .into_iter()
        .map(|found| Device {
            is_current: Some(&found.key) == current.as_ref(),
            ..found.device
        })
        .collect();
    devices
        .sort_by(|one, other| (other.last_seen, &other.handle).cmp(&(one.last_seen, &one.handle)));
    Ok(devices)
}

pub(crate) async fn end(
    coordinator: &Coordinator,
    user: &str,
    handle: &str,
) -> Result<bool, StoreError> {
    // A session that keeps changing its id is retried for as long as a save.
    let last = Instant::now() + coordinator.policy.settings().store_timeout;
    loop {
        match end_once(coordinator, user, handle).await? {
            EndResult::Ended => return Ok(true),
            EndResult::Absent => return Ok(false),
            EndResult::Moved if Instant::now() >= last => break,
            EndResult::Moved => {}
        }
    }
    let reason = "the session changed its id each time that it was about to be ended";
    Err(StoreError::new(StoreErrorKind::Unavailable, reason))
}

/// The outcome for a session that was to end.
enum EndResult {
    Ended,
    Absent,
    /// The session, or another of the user's that may be it, was moved to another id meanwhile.
    Moved,
}

async fn end_once(
    coordinator: &Coordinator,
    user: &str,
    handle: &str,
) -> Result<EndResult, StoreError> {
    let mut outcome = EndResult::Absent;
    for key in coordinator.list_by_user(user).await? {
        let stored = match coordinator.get_uncached_at(&key).await {
            Err(error) if error.kind() == StoreErrorKind::Corrupt => continue,
            stored => stored?,
        };
        let Some(stored) = stored else {
            outcome = EndResult::Moved;
            continue;
        };
        let found = FoundSession::of(coordinator, user, key, stored);
        let Some(found) = found.filter(|found| found.is_called(handle)) else {
            continue;
        };
        let ended = coordinator.destroy_at(&found.key).await?;
        return Ok(if ended {
            EndResult::Ended
        } else {
            EndResult::Moved
        });
    }
    Ok(outcome)
}

async fn find(coordinator: &Coordinator, user: &str) -> Result<Vec<FoundSession>, StoreError> {
    let mut found = Vec::new();
    for key in coordinator.list_by_user(user).await? {
        let stored = match coordinator.get_uncached_at(&key).await {
            // An unreadable record is no user's device, and no reason to list none.
            Err(error) if error.kind() == StoreErrorKind::Corrupt => None,
            stored => stored?,
        };
        let of = |stored| FoundSession::of(coordinator, user, key, stored);
        found.extend(stored.and_then(of));
    }
    Ok(found)
}

impl FoundSession {
    /// Reads a device from a record in which this user is signed in: neither one whose keys contradict each
    /// other counts, nor one with an impersonator.
    fn of(
        coordinator: &Coordinator,
        user: &str,
        key: SessionId,
        stored: StoredRecord,
    ) -> Option<Self> {
        let policy = &coordinator.policy;
        if !is_own(coordinator, &stored.text, user) {
            return None;
        }
        let names = policy.keys().keyed_hashes(key.expose());
        let name = names.first().cloned().unwrap_or_default();
        let device = Device::of(policy, stored, name, coordinator.now())?;
        Some(Self { key, device, names })
    }

    fn is_called(&self, handle: &str) -> bool {
        is(&self.device.handle, handle) || self.names.iter().any(|name| is(name, handle))
    }
}

/// Returns `true` if this user is signed in by a record, without an impersonator: an impersonator without its
/// proof, which another writer left there or made up, does not count.
pub(crate) fn is_own(coordinator: &Coordinator, text: &RecordText, user: &str) -> bool {
    let policy = &coordinator.policy;
    if !policy.settings().user_keys.owner_of(text).is(user) {
        return false;
    }
    // An unreadable record is an error where it is to be changed.
    let Ok(record) = coordinator.record(text.clone()) else {
        return true;
    };
    let metadata = record.metadata().map(AsRef::as_ref);
    let acts = |(by, proof): (&str, &str)| {
        let proofs = policy.keys().fingerprints_of_both(by, user);
        proofs.iter().any(|own| is(own, proof))
    };
    let is_here = metadata.and_then(Metadata::realm) == policy.realm();
    is_here && !metadata.and_then(Metadata::by).is_some_and(acts)
}

fn is(handle: &str, other: &str) -> bool {
    super::login::is_same(handle, other)
}
