//! Logins and logouts: decided in `auth`, and carried out where the store is part of it.

use serde::Serialize;

use crate::auth::{Accounts, LoadedUser, Passport, name_of, user_value};
use crate::record::PASSPORT_USER;
use crate::session::{Session, SessionError};

impl Session {
    /// Signs a user in to the session: under a new id, so that an id planted before is worth nothing after
    /// (session fixation), and with the time and the device of this login noted.
    ///
    /// The data stays, unless the policy's [`clear_on_login`](crate::policy::PolicyBuilder::clear_on_login)
    /// says otherwise; that of another user who was signed in is discarded, also where another program has
    /// signed that user out and kept the session. The roles of guards
    /// ([`Require::role`](crate::auth::Require::role)) are removed in any case: set them after the login. A login
    /// of the same user again, for a step-up, is a login like any other; each starts the session's absolute
    /// time-out again (NIST SP 800-63B-4 §5.2). The user is stored under the first of the policy's
    /// [`user_keys`](crate::policy::PolicyBuilder::user_keys), `userId`, where Express and the index of users
    /// look. Nothing is stored before the end of the request: record, id and index change in one operation
    /// where the store can. Only where the policy limits a user's sessions
    /// ([`max_sessions`](crate::policy::PolicyBuilder::max_sessions)) is the store called at once.
    ///
    /// ```
    /// # use cloakroom::session::{Session, SessionError};
    /// # async fn f(session: Session) -> Result<(), SessionError> {
    /// session.login("ada").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`; [`SessionError::Value`] for a user that is neither
    /// a string nor a number, nor an object with such an `id`, `_id` or `sub`; [`SessionError::Store`] where
    /// the store failed to return this request's session, and the policy let it go on;
    /// [`SessionError::TooManySessions`], and the errors of [`save`](Self::save), where the policy limits a
    /// user's sessions; [`SessionError::HeadersSent`] once the response's head is on its way.
    #[doc(alias = "cycle_id")]
    pub fn login(
        &self,
        user: impl Serialize,
    ) -> impl Future<Output = Result<(), SessionError>> + Send {
        let user = user_value(user);
        let session = self.clone();
        async move {
            let user = user?;
            let name = name_of(&user)?;
            session.must_be_attached()?;
            session.must_precede_head()?;
            session.check_session_limit(&name).await?;
            session.assign_user(&name, user)?;
            session.enforce_session_limit(&name).await
        }
    }

    /// Ends the session, on every server, and clears its cookie.
    ///
    /// # Errors
    ///
    /// As for [`destroy`](Self::destroy).
    pub async fn logout(&self) -> Result<(), SessionError> {
        self.destroy().await
    }

    /// Returns the user who is signed in by Passport: Express's `req.user`.
    ///
    /// As in Passport, `null`, `false` and the empty string are no user, and 0 is one. It agrees with
    /// [`user`](Self::user): where another of the policy's
    /// [`user_keys`](crate::policy::PolicyBuilder::user_keys) names another user, it is `None`, with a
    /// warning (`keepSessionInfo`); and so for an object without an `id`, `_id` or `sub`, for which
    /// `user_keys` has to name a path of its own, such as `passport.user.uuid`.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`.
    pub async fn passport_user<P: Passport>(
        &self,
        strategy: &P,
    ) -> Result<Option<P::User>, SessionError> {
        match self.passport_value()? {
            Some(user) => Ok(strategy.deserialize(user).await),
            None => Ok(None),
        }
    }

    /// Signs a user in for both sides: [`login`](Self::login), and `passport.user` as Passport 0.7 writes it.
    /// Both are removed at [`logout`](Self::logout).
    ///
    /// # Errors
    ///
    /// As for [`login`](Self::login): [`SessionError::Value`] where `serialize` returns a value that names no
    /// user.
    pub async fn passport_login<P: Passport>(
        &self,
        strategy: &P,
        user: &P::User,
    ) -> Result<(), SessionError> {
        self.must_be_attached()?;
        self.must_precede_head()?;
        let value = strategy.serialize(user);
        let id = self.prepare_passport_login(&value)?;
        self.login(id).await?;
        self.store_user(PASSPORT_USER, value)
    }

    /// Returns the user who is signed in, from these accounts; `None` where no user is, or there is no such
    /// account any more. A request loads each user once.
    ///
    /// # Errors
    ///
    /// [`SessionError::Accounts`] where the load fails: answer 503.
    pub async fn load_user<A: Accounts>(
        &self,
        accounts: &A,
    ) -> Result<Option<A::User>, SessionError> {
        self.must_be_attached()?;
        let Some(id) = self.user() else {
            return Ok(None);
        };
        if let Some(LoadedUser(user)) = self.recall_user::<A>(&id) {
            return Ok(user);
        }
        let loaded = accounts.load(&id).await;
        let user = loaded.map_err(|error| SessionError::Accounts(error.into()))?;
        self.keep_user::<A>(id, user.clone());
        Ok(user)
    }
}
