//! Store errors, classed by the caller's next move.

use std::error::Error;
use std::fmt;

/// The caller's next move after a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The id is in use: generate another.
    IdTaken,
    /// The store cannot be reached or cannot work: try again later, or answer 503.
    Unavailable,
    /// The store did not report in time whether it executed the operation: read before trying again.
    Unknown,
    /// The stored record cannot be read: this session is lost, start a new one.
    Corrupt,
    /// This store cannot do what the caller asked for: change the call.
    Invalid,
}

/// A failed operation of a store. Its text never holds an id, a record or an address.
///
/// Its `Debug` is its text with all causes, for a `main` that returns it.
pub struct StoreError {
    kind: StoreErrorKind,
    circumstance: Circumstance,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The circumstances of an error that its kind does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Circumstance {
    HeldUp,
    Unanswered,
    Other,
}

impl StoreError {
    /// Creates an error whose source, if any, is the driver's.
    pub fn new(kind: StoreErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            circumstance: Circumstance::Other,
            source: Some(source.into()),
        }
    }

    /// Returns an error of the kind [`StoreErrorKind::Unavailable`] for an operation that others held up,
    /// such as a transaction that has the record locked: nothing was done, and the store works otherwise.
    ///
    /// A [`Manager`](crate::Manager) answers 503 to this request, and does not count it as an outage.
    pub fn held_up(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            circumstance: Circumstance::HeldUp,
            ..Self::new(StoreErrorKind::Unavailable, source)
        }
    }

    /// Returns an error of the kind [`StoreErrorKind::Unavailable`] for a server that did not answer in time,
    /// when it was connected to or before anything was changed.
    pub fn unanswered(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            circumstance: Circumstance::Unanswered,
            ..Self::new(StoreErrorKind::Unavailable, source)
        }
    }

    /// Returns `true` if nothing answered in time: [`unanswered`](Self::unanswered), or
    /// [`StoreErrorKind::Unknown`].
    pub fn is_unanswered(&self) -> bool {
        self.circumstance == Circumstance::Unanswered || self.kind == StoreErrorKind::Unknown
    }

    /// Returns `true` if the store itself fails, for everybody.
    pub(crate) fn is_outage(&self) -> bool {
        let kinds = [StoreErrorKind::Unavailable, StoreErrorKind::Unknown];
        kinds.contains(&self.kind) && !self.is_held_up()
    }

    /// Adds where the store is that failed.
    pub(crate) fn at(self, place: &str) -> Self {
        let place = place.to_owned();
        let source = self.source;
        Self {
            source: Some(Box::new(At { place, source })),
            ..self
        }
    }

    /// Returns `true` if others held the operation up, while the store works.
    pub fn is_held_up(&self) -> bool {
        self.circumstance == Circumstance::HeldUp
    }

    /// Returns the class of the error, by which the caller decides.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl From<StoreErrorKind> for StoreError {
    fn from(kind: StoreErrorKind) -> Self {
        Self {
            kind,
            circumstance: Circumstance::Other,
            source: None,
        }
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::says::with_causes(self, f)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::IdTaken => "the session id is taken",
            StoreErrorKind::Unavailable if self.is_held_up() => "the session is held by others",
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

/// The place of a store, and its error.
#[derive(Debug)]
struct At {
    place: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}", self.place)
    }
}

impl Error for At {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_ref();
        source.map(|source| &**source as &(dyn Error + 'static))
    }
}
