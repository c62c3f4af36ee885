//! Errors as JavaScript sees them: a code to act on, a status to answer with, and a message without an
//! id, a secret or data.

use std::error::Error as _;

use cloakroom::SessionError;
use cloakroom::manager::CloseError;
use cloakroom::store::{ConnectError, StoreError, StoreErrorKind};
use serde::Serialize;

/// The contents of an `Error` in JavaScript.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    code: &'static str,
    status: u16,
    message: String,
}

impl Failure {
    pub(crate) fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            code,
            status,
            message,
        }
    }

    /// An operation that ended in a panic, of which nothing is known.
    pub(crate) fn panicked() -> Self {
        Self::new(
            "EINTERNAL",
            500,
            "an operation on a session ended unexpectedly",
        )
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let message = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        match error.kind() {
            StoreErrorKind::Corrupt => Self::new("ESESSIONUNREADABLE", 500, message),
            StoreErrorKind::Unknown => Self::new("ESTOREUNKNOWN", 503, message),
            _ => Self::new("ESTOREUNAVAILABLE", 503, message),
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        let (code, status) = match error {
            SessionError::Store(error) => return error.into(),
            SessionError::Gone => ("ESESSIONGONE", 409),
            SessionError::Ended => ("ESESSIONENDED", 500),
            SessionError::HeadersSent => ("ERR_HTTP_HEADERS_SENT", 500),
            SessionError::NotStored => ("ESESSIONNOTSTORED", 500),
            SessionError::Conflict => ("ESESSIONCONFLICT", 503),
            SessionError::TooLarge => ("ESESSIONTOOLARGE", 500),
            SessionError::ReservedKey(_) => ("ERESERVEDKEY", 500),
            SessionError::TooManySessions => ("ETOOMANYSESSIONS", 409),
            SessionError::NotSignedIn => ("ENOTSIGNEDIN", 401),
            _ => ("ESESSION", 500),
        };
        Self::new(code, status, error.to_string())
    }
}

impl From<CloseError> for Failure {
    fn from(error: CloseError) -> Self {
        let (code, status) = match &error {
            error if error.is_late() => ("ESESSIONGONE", 409),
            error if error.is_temporary() => ("ESTOREUNAVAILABLE", 503),
            _ => ("ESESSIONUNSAVED", 500),
        };
        Self::new(code, status, error.answer())
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::new("ESTORECONNECT", 503, message)
    }
}
