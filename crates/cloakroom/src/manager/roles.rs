//! Changes rights while their user is signed in.

use super::Manager;
use crate::auth::{ROLES, is_own};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::lifecycle::EditError;
use crate::observe::SaveOutcome;
use crate::record::{Patch, Record, RecordText, ValueError, stringify};
use crate::session::{SaveError, SessionError};
use crate::store::{CasOutcome, StoreError, StoreErrorKind};

/// Number of passes over a user's sessions, because some change their ids meanwhile.
const PASSES: usize = 64;

/// The outcome for one of a user's sessions.
enum Changed {
    Done,
    NotTheirs,
    /// It ended, or was moved to another id.
    Moved,
}

impl Manager {
    /// Sets the roles that guards check ([`Require::role`](crate::auth::Require::role)) in all live sessions
    /// of a user, and returns their number: no user is signed out, and all other data, and concurrent changes
    /// to it, stay.
    ///
    /// For a right that is given or withdrawn while its user is signed in. Call it once the change is stored
    /// where logins read it: a login that is still under way sets the roles that it has read. Guards read
    /// past every cache, so that it holds on every server when it returns. A session with an
    /// [impersonator](crate::Session::impersonate) is left alone.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] where the store failed: some may have been changed, and it may be called
    /// again. [`SessionError::TooLarge`] where a session would grow beyond the policy's `record_limit`.
    pub async fn set_roles_of(
        &self,
        user: &str,
        roles: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<u64, SessionError> {
        let roles: Vec<String> = roles.into_iter().map(Into::into).collect();
        let mut patch = Patch::default();
        patch.set(
            ROLES,
            stringify(&roles).map_err(|error| ValueError::write::<Vec<String>>(ROLES, error))?,
        );
        let mut done: Vec<SessionId> = Vec::new();
        for _ in 0..PASSES {
            let mut moved = false;
            let mut keys = self.0.list_by_user(user).await?;
            keys.retain(|key| !done.contains(key));
            for key in keys {
                match self.set_in(&key, user, &patch).await? {
                    Changed::Done => done.push(key),
                    Changed::NotTheirs => {}
                    Changed::Moved => moved = true,
                }
            }
            if !moved {
                return Ok(done.len() as u64);
            }
        }
        let reason = "the user's sessions change their ids faster than they can be changed";
        Err(StoreError::new(StoreErrorKind::Unavailable, reason).into())
    }

    async fn set_in(
        &self,
        key: &SessionId,
        user: &str,
        patch: &Patch,
    ) -> Result<Changed, SessionError> {
        let mut stored = match self.0.get_uncached_at(key).await {
            // No guard passes an unreadable session.
            Err(error) if error.kind() == StoreErrorKind::Corrupt => return Ok(Changed::NotTheirs),
            stored => match stored? {
                Some(stored) => stored,
                None => return Ok(Changed::Moved),
            },
        };
        loop {
            let parse = || self.0.record(key, stored.text.clone()).ok();
            if !is_own(self.policy(), &stored.text, parse, user) {
                return Ok(Changed::NotTheirs);
            }
            let Ok(record) = self.0.record(key, stored.text) else {
                return Ok(Changed::NotTheirs);
            };
            let (read, written) = self.amend(key, &record, stored.expires, patch).await?;
            match written {
                CasOutcome::Stored => return Ok(Changed::Done),
                CasOutcome::NotFound => return Ok(Changed::Moved),
                // Other requests change it as well: retried over the stored record as often as it takes.
                CasOutcome::Conflict(current) if current.text == read => return Ok(Changed::Moved),
                CasOutcome::Conflict(current) => stored = current,
            }
        }
    }

    pub(super) async fn amend(
        &self,
        key: &SessionId,
        record: &Record,
        expires: Timestamp,
        patch: &Patch,
    ) -> Result<(RecordText, CasOutcome), SessionError> {
        let amended = crate::lifecycle::amend(self.policy(), key, record, patch, expires);
        let merged = amended.map_err(|error: EditError| SaveError::Edit(error))?;
        let updating = self.0.store.update(key, record.text(), &merged.entry);
        let written = self.0.in_time(updating, StoreErrorKind::Unknown).await;
        self.tell_amended(key, record, &written);
        Ok((record.text().clone(), written?))
    }

    /// Tells observers of a session that was changed outside a request; one that ended, or that others changed
    /// meanwhile, is not saved yet.
    fn tell_amended(
        &self,
        key: &SessionId,
        record: &Record,
        written: &Result<CasOutcome, StoreError>,
    ) {
        let outcome = match written {
            _ if self.0.observers.is_empty() => return,
            Ok(CasOutcome::Stored) => SaveOutcome::Written,
            Ok(CasOutcome::NotFound | CasOutcome::Conflict(_)) => return,
            Err(error) if error.kind() == StoreErrorKind::Unknown => SaveOutcome::Unknown,
            Err(_) => SaveOutcome::Failed,
        };
        let subject = self.0.subject_of(key, Some(record));
        self.0
            .observers
            .tell(|observer| observer.saved(&subject, outcome));
    }
}
