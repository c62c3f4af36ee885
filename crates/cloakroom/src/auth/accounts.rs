//! The user as the application's accounts describe them, loaded once for each request.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;

use super::{Access, Require};
use crate::record::ValueError;
use crate::session::{Session, SessionError};

/// The application's users: a table of a database, as a rule.
///
/// The handlers' extractor is `web::CurrentUser<A>`, for guards there is [`Require::account`], and by hand
/// [`Session::load_user`]. All three share one load for each request.
///
/// ```
/// use std::sync::Arc;
/// use cloakroom::auth::Accounts;
/// # #[derive(Clone)] struct User { name: String }
/// # #[derive(Clone)] struct Db; impl Db { async fn user(&self, _: i64) -> std::io::Result<Option<User>> { Ok(None) } }
///
/// #[derive(Clone)]
/// struct People {
///     db: Db,
/// }
///
/// impl Accounts for People {
///     type User = Arc<User>;
///     type Error = std::io::Error;
///
///     async fn load(&self, id: &str) -> Result<Option<Arc<User>>, std::io::Error> {
///         let Ok(id) = id.parse() else { return Ok(None) };
///         Ok(self.db.user(id).await?.map(Arc::new))
///     }
/// }
/// ```
pub trait Accounts: Clone + Send + Sync + 'static {
    /// A user; cheap to clone, an `Arc` where it is large.
    type User: Clone + Send + Sync + 'static;

    /// Error of a load. It is logged, and answered with 503.
    type Error: Into<Box<dyn Error + Send + Sync>>;

    /// Returns the user whom [`Session::user`] names; `None` where there is no such account any more, or it
    /// may not sign in: then no user is signed in.
    fn load(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<Self::User>, Self::Error>> + Send;
}

/// A user of these accounts, in case an application has several kinds.
#[derive(Clone)]
struct Loaded<A: Accounts>(Option<A::User>);

impl Session {
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
        if let Some(Loaded(user)) = self.recall::<Loaded<A>>(&id) {
            return Ok(user);
        }
        let loaded = accounts.load(&id).await;
        let user = loaded.map_err(|error| SessionError::Accounts(error.into()))?;
        self.keep(id, Loaded::<A>(user.clone()));
        Ok(user)
    }

    /// Returns the id of the user who is signed in, in the application's type: `user_as::<u64>()`.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] where the id is no `U`.
    pub fn user_as<U>(&self) -> Result<Option<U>, SessionError>
    where
        U: FromStr<Err: fmt::Display>,
    {
        let parse = |user: String| {
            user.parse().map_err(|error| {
                let cause = serde_json::Error::custom(error);
                ValueError::read::<U>("the user", cause).into()
            })
        };
        self.user().map(parse).transpose()
    }
}

impl Require {
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
}
