//! All sessions of a user: lists them, and ends single ones or all.

use std::panic::resume_unwind;

use tokio::time::Instant;

use crate::auth::{Device, UserSession, is_own, last_used_first};
use crate::coordinator::{Coordinator, Followed};
use crate::id::SessionId;
use crate::observe::{EndCause, EventSubject};
use crate::record::StoredRecord;
use crate::session::{Session, SessionError};
use crate::store::{StoreError, StoreErrorKind};

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
            Some(user) => Ok(list_devices(self.coordinator(), &user, Some(self)).await?),
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
        if self.is_device(handle) {
            self.destroy().await?;
            return Ok(true);
        }
        Ok(end_device(self.coordinator(), &user, handle, EndCause::Logout).await?)
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
            .destroy_by_user(&user, keep.as_ref(), EndCause::Everywhere)
            .await?;
        self.tell_everywhere(&user, ended);
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
        let cause = EndCause::Everywhere;
        let ended = self
            .coordinator()
            .destroy_by_user(&user, None, cause)
            .await?;
        self.tell_everywhere(&user, ended);
        // A login of this request has stored nothing yet, or under another user.
        match self.destroy_for(cause).await {
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
        self.prove_again(&user)?;
        let session = self.clone();
        let changing = tokio::spawn(async move {
            let renewed = session.save().await;
            let keep = session.stored_key();
            let cause = EndCause::Everywhere;
            let coordinator = session.coordinator();
            let ending = coordinator.destroy_by_user(&user, keep.as_ref(), cause);
            let ended = ending.await?;
            session.tell_everywhere(&user, ended);
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

    /// Tells observers that a user has ended so many sessions.
    fn tell_everywhere(&self, user: &str, ended: u64) {
        if self.is_observed() {
            let subject = EventSubject {
                address: self.request().address,
                user_agent: self.request().user_agent.clone(),
                ..EventSubject::unknown().with_user(user)
            };
            self.coordinator()
                .tell_ended(&subject, EndCause::Everywhere, ended);
        }
    }

    /// Returns `true` if a login of this request is not stored yet.
    fn is_unsaved_login(&self) -> bool {
        self.lock(|held| held.progress.is_login && !held.identity.is_stored())
    }

    /// Returns its id in the store.
    pub(super) fn stored_key(&self) -> Option<SessionId> {
        Some(self.coordinator().key(&self.stored_id()?).into_owned())
    }

    /// Returns its present id in the store, even if it was renewed while this request runs.
    pub(super) async fn present_key(&self) -> Result<Option<SessionId>, StoreError> {
        let Some(id) = self.stored_id() else {
            return Ok(None);
        };
        let present = match self.coordinator().follow(&id).await? {
            Followed::Successor(next, _) => next,
            Followed::Unknown | Followed::Closed => id,
        };
        Ok(Some(self.coordinator().key(&present).into_owned()))
    }
}

/// Returns a user's sessions as devices, the one used last first.
pub(super) async fn list_devices(
    coordinator: &Coordinator,
    user: &str,
    current: Option<&Session>,
) -> Result<Vec<Device>, StoreError> {
    let current = current.and_then(Session::stored_key);
    let found = find(coordinator, user).await?;
    Ok(last_used_first(found, current.as_ref()))
}

/// Ends the session of a user that has this handle; `false` where there is none.
pub(super) async fn end_device(
    coordinator: &Coordinator,
    user: &str,
    handle: &str,
    cause: EndCause,
) -> Result<bool, StoreError> {
    // A session that keeps changing its id is retried for as long as a save.
    let last = Instant::now() + coordinator.policy.settings().store_timeout;
    loop {
        match end_once(coordinator, user, handle, cause).await? {
            EndResult::Ended(handle) => {
                let mut subject = EventSubject::unknown().with_user(user);
                subject.handle = Some(handle);
                coordinator.tell_ended(&subject, cause, 1);
                return Ok(true);
            }
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
    /// The session of this handle.
    Ended(String),
    Absent,
    /// The session, or another of the user's that may be it, was moved to another id meanwhile.
    Moved,
}

async fn end_once(
    coordinator: &Coordinator,
    user: &str,
    handle: &str,
    cause: EndCause,
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
        let found = user_session(coordinator, user, key, stored);
        let Some(found) = found.filter(|found| found.is_called(handle)) else {
            continue;
        };
        let ended = coordinator.destroy_at(&found.key, cause).await?;
        return Ok(if ended {
            EndResult::Ended(found.into_handle())
        } else {
            EndResult::Moved
        });
    }
    Ok(outcome)
}

/// Returns the sessions in which a user is signed in.
pub(super) async fn find(
    coordinator: &Coordinator,
    user: &str,
) -> Result<Vec<UserSession>, StoreError> {
    let mut found = Vec::new();
    for key in coordinator.list_by_user(user).await? {
        let stored = match coordinator.get_uncached_at(&key).await {
            // An unreadable record is no user's device, and no reason to list none.
            Err(error) if error.kind() == StoreErrorKind::Corrupt => None,
            stored => stored?,
        };
        let of = |stored| user_session(coordinator, user, key, stored);
        found.extend(stored.and_then(of));
    }
    Ok(found)
}

fn user_session(
    coordinator: &Coordinator,
    user: &str,
    key: SessionId,
    stored: StoredRecord,
) -> Option<UserSession> {
    let policy = &coordinator.policy;
    let parse = || coordinator.record(&key, stored.text.clone()).ok();
    let is_own = is_own(policy, &stored.text, parse, user);
    is_own.then(|| UserSession::of(policy, key, stored, coordinator.now()))?
}
