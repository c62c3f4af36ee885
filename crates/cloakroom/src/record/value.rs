//! Values of the application that do not fit: errors that do not quote them.

use std::any::type_name;
use std::error::Error;
use std::fmt;

/// The error of a value that does not fit, with its key and the requested type.
///
/// Neither its text nor its `Debug` holds the value; `serde_json`'s error is the [`source`](Error::source),
/// and may quote it.
pub struct ValueError {
    key: String,
    expected: &'static str,
    fault: Mismatch,
    source: serde_json::Error,
}

/// The way in which a value does not fit.
#[derive(Clone, Copy)]
enum Mismatch {
    /// The stored value is of another type.
    Read,
    /// JSON cannot express the given value.
    Write,
    /// The value names no user.
    User,
}

impl ValueError {
    /// Creates the error of a value of the session that is no `T`.
    pub(crate) fn read<T>(key: &str, source: serde_json::Error) -> Self {
        Self {
            key: key.to_owned(),
            expected: type_name::<T>(),
            fault: Mismatch::Read,
            source,
        }
    }

    /// Creates the error of a `T` that cannot be a value of the session.
    pub(crate) fn write<T: ?Sized>(key: &str, source: serde_json::Error) -> Self {
        Self {
            key: key.to_owned(),
            expected: type_name::<T>(),
            fault: Mismatch::Write,
            source,
        }
    }

    /// Creates the error of a value that cannot name a user.
    pub(crate) fn no_user(expected: &'static str) -> Self {
        use serde::de::Error as _;
        Self {
            key: String::new(),
            expected,
            fault: Mismatch::User,
            source: serde_json::Error::custom(expected),
        }
    }

    /// Returns the key whose value does not fit; empty where no single key is at fault.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the Rust type that was requested, or given.
    pub fn expected(&self) -> &'static str {
        self.expected
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, expected) = (self.key.escape_debug(), self.expected);
        match self.fault {
            Mismatch::Read if self.key.is_empty() => {
                write!(f, "the session's data is no `{expected}`")
            }
            Mismatch::Read => write!(
                f,
                "the session's value of `{key}` is not what `{expected}` expects"
            ),
            Mismatch::Write if self.key.is_empty() => {
                write!(
                    f,
                    "a `{expected}` cannot be a session's data: it has to be a struct"
                )
            }
            Mismatch::User => write!(f, "a user is {expected}"),
            Mismatch::Write => write!(f, "a `{expected}` cannot be the session's value of `{key}`"),
        }
    }
}

impl fmt::Debug for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueError")
            .field("key", &self.key)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

impl Error for ValueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
