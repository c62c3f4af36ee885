//! "Remember me": a time-out for one session.

use std::time::Duration;

use super::{Session, SessionError};

/// The shortest time-out that a session can have.
const LEAST: Duration = Duration::from_secs(1);

impl Session {
    /// Gives the session a time-out of its own: it ends `timeout` after it began, or its user signed in,
    /// however often it is used, and not before, however long it is idle. "Remember me", before or after the
    /// login; less than the policy's time-outs for "this is a public computer".
    ///
    /// The policy's [`remember_at_most`](crate::policy::PolicyBuilder::remember_at_most) bounds it, from a
    /// second up. The browser's cookie is sent again. A later login of the same user starts the time-out
    /// again; that of another user returns the session to the policy's time-outs, unless it calls this again.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cloakroom::session::{Session, SessionError};
    /// # async fn f(session: Session, ticked: bool) -> Result<(), SessionError> {
    /// session.login("ada").await?;
    /// if ticked {
    ///     session.remember(Duration::from_hours(30 * 24))?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Security
    ///
    /// It prolongs the session that was signed in to; unlike a token beside the session it signs no user in.
    /// Ask for the password again before sensitive actions: [`Require::fresh`](crate::auth::Require::fresh).
    ///
    /// # Errors
    ///
    /// [`SessionError::RemembersNobody`] where the policy does not allow it; [`SessionError::Ended`] after
    /// `destroy` or `unset`; [`SessionError::HeadersSent`] once the response's head is on its way.
    pub fn remember(&self, timeout: Duration) -> Result<(), SessionError> {
        let (policy, now) = (&self.0.coordinator.policy, self.0.coordinator.now());
        let most = policy.settings().remember_at_most;
        let most = most.ok_or(SessionError::RemembersNobody)?;
        let timeout = timeout.min(most).max(LEAST);
        self.must_precede_head()?;
        self.live(|held| held.remember(policy, timeout, now))
    }

    /// Returns the session to the policy's time-outs, unless this request had it remembered.
    pub(crate) fn forget(&self) -> Result<(), SessionError> {
        let (policy, now) = (&self.0.coordinator.policy, self.0.coordinator.now());
        self.live(|held| held.forget(policy, now))
    }
}
