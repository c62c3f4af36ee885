//! Extractors for axum: asking for a session is what loads it.

mod csrf;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use csrf::{CsrfFuture, CsrfService};

use super::answer::ResponseParts;
use super::rejection::unavailable;
use super::tower::{found, set_field, status};
use super::{LoggedIn, Named, SessionName, SessionRejection};
use crate::session::{Session, SessionError, Typed};
use crate::store::StoreError;

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        self.report();
        self.answer().into_response()
    }
}

impl IntoResponse for SessionError {
    /// 503 where trying again may help, 409 where the session ended meanwhile, 500 elsewhere.
    fn into_response(self) -> Response {
        self.report();
        self.answer().into_response()
    }
}

impl IntoResponse for StoreError {
    /// 503, with `Retry-After`.
    fn into_response(self) -> Response {
        self.report();
        unavailable().into_response()
    }
}

#[cfg(feature = "attempts")]
impl IntoResponse for crate::auth::TooManyAttempts {
    /// 429 with `Retry-After`.
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
            (status, self.text).into_response()
        };
        set_field(self.field.as_ref(), response.headers_mut());
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

    /// `None` where no session layer covers the request.
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

impl<S: Sync> FromRequestParts<S> for LoggedIn {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Self::of(&session)
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
