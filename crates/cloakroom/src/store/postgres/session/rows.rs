//! The rows that reads return.

use tokio_postgres::Row;

use crate::clock::Timestamp;
use crate::store::postgres::connection::error::QueryError;
use crate::store::{StoreError, StoreErrorKind, StoredRecord};

/// Builds a record from its text and its expiry, the first two columns.
pub(crate) fn stored(row: &Row) -> Result<StoredRecord, StoreError> {
    let text: &str = row.try_get(0).map_err(|_| unreadable())?;
    Ok(StoredRecord {
        text: text.into(),
        expires: expires(row)?,
    })
}

/// Returns the instant in the second column.
pub(crate) fn expires(row: &Row) -> Result<Timestamp, StoreError> {
    let millis: f64 = row.try_get(1).map_err(|_| unreadable())?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an infinite time is the furthest that a timestamp can say"
    )]
    let expires = Timestamp::from_millis(millis.round() as i64);
    Ok(expires)
}

/// Returns the error of a value that no session has.
pub(crate) fn unreadable() -> StoreError {
    QueryError::new(
        StoreErrorKind::Corrupt,
        "the database gave a value of another type, or no UTF-8",
    )
    .into()
}
