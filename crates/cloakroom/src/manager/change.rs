//! Changes a session by its id, outside every request, for jobs.

use std::fmt;
use std::time::Instant;

use serde_json::value::RawValue;

use super::Manager;
use crate::id::SessionId;
use crate::lifecycle::belongs;
use crate::record::{Patch, Record, RecordLimit, is_reserved};
use crate::session::{SaveError, SessionError, check};
use crate::store::{CasOutcome, StoreError, StoreErrorKind};

/// A session as it is stored, and the changes to it: see [`Manager::change`].
pub struct Changing<'a> {
    record: &'a Record,
    patch: Patch,
    limit: RecordLimit,
}

impl fmt::Debug for Changing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changing").finish_non_exhaustive()
    }
}

impl Changing<'_> {
    /// Returns the present JSON of a key.
    pub fn get_raw(&self, key: &str) -> Option<&str> {
        if is_reserved(key) {
            return None;
        }
        match self.patch.get(key) {
            Some(changed) => changed,
            None => self.record.get(key),
        }
    }

    /// Sets a key to a JSON value.
    ///
    /// # Errors
    ///
    /// As for [`Session::insert_raw`](crate::Session::insert_raw), by the key and the value alone.
    pub fn insert_raw(&mut self, key: &str, json: &RawValue) -> Result<(), SessionError> {
        let mut json = json.get().to_owned();
        check(key, &mut json, self.limit)?;
        self.patch.set(key, json);
        Ok(())
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &str) {
        if !is_reserved(key) {
            self.patch.remove(key);
        }
    }
}

impl Manager {
    /// Changes a session by its id, outside every request: for jobs. Returns `true` if it exists.
    ///
    /// `change` is called with the session as it is stored, past every cache, and again with the stored one
    /// wherever another server wrote meanwhile, so that no change is lost. Cookie and expiry stay unchanged:
    /// a job prolongs no session. A session of another realm does not exist here.
    ///
    /// ```
    /// # async fn f(manager: cloakroom::Manager, id: cloakroom::SessionId) -> Result<(), cloakroom::SessionError> {
    /// let is_there = manager.change(&id, |session| {
    ///     session.remove("cart");
    ///     Ok(())
    /// });
    /// # let _ = is_there.await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The error of `change`; [`SessionError::Store`] where the store failed or the record cannot be read;
    /// [`SessionError::TooLarge`] beyond the policy's `record_limit`; [`SessionError::Conflict`] where other
    /// requests kept writing for longer than the policy's `store_timeout`.
    pub async fn change<F>(&self, id: &SessionId, mut change: F) -> Result<bool, SessionError>
    where
        F: FnMut(&mut Changing<'_>) -> Result<(), SessionError>,
    {
        let key = self.0.key(id).into_owned();
        let last = Instant::now() + self.policy().settings().store_timeout;
        let Some(mut stored) = self.0.get_uncached_at(&key).await? else {
            return Ok(false);
        };
        loop {
            let unreadable = |error| StoreError::new(StoreErrorKind::Corrupt, error);
            let record = self.0.record(&key, stored.text).map_err(unreadable)?;
            if !belongs(self.policy(), record.metadata().map(AsRef::as_ref)) {
                return Ok(false);
            }
            let mut changing = Changing {
                record: &record,
                patch: Patch::default(),
                limit: self.policy().write_limit(),
            };
            change(&mut changing)?;
            let patch = changing.patch;
            if !patch.changes(Some(&record)) {
                return Ok(true);
            }
            let (read, written) = self.amend(&key, &record, stored.expires, &patch).await?;
            match written {
                CasOutcome::Stored => return Ok(true),
                CasOutcome::NotFound => return Ok(false),
                // It was moved to another id, or has ended.
                CasOutcome::Conflict(current) if current.text == read => return Ok(false),
                CasOutcome::Conflict(_) if Instant::now() >= last => {
                    return Err(SaveError::Conflict.into());
                }
                CasOutcome::Conflict(current) => stored = current,
            }
        }
    }
}
