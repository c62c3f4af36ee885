//! Changes after the head of the response: those that need a cookie are refused, and lost ones are logged.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

use super::state::Lazy;
use super::{Session, SessionError, SessionInner};
use crate::lifecycle::{Phase, SessionState};
use crate::policy::Unset;

impl Session {
    /// Notes that the head of the response is on its way, and no cookie can be added to it.
    pub(crate) fn head_is_sent(&self) {
        self.0.head_sent.store(true, Relaxed);
    }

    /// Refuses a change that gives the client another cookie.
    pub(crate) fn must_precede_head(&self) -> Result<(), SessionError> {
        if self.0.head_sent.load(Relaxed) {
            return Err(SessionError::HeadersSent);
        }
        Ok(())
    }

    /// Refuses to store a session whose id the client will not get.
    pub(super) fn must_be_with_client(&self) -> Result<(), SessionError> {
        self.lock(|held| self.may_store(held))
    }

    /// Makes changes to a session that has not ended. One that is not stored when the head is sent never will
    /// be.
    pub(super) fn change<R>(
        &self,
        with: impl FnOnce(&mut SessionState) -> Result<R, SessionError>,
    ) -> Result<R, SessionError> {
        let changed = self.live(|held| {
            self.may_store(held)?;
            with(held)
        })??;
        self.note_late();
        Ok(changed)
    }

    /// Notes a change that only `save` and `update` still store.
    pub(super) fn note_late(&self) {
        if self.0.head_sent.load(Relaxed) {
            self.0.late.store(true, Relaxed);
        }
    }

    fn may_store(&self, held: &SessionState) -> Result<(), SessionError> {
        let is_with_client = held.data.base.is_some() && held.identity.is_stored();
        if is_with_client || held.progress.phase == Phase::Detached {
            return Ok(());
        }
        self.must_precede_head()
    }
}

impl Drop for SessionInner {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Lazy::Loaded(held) = state
            && *self.late.get_mut()
            && loses_changes(held, self.coordinator.policy.settings().unset)
        {
            tracing::warn!(
                id = ?held.identity.id,
                "a session was changed after the head of its response had been sent, or outside of a request, and not saved: \
                 the change is lost"
            );
        }
    }
}

fn loses_changes(held: &SessionState, unset: Unset) -> bool {
    match held.progress.phase {
        Phase::Live => held.is_dirty() || held.cookie.changed,
        Phase::Unset => unset == Unset::Destroy && held.identity.stored.is_some(),
        Phase::Destroyed | Phase::NotEnded | Phase::Detached => false,
    }
}
