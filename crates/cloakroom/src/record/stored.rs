//! A record on its way into a store and out of it.

use super::RecordText;
use crate::clock::Timestamp;

/// A record as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its JSON text.
    pub text: RecordText,
    /// When the store lets it go, unless it is touched before.
    pub expires: Timestamp,
}

/// A record to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its JSON text.
    pub text: RecordText,
    /// When the store may let it go.
    pub expires: Timestamp,
    /// The user that it belongs to, for the index.
    pub user: Option<String>,
}
