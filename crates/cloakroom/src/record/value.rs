//! Values of the application's that do not fit: what is said of them, and what is not.

use std::any::type_name;
use std::error::Error;
use std::fmt;

/// A value that does not fit, by its key and the type that was asked for.
///
/// Neither its text nor its `Debug` holds the value; what `serde_json` says of it is the
/// [`source`](Error::source), and may quote it.
pub struct ValueError {
    key: String,
    expected: &'static str,
    fault: Mismatch,
    source: serde_json::Error,
}

/// On which way a value did not fit.
#[derive(Clone, Copy)]
enum Mismatch {
    /// What is there is of another type.
    Read,
    /// JSON cannot say what was given.
    Write,
    /// It names nobody.
    User,
}

impl ValueError {
    /// A value of the session that is no `T`.
    pub(crate) fn read<T>(key: &str, source: serde_json::Error) -> Self {
        Self {
            key: key.to_owned(),
            expected: type_name::<T>(),
            fault: Mismatch::Read,
            source,
        }
    }

    /// A `T` that cannot be a value of the session.
    pub(crate) fn write<T: ?Sized>(key: &str, source: serde_json::Error) -> Self {
        Self {
            key: key.to_owned(),
            expected: type_name::<T>(),
            fault: Mismatch::Write,
            source,
        }
    }

    /// What cannot be anybody's name.
    pub(crate) fn no_user(expected: &'static str) -> Self {
        use serde::de::Error as _;
        Self {
            key: String::new(),
            expected,
            fault: Mismatch::User,
            source: serde_json::Error::custom(expected),
        }
    }

    /// The key whose value does not fit; empty where no one key is at fault.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The Rust type that was asked for, or given.
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
