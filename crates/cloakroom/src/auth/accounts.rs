//! The user as the application's accounts describe them, loaded once for each request.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;

use crate::record::ValueError;
use crate::session::{Session, SessionError};

/// The application's users: a table of a database, as a rule.
///
/// The handlers' extractor is `web::CurrentUser<A>`, for guards there is [`Require::account`](super::Require::account), and by hand
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

/// A user of these accounts, in case an application has several kinds; `None` for one who has no account any
/// more.
#[derive(Clone)]
pub(crate) struct LoadedUser<A: Accounts>(pub(crate) Option<A::User>);

impl Session {
    /// Returns the user whom this request has loaded from these accounts, if it has.
    pub(crate) fn recall_user<A: Accounts>(&self, id: &str) -> Option<LoadedUser<A>> {
        self.recall::<LoadedUser<A>>(id)
    }

    /// Keeps a loaded user for the rest of this request.
    pub(crate) fn keep_user<A: Accounts>(&self, id: String, user: Option<A::User>) {
        self.keep(id, LoadedUser::<A>(user));
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
