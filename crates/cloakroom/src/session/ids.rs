//! The id of a session: asked for, chosen, changed.

use super::{Session, SessionError};
use crate::id::SessionId;
use crate::lifecycle::{Phase, Rotation};

impl Session {
    /// Returns the id: sent to the client with the response, if the session is stored by then.
    ///
    /// # Security
    ///
    /// Only [`SessionId::expose`] prints it. A client that has it, and a signing secret, has the session.
    pub fn id(&self) -> SessionId {
        self.lock(|held| held.identity.id.clone())
    }

    /// Gives a session that is not stored under its id yet another id, for an adapter whose application
    /// generates ids by itself once one is needed; otherwise
    /// [`id_generator`](crate::policy::PolicyBuilder::id_generator) does.
    ///
    /// Has no effect on one that is stored: use [`regenerate`](Self::regenerate) there.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`; [`SessionError::HeadersSent`] once the
    /// response's head is on its way.
    pub fn choose_id(&self, id: SessionId) -> Result<(), SessionError> {
        self.must_precede_head()?;
        self.live(|held| {
            if !held.identity.is_stored() {
                held.identity.id = id;
            }
        })
    }

    /// Gives the session another id when it is stored, and ends the old one: required whenever a client's
    /// rights change (OWASP). The data stays.
    ///
    /// If the same user stays signed in with the same `roles`, concurrent requests with the old id go on
    /// in the session for a minute, and get no cookie; otherwise they get an anonymous session. See [the life
    /// of a session](crate::manual::lifecycle).
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`; [`SessionError::HeadersSent`] once the
    /// response's head is on its way.
    #[doc(alias = "cycle_id")]
    pub fn regenerate(&self) -> Result<(), SessionError> {
        self.change_id(Rotation::Regenerated)
    }

    /// Gives the session another id because its user changes: the old id opens nothing.
    pub(crate) fn hand_over(&self) -> Result<(), SessionError> {
        self.change_id(Rotation::Handover)
    }

    fn change_id(&self, why: Rotation) -> Result<(), SessionError> {
        let (id, now) = (self.draw_id(), self.0.coordinator.now());
        self.live(|_| ())?;
        self.must_precede_head()?;
        self.live(|held| held.change_id(id, why, now))
    }

    /// Begins another session, without data, in the place of this one, as Express's `regenerate` does.
    /// Possible after `destroy` as well.
    ///
    /// # Errors
    ///
    /// [`SessionError::HeadersSent`] once the response's head is on its way: the session stays as it is.
    pub fn reset(&self) -> Result<(), SessionError> {
        self.must_precede_head()?;
        let (policy, now) = (&self.0.coordinator.policy, self.0.coordinator.now());
        let (id, cookie) = (self.draw_id(), policy.new_cookie(&self.0.request, now));
        self.lock(|held| {
            if held.progress.phase == Phase::Destroyed {
                held.identity.stored = None;
            }
            if held.progress.phase != Phase::Detached {
                held.reset(policy, id, cookie, now);
            }
        });
        Ok(())
    }

    /// Discards all data at a login: [`clear`](Self::clear) would not cover data that another request of the
    /// former user is about to store.
    pub(crate) fn discard_data(&self, is_same_user: bool) -> Result<(), SessionError> {
        let (policy, now) = (&self.0.coordinator.policy, self.0.coordinator.now());
        let cookie = policy.new_cookie(&self.0.request, now);
        self.live(|held| held.discard_data(policy, cookie, is_same_user, now))
    }

    /// Generates an id, by the policy.
    pub(super) fn draw_id(&self) -> SessionId {
        self.0.coordinator.policy.draw_id(&self.0.request)
    }
}
