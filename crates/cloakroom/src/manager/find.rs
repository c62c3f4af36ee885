//! Sessions outside of a request: finds them by id or by user, changes, saves and ends them.

use std::sync::Arc;

use super::Manager;
use super::open::Opened;
use crate::cookie::{Ticket, Tickets};
use crate::id::SessionId;
use crate::observe::EndCause;
use crate::policy::RequestInfo;
use crate::session::Session;
use crate::store::{StoreError, StoreErrorKind};

impl Manager {
    /// Returns the session that has this id, for a job, a webhook, a support tool: `None` where it is over,
    /// unknown, or another layer's.
    ///
    /// The id is one that [`Session::id`] returned, or one that [`sessions_of`](Self::sessions_of) lists;
    /// with `hash_ids_at_rest` both are accepted. One that was renewed within the last minute leads to its
    /// session. No cookie is sent: operations that need one (`login`, `regenerate`, `reset`) return
    /// [`SessionError::HeadersSent`](crate::SessionError::HeadersSent). Nothing is stored before
    /// [`Session::save`] or [`Session::update`]; a change that is dropped unsaved is logged. The idle
    /// time-out is not prolonged, except by [`Session::touch`].
    ///
    /// ```
    /// # use cloakroom::{Manager, SessionError, SessionId};
    /// /// A payment was confirmed by a call from the bank, which has no cookie of the buyer's.
    /// async fn paid(manager: &Manager, id: &SessionId, order: u64) -> Result<bool, SessionError> {
    ///     let Some(session) = manager.find_session(id).await? else {
    ///         return Ok(false);
    ///     };
    ///     session.insert("paid", order)?;
    ///     session.save().await?;
    ///     Ok(true)
    /// }
    /// ```
    ///
    /// # Security
    ///
    /// A caller that can choose the id can choose the session: take it from a place that only this
    /// application writes, never from a request.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed; of the kind `Corrupt` where the record cannot be read: it can
    /// be ended all the same, by [`end_session`](Self::end_session).
    #[doc(alias = "findById")]
    pub async fn find_session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        match self.load(&only(id)).await? {
            Opened::Live(held) => {
                let session = Session::new(Arc::clone(&self.0), RequestInfo::default(), held);
                session.head_is_sent();
                session.keep_expiry();
                Ok(Some(session))
            }
            Opened::Unread(_) => {
                let reason = "the session's record cannot be read";
                Err(StoreError::new(StoreErrorKind::Corrupt, reason))
            }
            Opened::Unknown | Opened::Closed | Opened::Duplicate | Opened::Foreign => Ok(None),
        }
    }

    /// Returns the live sessions in which this user is signed in, as [`find_session`](Self::find_session)
    /// does; without those of an impersonator, and without those that cannot be read.
    ///
    /// ```
    /// # use cloakroom::{Manager, SessionError};
    /// /// Tells all open pages of a user.
    /// async fn tell(manager: &Manager, user: &str, text: &str) -> Result<(), SessionError> {
    ///     for session in manager.find_sessions_of(user).await? {
    ///         session.flash("info", text)?;
    ///         session.save().await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed.
    #[doc(alias = "findByPrincipalName")]
    pub async fn find_sessions_of(&self, user: &str) -> Result<Vec<Session>, StoreError> {
        let mut sessions = Vec::new();
        for id in self.sessions_of(user).await? {
            let found = match self.find_session(&id).await {
                Err(error) if error.kind() == StoreErrorKind::Corrupt => None,
                found => found?,
            };
            let is_own = |session: &Session| {
                session.user().as_deref() == Some(user) && session.impersonator().is_none()
            };
            sessions.extend(found.filter(is_own));
        }
        Ok(sessions)
    }

    /// Ends the session that has this id, whatever its content, and returns `true` if there was one. The id
    /// is one that [`find_session`](Self::find_session) accepts.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed: the end is retried in the background until it succeeds, as long
    /// as this process lives.
    pub async fn end_session(&self, id: &SessionId) -> Result<bool, StoreError> {
        let found = self.load(&only(id)).await?;
        let record = match &found {
            Opened::Unknown | Opened::Closed | Opened::Duplicate | Opened::Foreign => {
                return Ok(false);
            }
            Opened::Unread(_) => None,
            Opened::Live(held) => held.data.base.as_deref(),
        };
        if self.0.end(id, EndCause::Operator).await? && !self.0.observers.is_empty() {
            let subject = self.0.subject_of(&self.0.key(id), record);
            self.0.tell_ended(&subject, EndCause::Operator, 1);
        }
        Ok(true)
    }
}

/// Returns a ticket for an id that came without a cookie.
fn only(id: &SessionId) -> Tickets {
    Tickets {
        first: Ticket {
            id: id.clone(),
            signature: None,
        },
        second: None,
    }
}
