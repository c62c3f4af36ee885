//! Guards that query the application: its roles, its accounts, a condition of its own.

use std::sync::Arc;
use std::time::SystemTime;

use crate::auth::{Access, Accounts, BoxError, ConditionFuture, Require};
use crate::session::Session;

impl Require {
    /// Requires also a condition of the application that has to query something, such as a database; `false`
    /// is [`Access::Forbidden`], an error is 503. It is called after roles and [`when`](Self::when) have
    /// passed, in the order of the calls.
    ///
    /// ```
    /// use cloakroom::auth::Require;
    /// # async fn has_paid(_: &str) -> std::io::Result<bool> { Ok(true) }
    ///
    /// let subscribers = Require::login().when_async(async |session| {
    ///     has_paid(&session.user().unwrap_or_default()).await
    /// });
    /// # let _ = subscribers;
    /// ```
    pub fn when_async<P, F, E>(self, condition: P) -> Self
    where
        P: Fn(Session) -> F + Send + Sync + 'static,
        F: Future<Output = Result<bool, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.ask(move |session| {
            let asking = condition(session);
            async move {
                let may = asking.await.map_err(Into::into)?;
                Ok(if may {
                    Access::Granted
                } else {
                    Access::Forbidden
                })
            }
        })
    }

    /// Calls this function for the roles of the user each time, instead of reading the session's `roles`: for
    /// the application's database, so that a withdrawn right is gone at once.
    ///
    /// It is called with the user as [`Session::user`] returns it, and only where a role is required. An
    /// error is 503: a user whose rights are not known passes no guard.
    ///
    /// ```
    /// use cloakroom::auth::Require;
    ///
    /// async fn roles_of(user: String) -> Result<Vec<String>, std::io::Error> {
    ///     Ok(if user == "ada" { vec!["admin".into()] } else { vec![] })
    /// }
    ///
    /// let admin = Require::role("admin").roles_from(roles_of);
    /// # let _ = admin;
    /// ```
    pub fn roles_from<S, F, E>(self, source: S) -> Self
    where
        S: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<String>, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.with_source(Arc::new(move |user| {
            let asking = source(user);
            Box::pin(async move { asking.await.map_err(Into::into) })
        }))
    }

    /// Requires also an account that satisfies a condition, loaded from these accounts: roles, a flag,
    /// whatever the application keeps there. A change there holds at once, in open sessions too.
    ///
    /// If there is no such account any more no user is signed in. An error of the load is 503.
    ///
    /// ```
    /// use cloakroom::auth::{Accounts, Require};
    ///
    /// # #[derive(Clone)] struct User { is_admin: bool }
    /// fn admins(people: impl Accounts<User = User>) -> Require {
    ///     Require::login().account(people, |user| user.is_admin)
    /// }
    /// ```
    pub fn account<A: Accounts>(
        self,
        accounts: A,
        may: impl Fn(&A::User) -> bool + Send + Sync + 'static,
    ) -> Self {
        let may = Arc::new(may);
        self.ask(move |session| {
            let (accounts, may) = (accounts.clone(), Arc::clone(&may));
            async move {
                Ok(match session.load_user(&accounts).await? {
                    None => Access::LoginRequired,
                    Some(user) if may(&user) => Access::Granted,
                    Some(_) => Access::Forbidden,
                })
            }
        })
    }

    /// Adds a condition that returns the access itself.
    fn ask<P, F>(self, condition: P) -> Self
    where
        P: Fn(Session) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Access, BoxError>> + Send + 'static,
    {
        let condition = move |session| -> ConditionFuture { Box::pin(condition(session)) };
        self.with_condition(Arc::new(condition))
    }

    /// Checks a session at this time, by the roles that [`roles_from`](Self::roles_from) returns where it is
    /// set, otherwise by its own.
    ///
    /// # Errors
    ///
    /// The error of that function: answer 503.
    pub async fn check_now(&self, session: &Session, now: SystemTime) -> Result<Access, BoxError> {
        let user = session.user().filter(|_| !session.is_ended());
        let Some(user) = user else {
            return Ok(Access::LoginRequired);
        };
        let has = match self.source() {
            Some(source) => source(user).await?,
            None => self.own_roles(session),
        };
        let access = self.check_with(&has, session, now);
        if access == Access::Forbidden {
            return Ok(access);
        }
        // No user is asked for a password that would not let them in.
        for condition in self.conditions() {
            let asked = condition(session.clone()).await?;
            if asked != Access::Granted {
                return Ok(asked);
            }
        }
        Ok(access)
    }
}
