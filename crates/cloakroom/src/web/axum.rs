//! Extractors for axum: the session is loaded when it is extracted.

#[cfg(feature = "testing")]
mod client;
mod csrf;

use std::fmt::Display;
use std::str::FromStr;

use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "testing")]
pub use client::{Client, ClientAnswer, TestedRouter};
pub use csrf::{CsrfFuture, CsrfService};

use super::answer::ResponseParts;
use super::rejection::unavailable;
use super::tower::{found, set_fields, status};
use super::{CurrentUser, LoggedIn, Named, SessionName, SessionRejection};
use crate::auth::Accounts;
use crate::session::{Session, SessionError, Typed};
use crate::store::StoreError;

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        self.report();
        self.answer().into_response()
    }
}

impl IntoResponse for SessionError {
    /// Responds 503 where a retry may help, 409 where the session ended meanwhile, 500 elsewhere.
    fn into_response(self) -> Response {
        self.report();
        self.answer().into_response()
    }
}

impl IntoResponse for StoreError {
    /// Responds 503, with `Retry-After`.
    fn into_response(self) -> Response {
        self.report();
        unavailable().into_response()
    }
}

#[cfg(feature = "attempts")]
impl IntoResponse for crate::auth::TooManyAttempts {
    /// Responds 429, with `Retry-After`.
    fn into_response(self) -> Response {
        self.answer().into_response()
    }
}

impl IntoResponse for ResponseParts {
    fn into_response(self) -> Response {
        let status = status(&self);
        let mut response = if self.text.is_empty() {
            status.into_response()
        } else {
            let kind = [(http::header::CONTENT_TYPE, self.kind)];
            (status, kind, self.text.clone()).into_response()
        };
        set_fields(&self, response.headers_mut());
        response
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let handle = found(&parts.extensions).handle()?;
        Ok(handle.session(parts).await?)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    /// Extracts `None` where no session layer covers the request.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        match found(&parts.extensions).handle {
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

impl<S, T> OptionalFromRequestParts<S> for Typed<T>
where
    S: Sync,
    T: Serialize + DeserializeOwned,
{
    type Rejection = SessionRejection;

    /// Extracts `None` where no session layer covers the request.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        let session = session_if_covered(parts, None).await?;
        Ok(session.map(|session| session.typed()).transpose()?)
    }
}

impl<S: Sync, U: FromStr<Err: Display>> FromRequestParts<S> for LoggedIn<U> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Self::of(&session)
    }
}

impl<S: Sync, U: FromStr<Err: Display>> OptionalFromRequestParts<S> for LoggedIn<U> {
    type Rejection = SessionRejection;

    /// Extracts `None` where no user is signed in, or no session layer covers the request.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        match session_if_covered(parts, None).await? {
            Some(session) => Self::find(&session),
            None => Ok(None),
        }
    }
}

impl<S: Sync, A: Accounts + FromRef<S>> FromRequestParts<S> for CurrentUser<A> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Self::of(&session, &A::from_ref(state)).await
    }
}

impl<S: Sync, A: Accounts + FromRef<S>> OptionalFromRequestParts<S> for CurrentUser<A> {
    type Rejection = SessionRejection;

    /// Extracts `None` where no user is signed in, or no session layer covers the request.
    async fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        match session_if_covered(parts, None).await? {
            Some(session) => Self::find(&session, &A::from_ref(state)).await,
            None => Ok(None),
        }
    }
}

impl<S: Sync, N: SessionName> FromRequestParts<S> for Named<N> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let handle = found(&parts.extensions).named(N::NAME)?;
        let session = handle.session(parts).await?;
        Ok(Self::new(session))
    }
}

impl<S: Sync, N: SessionName> OptionalFromRequestParts<S> for Named<N> {
    type Rejection = SessionRejection;

    /// Extracts `None` where no session layer of that name covers the request.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(session_if_covered(parts, Some(N::NAME))
            .await?
            .map(Self::new))
    }
}

/// Returns the session of the innermost layer, or of the one of a name, where there is one.
async fn session_if_covered(
    parts: &Parts,
    name: Option<&str>,
) -> Result<Option<Session>, SessionRejection> {
    let found = found(&parts.extensions);
    let handle = match name {
        Some(name) => found.named(name),
        None => found.handle(),
    };
    match handle {
        Ok(handle) => Ok(Some(handle.session(parts).await?)),
        Err(_) => Ok(None),
    }
}
