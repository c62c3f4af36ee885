//! The replies of the server, as values.

use crate::clock::Timestamp;
use crate::store::{StoreError, StoreErrorKind, StoredRecord};

/// Builds a session from its text and its remaining milliseconds: -1 without end, -2 for none.
pub(crate) fn stored(
    text: Vec<u8>,
    ttl: i64,
    now: Timestamp,
) -> Result<Option<StoredRecord>, StoreError> {
    let Some(expires) = expires(ttl, now) else {
        return Ok(None);
    };
    let text = String::from_utf8(text).map_err(|_| corrupt())?;
    Ok(Some(StoredRecord {
        text: text.into(),
        expires,
    }))
}

pub(crate) fn expires(ttl: i64, now: Timestamp) -> Option<Timestamp> {
    match ttl {
        -1 => Some(Timestamp::from_millis(i64::MAX)),
        ttl if ttl < 0 => None,
        ttl => Some(Timestamp::from_millis(now.as_millis().saturating_add(ttl))),
    }
}

/// Returns the error of a reply that no session has.
pub(crate) fn corrupt() -> StoreError {
    StoreErrorKind::Corrupt.into()
}
