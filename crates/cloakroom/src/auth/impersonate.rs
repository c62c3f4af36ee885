//! One user in the place of another: for support staff who have to see what a user sees.

use super::csrf::SECRET;
use super::login::{ROLES, is_same};
use crate::session::{Session, SessionError};

impl Session {
    /// Lets the user who is signed in act in the place of another, under a new id, until
    /// [`stop_impersonating`](Self::stop_impersonating), a logout or a login.
    ///
    /// [`user`](Self::user) is then the other, and [`impersonator`](Self::impersonator) who really sits
    /// there; both are in the record and in the index of users, so that the session ends with those of
    /// either. It is none of the other user's own: [`devices`](Self::devices) does not list it, and
    /// [`max_sessions`](crate::policy::PolicyBuilder::max_sessions) does not count it. Data and roles go,
    /// here and when it stops: what a guard asks for by role, the handler sets after it. Such a session
    /// is never fresh, so that a guard with [`fresh`](super::Require::fresh) keeps what the user's own
    /// password is asked for, and its absolute time-out goes on. Users are written as texts.
    ///
    /// Who may do this, the application decides before it calls: a guard by role, as a rule.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotSignedIn`] where nobody is signed in; [`SessionError::Ended`] after `destroy`
    /// or `unset`; [`SessionError::Value`] for a user without a name; [`SessionError::Store`] where the
    /// store did not give this request its session; [`SessionError::HeadersSent`] once the response's
    /// head is on its way.
    pub fn impersonate(&self, user: &str) -> Result<(), SessionError> {
        if user.is_empty() {
            return Err(super::login::no_user());
        }
        self.must_be_attached()?;
        let signed_in = self.user().ok_or(SessionError::NotSignedIn)?;
        // Whoever acts for one already goes on as themselves.
        let by = self.impersonator().unwrap_or(signed_in);
        let proofs = self
            .coordinator()
            .policy
            .keys()
            .fingerprints_of_both(&by, user);
        let proof = proofs.into_iter().next().unwrap_or_default();
        self.act_as(user, Some((by, proof)))
    }

    /// Returns to the user who acts in the place of another; `false` where nobody does.
    ///
    /// # Errors
    ///
    /// As for [`impersonate`](Self::impersonate), but for [`SessionError::NotSignedIn`].
    pub fn stop_impersonating(&self) -> Result<bool, SessionError> {
        self.must_be_attached()?;
        let Some(by) = self.impersonator() else {
            return Ok(false);
        };
        self.act_as(&by, None)?;
        Ok(true)
    }

    /// Returns who acts in the place of [`user`](Self::user); `None` where nobody does.
    pub fn impersonator(&self) -> Option<String> {
        let metadata = self.metadata()?;
        let (by, proof) = metadata.by()?;
        let user = self.user()?;
        // Another writer may have signed in somebody else since, or made it up.
        let proofs = self
            .coordinator()
            .policy
            .keys()
            .fingerprints_of_both(by, &user);
        let is_proven = proofs.iter().any(|own| is_same(own, proof));
        is_proven.then(|| by.to_owned())
    }

    fn act_as(&self, user: &str, by: Option<(String, String)>) -> Result<(), SessionError> {
        self.must_precede_head()?;
        let keys = self.user_keys();
        self.discard_data(true)?;
        self.remove(SECRET)?;
        self.remove(ROLES)?;
        self.regenerate()?;
        self.note_by(by)?;
        self.store_user(keys.paths().next().unwrap_or("userId"), user.into())
    }
}
