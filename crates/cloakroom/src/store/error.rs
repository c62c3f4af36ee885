//! What went wrong in a store, for whoever must act.

use std::error::Error;
use std::fmt;

/// What a caller can do about a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The id is in use: draw another.
    IdTaken,
    /// The store cannot be reached or cannot work: try again later, or answer 503.
    Unavailable,
    /// The store did not say in time whether it did what it was asked: read before trying again.
    Unknown,
    /// What the store holds cannot be read: this session is lost, start a new one.
    Corrupt,
    /// The caller asked for what this store cannot do: change the call.
    Invalid,
}

/// A failed operation of a store. Its text never holds an id, a record or an address.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error whose cause, if any, is the driver's.
    pub fn new(kind: StoreErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    /// What can be done about it.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl From<StoreErrorKind> for StoreError {
    fn from(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::IdTaken => "the session id is taken",
            StoreErrorKind::Unavailable => "the session store is unavailable",
            StoreErrorKind::Unknown => "the session store did not answer in time",
            StoreErrorKind::Corrupt => "the stored session cannot be read",
            StoreErrorKind::Invalid => "the session store does not take that",
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| &**source as &(dyn Error + 'static))
    }
}
