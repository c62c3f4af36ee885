//! Impersonation: one user acts as another, for support staff who have to see what a user sees.

use super::csrf::SECRET;
use super::login::{ROLES, is_same};
use crate::session::{Session, SessionError};

impl Session {
    /// Lets the user who is signed in act as another, under a new id, until
    /// [`stop_impersonating`](Self::stop_impersonating), a logout or a login.
    ///
    /// [`user`](Self::user) is then the other user, and [`impersonator`](Self::impersonator) the one who is
    /// really there; both are in the record and in the index of users, so that the session ends with those of
    /// either. It is none of the other user's own: [`devices`](Self::devices) does not list it, and
    /// [`max_sessions`](crate::policy::PolicyBuilder::max_sessions) does not count it. Data and roles are
    /// discarded, here and when it stops: the roles that a guard requires are set by the handler after it.
    /// Such a session is never fresh, so that a guard with [`fresh`](super::Require::fresh) protects actions
    /// that need the user's own password, and its absolute time-out goes on. Users are written as strings.
    ///
    /// The application decides beforehand who may do this: by a guard with a role, as a rule.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotSignedIn`] where no user is signed in; [`SessionError::Ended`] after `destroy` or
    /// `unset`; [`SessionError::Value`] for a user without a name; [`SessionError::Store`] where the store
    /// failed to return this request's session; [`SessionError::HeadersSent`] once the response's head is on
    /// its way.
    pub fn impersonate(&self, user: &str) -> Result<(), SessionError> {
        if user.is_empty() {
            return Err(super::login::no_user());
        }
        self.must_be_attached()?;
        let signed_in = self.user().ok_or(SessionError::NotSignedIn)?;
        // An impersonator stays the same user.
        let by = self.impersonator().unwrap_or(signed_in);
        let proofs = self.policy().keys().fingerprints_of_both(&by, user);
        let proof = proofs.into_iter().next().unwrap_or_default();
        self.act_as(user, Some((by, proof)))
    }

    /// Returns to the impersonator; `false` where there is none.
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

    /// Returns the user who acts as [`user`](Self::user); `None` where there is none.
    pub fn impersonator(&self) -> Option<String> {
        let metadata = self.metadata()?;
        let (by, proof) = metadata.by()?;
        let user = self.user()?;
        // Another writer may have signed in another user since, or made it up.
        let proofs = self.policy().keys().fingerprints_of_both(by, &user);
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
