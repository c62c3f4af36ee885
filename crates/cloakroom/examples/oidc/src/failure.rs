//! Reasons for which a login comes to nothing, and their responses.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cloakroom::SessionError;
use cloakroom::store::StoreError;

use crate::ledger::LedgerError;
use crate::pages;
use crate::provider::ProviderError;

/// A failed request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The answer belongs to no login that this browser began: another browser's, an old one, a second time.
    #[error("this login was not begun here, or is over: sign in again")]
    UnknownState,
    /// The provider's answer is another provider's (RFC 9207).
    #[error("the answer comes from another provider")]
    OtherIssuer,
    /// The provider refused, or the user did there.
    #[error("the provider refused the login")]
    Refused,
    /// The user signed out at the provider before the login was complete here.
    #[error("you have signed out at the provider meanwhile")]
    SignedOut,
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Session(error) => return error.into_response(),
            Self::Store(error) => return SessionError::from(error).into_response(),
            Self::UnknownState | Self::OtherIssuer => StatusCode::BAD_REQUEST,
            Self::Provider(ref error) if error.is_unavailable() => StatusCode::BAD_GATEWAY,
            Self::Refused | Self::SignedOut | Self::Provider(_) => StatusCode::FORBIDDEN,
            Self::Ledger(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        tracing::warn!(error = %self, "a login came to nothing");
        pages::refused(status, &self.to_string())
    }
}
