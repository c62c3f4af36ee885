//! Extractors' values and rejections; each framework has its own trait for them.

use std::error::Error as _;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use super::answer::ResponseParts;
use super::handle::Missing;
use crate::auth::{Accounts, Rejection};
use crate::session::{Session, SessionError};
use crate::store::{StoreError, StoreErrorKind};

/// The reason for which a handler did not get its session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionRejection {
    /// No session layer covers this route: add one, or extract no session outside the cookie's path.
    #[error(
        "no session layer covers this route: add `SessionLayer::new(manager)` (axum) or `SessionMiddleware::new(manager)` (actix-web) around it, and see that the cookie's path covers it"
    )]
    NoLayer,
    /// The session layer's `match_path` does not cover the request's path; the session of an outer layer does
    /// not take its place.
    #[error(
        "the session layer does not cover this path: set `PolicyBuilder::match_path` to the path of this server's requests, or extract no session outside of it"
    )]
    OutsidePath,
    /// The request target is no path (`OPTIONS *`, CONNECT), and the policy has a `match_path`: 400.
    #[error("this request asks for no path")]
    NoPath,
    /// The store failed; the client may try again.
    #[error("the session store is unavailable")]
    Store(#[from] StoreError),
    /// No user is signed in.
    #[error("nobody is signed in")]
    LoginRequired,
    /// The store failed to return the user, and the policy lets the request go on without.
    #[error("the session store failed to return the user")]
    Detached,
    /// actix-web's `app_data` has none of the accounts that the handler extracts.
    #[error("no accounts: add them with `App::app_data(web::Data::new(accounts))`")]
    NoAccounts,
    /// The session's data is not of the type that the handler extracts.
    #[error("the session's data is not of the expected type")]
    Session(#[from] SessionError),
}

impl From<Missing> for SessionRejection {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Layer => Self::NoLayer,
            Missing::Path => Self::OutsidePath,
            Missing::Target => Self::NoPath,
        }
    }
}

/// Converts for handlers and middlewares that extract by hand and respond with a [`SessionError`].
impl From<SessionRejection> for SessionError {
    fn from(rejection: SessionRejection) -> Self {
        match rejection {
            SessionRejection::NoLayer => Self::NotCovered("add one around the route"),
            SessionRejection::OutsidePath => Self::NotCovered("`match_path` leaves its path out"),
            SessionRejection::NoPath => Self::NotCovered("it asks for no path"),
            SessionRejection::Store(error) => Self::Store(error),
            SessionRejection::NoAccounts => Self::NotCovered("`app_data` has no accounts"),
            SessionRejection::LoginRequired => Self::NotSignedIn,
            SessionRejection::Detached => {
                let reason = "the store did not give this request its session";
                Self::Store(StoreError::new(StoreErrorKind::Unavailable, reason))
            }
            SessionRejection::Session(error) => error,
        }
    }
}

impl SessionRejection {
    /// Returns the response to a client whose handler did not get its session.
    pub(super) fn answer(&self) -> ResponseParts {
        match self {
            Self::NoLayer | Self::OutsidePath => {
                ResponseParts::new(500, "no session layer covers this route")
            }
            Self::NoAccounts => ResponseParts::new(500, "the accounts are not set up"),
            Self::NoPath => ResponseParts::new(400, "this request asks for no path"),
            Self::Store(_) | Self::Detached => unavailable(),
            Self::Session(error) => error.answer(),
            Self::LoginRequired => ResponseParts {
                text: "nobody is signed in".into(),
                ..Rejection::LoginRequired.into()
            },
        }
    }

    /// Logs, once, the details that the client does not get.
    pub(super) fn report(&self) {
        match self {
            Self::NoLayer | Self::NoAccounts => tracing::error!("{self}"),
            Self::OutsidePath => Missing::Path.report("a handler"),
            Self::NoPath => Missing::Target.report("a handler"),
            Self::Store(error) => report_store(error, "no session for a request"),
            Self::Session(error) => error.report(),
            Self::LoginRequired | Self::Detached => {}
        }
    }
}

impl SessionError {
    /// Returns the response to a client whose handler returned this: 503 where a retry may help, 409 where
    /// the session ended meanwhile or the user has too many, 500 elsewhere.
    pub(super) fn answer(&self) -> ResponseParts {
        match self {
            Self::Store(_) | Self::Conflict => unavailable(),
            Self::Accounts(_) => ResponseParts {
                text: "who is signed in cannot be found out just now".into(),
                ..Rejection::Unavailable.into()
            },
            Self::NotSignedIn => SessionRejection::LoginRequired.answer(),
            Self::TooManyAttempts { retry_after } => {
                let begun = u64::from(retry_after.subsec_nanos() > 0);
                let seconds = (retry_after.as_secs() + begun).to_string();
                ResponseParts {
                    field: Some(("retry-after", seconds.into())),
                    ..ResponseParts::new(429, self.to_string())
                }
            }
            Self::NotCovered(_) => SessionRejection::NoLayer.answer(),
            Self::Gone | Self::NotStored | Self::TooManySessions => {
                ResponseParts::new(409, self.to_string())
            }
            _ => ResponseParts::new(500, "the session failed"),
        }
    }

    /// Logs, once, the details that the client does not get.
    pub(super) fn report(&self) {
        match self {
            // The last one was logged when it was refused, once.
            Self::Gone
            | Self::NotStored
            | Self::NotSignedIn
            | Self::TooManyAttempts { .. }
            | Self::TooManySessions
            | Self::UnusableId => {}
            Self::Store(error) => report_store(error, "a session failed"),
            Self::Conflict | Self::Accounts(_) => {
                tracing::error!(error = %self, source = ?self.source(), "a session failed");
            }
            // serde's message about a value may quote it.
            _ => tracing::error!(error = %self, "a session failed"),
        }
    }
}

impl StoreError {
    /// Logs, once, the details that the client does not get.
    pub(super) fn report(&self) {
        report_store(self, "the session store failed");
    }
}

/// Tells of a store that failed a request: an outage was told of when it began, and each request's part in it
/// is of use to whoever looks closer.
pub(super) fn report_store(error: &StoreError, what: &str) {
    if error.is_outage() {
        tracing::debug!(?error, "{what}");
    } else {
        tracing::error!(?error, "{what}");
    }
}

/// Returns the response to a client whose handler got an error of the store: 503.
pub(super) fn unavailable() -> ResponseParts {
    ResponseParts {
        text: "the session store is unavailable".into(),
        ..Rejection::Unavailable.into()
    }
}

#[cfg(feature = "attempts")]
impl crate::auth::TooManyAttempts {
    /// Returns 429 with `Retry-After` (RFC 6585 §4).
    pub(super) fn answer(&self) -> ResponseParts {
        ResponseParts {
            field: Some(("retry-after", self.seconds().to_string().into())),
            ..ResponseParts::new(429, self.to_string())
        }
    }
}

/// The user who is signed in, as [`Session::user`] names them, or in the application's type; 401 where no
/// user is, 500 where the user is no `U`. An `Option` of it is `None` where no user is.
///
/// ```
/// # use cloakroom::web::LoggedIn;
/// async fn hello(LoggedIn(user): LoggedIn) -> String {
///     format!("hello {user}")
/// }
///
/// async fn orders(LoggedIn(id): LoggedIn<u64>) -> String {
///     format!("orders of {id}")
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn<U = String>(pub U);

impl<U: FromStr<Err: fmt::Display>> LoggedIn<U> {
    pub(super) fn of(session: &Session) -> Result<Self, SessionRejection> {
        Self::find(session)?.ok_or(SessionRejection::LoginRequired)
    }

    pub(super) fn find(session: &Session) -> Result<Option<Self>, SessionRejection> {
        if session.is_detached() {
            return Err(SessionRejection::Detached);
        }
        Ok(session.user_as()?.map(Self))
    }
}

/// The user who is signed in, loaded from the application's [`Accounts`]; 401 where no user is, or there is
/// no such account any more, 503 where the load fails. An `Option` of it is `None` where no user is.
///
/// The accounts are taken from axum's state (`A: FromRef<S>`), or from actix-web's `app_data`, as
/// `web::Data<A>` or directly.
///
/// ```
/// use cloakroom::auth::Accounts;
/// use cloakroom::web::CurrentUser;
/// # #[derive(Clone)] struct User { name: String }
/// # #[derive(Clone)] struct People;
/// # impl Accounts for People {
/// #     type User = User; type Error = std::io::Error;
/// #     async fn load(&self, _: &str) -> Result<Option<User>, Self::Error> { Ok(None) }
/// # }
/// async fn hello(CurrentUser(user): CurrentUser<People>) -> String {
///     format!("hello {}", user.name)
/// }
/// ```
pub struct CurrentUser<A: Accounts>(pub A::User);

impl<A: Accounts> CurrentUser<A> {
    pub(super) async fn of(session: &Session, accounts: &A) -> Result<Self, SessionRejection> {
        let user = Self::find(session, accounts).await?;
        user.ok_or(SessionRejection::LoginRequired)
    }

    pub(super) async fn find(
        session: &Session,
        accounts: &A,
    ) -> Result<Option<Self>, SessionRejection> {
        if session.is_detached() {
            return Err(SessionRejection::Detached);
        }
        Ok(session.load_user(accounts).await?.map(Self))
    }
}

impl<A: Accounts> std::ops::Deref for CurrentUser<A> {
    type Target = A::User;

    fn deref(&self) -> &A::User {
        &self.0
    }
}

impl<A: Accounts<User: Clone>> Clone for CurrentUser<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Accounts<User: fmt::Debug>> fmt::Debug for CurrentUser<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CurrentUser").field(&self.0).finish()
    }
}

/// The name of a cookie, as a type: see [`Named`].
pub trait SessionName {
    /// The cookie's name, as in the policy of its layer.
    const NAME: &'static str;
}

/// The session of the layer whose cookie has the name `N::NAME`, where there are several.
///
/// [`Session`] itself extracts that of the innermost layer.
pub struct Named<N>(pub Session, PhantomData<fn() -> N>);

impl<N> Named<N> {
    pub(super) fn new(session: Session) -> Self {
        Self(session, PhantomData)
    }
}

impl<N> std::ops::Deref for Named<N> {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl<N> fmt::Debug for Named<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Named").field(&self.0).finish()
    }
}
