//! Extractors for axum: asking for a session is what loads it.

use std::fmt;
use std::marker::PhantomData;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::SessionHandle;
use crate::session::{Session, SessionError, Typed};
use crate::store::StoreError;

/// Why a handler did not get its session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionRejection {
    /// No session layer covers this route: add one, or ask for no session outside the cookie's
    /// path.
    #[error(
        "no session layer covers this route: add `.layer(SessionLayer::new(manager))` below it, and see that the cookie's path covers it"
    )]
    NoLayer,
    /// The store failed; the client may try again.
    #[error("the session store is unavailable")]
    Store(#[from] StoreError),
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    LoginRequired,
    /// The store did not say who is signed in, and the policy lets the request go on without.
    #[error("the session store did not say who is signed in")]
    Detached,
    /// The session's data is not of the type that the handler asks for.
    #[error("the session's data is not of the expected type")]
    Session(#[from] SessionError),
}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        match self {
            Self::NoLayer => {
                tracing::error!("{self}");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "no session layer covers this route",
                )
                    .into_response()
            }
            Self::Store(error) => {
                tracing::error!(%error, source = ?std::error::Error::source(&error), "no session for a request");
                unavailable()
            }
            Self::Session(error) => error.into_response(),
            Self::LoginRequired => (
                StatusCode::UNAUTHORIZED,
                [("www-authenticate", "Session")],
                "nobody is signed in",
            )
                .into_response(),
            Self::Detached => unavailable(),
        }
    }
}

impl IntoResponse for SessionError {
    /// 503 where trying again may help, 409 where the session ended meanwhile, 500 elsewhere.
    fn into_response(self) -> Response {
        match &self {
            Self::Store(_) | Self::Conflict => {
                tracing::error!(error = %self, source = ?std::error::Error::source(&self), "a session failed");
                unavailable()
            }
            Self::Gone | Self::NotStored | Self::TooManySessions => {
                (StatusCode::CONFLICT, self.to_string()).into_response()
            }
            _ => {
                tracing::error!(error = %self, "a session failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "the session failed").into_response()
            }
        }
    }
}

#[cfg(feature = "attempts")]
impl IntoResponse for crate::auth::TooManyAttempts {
    /// 429 with `Retry-After` (RFC 6585 §4).
    fn into_response(self) -> Response {
        let seconds = self.seconds().to_string();
        (
            StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", seconds)],
            self.to_string(),
        )
            .into_response()
    }
}

fn unavailable() -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [("retry-after", "1")],
        "the session store is unavailable",
    )
        .into_response()
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let handle = parts
            .extensions
            .get::<SessionHandle>()
            .ok_or(SessionRejection::NoLayer)?;
        Ok(handle.session(parts).await?)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    /// `None` where no session layer covers the route.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        match parts.extensions.get::<SessionHandle>() {
            Some(handle) => Ok(Some(handle.session(parts).await?)),
            None => Ok(None),
        }
    }
}

impl<S, T> FromRequestParts<S> for Typed<T>
where
    S: Sync,
    T: Serialize + DeserializeOwned,
{
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(session.typed()?)
    }
}

/// Who is signed in, as [`Session::user`] calls them; 401 where nobody is.
///
/// ```
/// # use cloakroom::web::LoggedIn;
/// async fn hello(LoggedIn(user): LoggedIn) -> String {
///     format!("hello {user}")
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn(pub String);

impl<S: Sync> FromRequestParts<S> for LoggedIn {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        if session.is_detached() {
            return Err(SessionRejection::Detached);
        }
        session
            .user()
            .map(Self)
            .ok_or(SessionRejection::LoginRequired)
    }
}

/// The name of a cookie, as a type: see [`Named`].
pub trait SessionName {
    /// The cookie's name, as the policy of its layer has it.
    const NAME: &'static str;
}

/// The session of the layer whose cookie has the name `N::NAME`, where there are several.
///
/// [`Session`] itself extracts that of the innermost layer.
pub struct Named<N>(pub Session, PhantomData<fn() -> N>);

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

impl<S: Sync, N: SessionName> FromRequestParts<S> for Named<N> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let handle = parts.extensions.get::<SessionHandle>();
        let handle = handle.and_then(|handle| handle.find(N::NAME));
        let session = handle
            .ok_or(SessionRejection::NoLayer)?
            .session(parts)
            .await?;
        Ok(Self(session, PhantomData))
    }
}
