//! Extractors: the session is loaded when it is extracted.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::found;
use crate::auth::Accounts;
use crate::session::{Session, Typed};
use crate::store::StoreError;
use crate::web::{CurrentUser, LoggedIn, Named, SessionHandle, SessionName, SessionRejection};

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, SessionRejection>>>>;

impl SessionHandle {
    /// Returns the session of a request of actix-web, read from the store on the first call.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed: the response is 503.
    pub async fn session_of(&self, request: &HttpRequest) -> Result<Session, StoreError> {
        self.open(request).await
    }
}

async fn session(request: HttpRequest) -> Result<Session, SessionRejection> {
    let found = found(&request);
    Ok(found.as_found().handle()?.open(&request).await?)
}

/// Extracts the session. An `Option` of it, which is actix-web's own, is `None` where the store failed as
/// well as outside every middleware: a handler that must distinguish them extracts
/// `Result<Session, SessionRejection>`.
impl FromRequest for Session {
    type Error = SessionRejection;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(session(request.clone()))
    }
}

impl<T: Serialize + DeserializeOwned + 'static> FromRequest for Typed<T> {
    type Error = SessionRejection;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = session(request.clone());
        Box::pin(async move { Ok(session.await?.typed()?) })
    }
}

impl<U: FromStr<Err: Display> + 'static> FromRequest for LoggedIn<U> {
    type Error = SessionRejection;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = session(request.clone());
        Box::pin(async move { Self::of(&session.await?) })
    }
}

impl<A: Accounts> FromRequest for CurrentUser<A> {
    type Error = SessionRejection;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let shared = request.app_data::<Data<A>>().map(|data| A::clone(data));
        let accounts = shared.or_else(|| request.app_data::<A>().cloned());
        let session = session(request.clone());
        Box::pin(async move {
            let accounts = accounts.ok_or(SessionRejection::NoAccounts)?;
            Self::of(&session.await?, &accounts).await
        })
    }
}

impl<N: SessionName + 'static> FromRequest for Named<N> {
    type Error = SessionRejection;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let found = found(&request);
            let handle = found.as_found().named(N::NAME)?;
            Ok(Self::new(handle.open(&request).await?))
        })
    }
}
