//! Maps errors of the driver to store errors. Their text goes no further: it may hold a document, an id or an
//! address.

use mongodb::error::{Error, ErrorKind, WriteFailure};

use crate::store::{StoreError, StoreErrorKind};

pub(crate) const DUPLICATE_KEY: i32 = 11_000;
/// Codes by which a server reports that nothing was done: it is not the primary.
const NOT_PRIMARY: [i32; 3] = [10_058, 10_107, 13_435];
/// Codes for a document that is too large, nested too deeply, or has keys that a server before 5.0 refuses.
const NOT_TAKEN: [i32; 7] = [15, 52, 55, 57, 10_334, 17_419, 17_420];

/// Maps the error of a read: whatever it is, nothing was changed.
pub(crate) fn read_failed(error: Error) -> StoreError {
    match write_failed(error) {
        error if error.kind() == StoreErrorKind::Unknown => {
            StoreError::unanswered("the server did not answer")
        }
        error => error,
    }
}

/// Maps the error of a write, which may have been made unless the error says otherwise.
pub(crate) fn write_failed(error: Error) -> StoreError {
    match *error.kind {
        ErrorKind::ServerSelection { .. } => StoreError::unanswered("no server was found in time"),
        ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::Shutdown => {
            because("the connection was given up")
        }
        ErrorKind::DnsResolve { .. } => because("the server's name was not found"),
        ErrorKind::InvalidTlsConfig { .. } => because("TLS is set up wrongly"),
        ErrorKind::Authentication { message, .. } => {
            let why = format!("the server refused the credentials ({message})");
            StoreError::new(StoreErrorKind::Unavailable, why)
        }
        ErrorKind::Io(io) if never_sent(io.kind()) => because("the server cannot be reached"),
        ErrorKind::InvalidArgument { .. } | ErrorKind::BsonSerialization(_) => {
            StoreError::new(StoreErrorKind::Invalid, "the driver does not take it")
        }
        ErrorKind::Command(command) => refused(command.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => refused(error.code),
        // Written, but not yet as durably as was requested.
        ErrorKind::Write(_) => StoreError::new(StoreErrorKind::Unknown, "not yet acknowledged"),
        _ => StoreError::new(StoreErrorKind::Unknown, "the connection broke"),
    }
}

fn never_sent(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind;
    matches!(
        kind,
        ErrorKind::ConnectionRefused
            | ErrorKind::NotFound
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::PermissionDenied
    )
}

fn refused(code: i32) -> StoreError {
    let why = format!("the server refused it with code {code}");
    match code {
        DUPLICATE_KEY => StoreErrorKind::IdTaken.into(),
        code if NOT_TAKEN.contains(&code) => StoreError::new(StoreErrorKind::Invalid, why),
        // Interrupted, timed out, or the primary stepped down meanwhile.
        50 | 64 | 89 | 91 | 189 | 262 | 11_600 | 11_601 | 11_602 => {
            StoreError::new(StoreErrorKind::Unknown, why)
        }
        code if NOT_PRIMARY.contains(&code) => because("the server is not the primary"),
        _ => StoreError::new(StoreErrorKind::Unavailable, why),
    }
}

fn because(why: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, why)
}
