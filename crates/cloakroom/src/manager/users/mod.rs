//! All sessions of a user, for an operator or for the user's own page; logins and guards, carried out.

#[cfg(feature = "attempts")]
mod attempts;
mod devices;
mod guards;
mod login;
mod session_limit;

use super::Manager;
use crate::auth::Device;
use crate::id::SessionId;
use crate::observe::{EndCause, EventSubject};
use crate::session::Session;
use crate::store::StoreError;

impl Manager {
    /// Returns the ids of a user's live sessions, as the store names them:
    /// [`find_session`](Self::find_session) and [`end_session`](Self::end_session) accept them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed.
    pub async fn sessions_of(&self, user: &str) -> Result<Vec<SessionId>, StoreError> {
        let ids = self.0.list_by_user(user).await?;
        if !self.policy().settings().hash_ids_at_rest {
            return Ok(ids);
        }
        Ok(ids.into_iter().map(SessionId::into_key).collect())
    }

    /// Returns a user's live sessions as the user sees them, the one used last first. `current`, if it is one
    /// of them, is marked.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed.
    pub async fn devices_of(
        &self,
        user: &str,
        current: Option<&Session>,
    ) -> Result<Vec<Device>, StoreError> {
        devices::list_devices(&self.0, user, current).await
    }

    /// Ends the session of a user that has this [handle](Device::handle); `false` where there is
    /// none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed: the session may still be there.
    pub async fn end_device_of(&self, user: &str, handle: &str) -> Result<bool, StoreError> {
        devices::end_device(&self.0, user, handle, EndCause::Operator).await
    }

    /// Ends all sessions of a user but `keep`, and returns their number.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed; some may have ended.
    pub async fn end_sessions_of(
        &self,
        user: &str,
        keep: Option<&Session>,
    ) -> Result<u64, StoreError> {
        let keep = match keep {
            Some(session) => session.present_key().await?,
            None => None,
        };
        let cause = EndCause::Operator;
        let ended = self.0.destroy_by_user(user, keep.as_ref(), cause).await?;
        let subject = EventSubject::unknown().with_user(user);
        self.0.tell_ended(&subject, cause, ended);
        Ok(ended)
    }
}
