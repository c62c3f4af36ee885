//! Ids that were replaced or ended a moment ago: late requests still carry them.

use std::fmt;
use std::time::Duration;

/// Time for which a store remembers a retired id: longer than any request that was sent with it lasts.
pub const RETIRED_FOR: Duration = Duration::from_mins(1);

/// The reason why a store has no session under an id that was in use a moment ago.
///
/// The store keeps it for [`RETIRED_FOR`] and does not interpret it. `Debug` prints no successor.
#[derive(Clone, PartialEq, Eq)]
pub enum RetiredId {
    /// The session was ended or handed to another user, or its user's rights changed: the id leads nowhere.
    Closed,
    /// Another id has replaced this one in the same user's session; this text names it to the
    /// [`Manager`](crate::Manager).
    Renewed(String),
}

impl RetiredId {
    /// Returns the text that a store keeps: empty for [`Closed`](Self::Closed).
    pub fn as_str(&self) -> &str {
        match self {
            Self::Closed => "",
            Self::Renewed(successor) => successor,
        }
    }
}

impl From<String> for RetiredId {
    /// Reads the text that a store kept.
    fn from(text: String) -> Self {
        if text.is_empty() {
            Self::Closed
        } else {
            Self::Renewed(text)
        }
    }
}

impl fmt::Debug for RetiredId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "Closed",
            Self::Renewed(_) => "Renewed(…)",
        })
    }
}
