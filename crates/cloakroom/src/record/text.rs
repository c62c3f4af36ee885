//! The bytes of a record, shared and never copied to be read.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The JSON text of a record as its store holds it; clones share the bytes.
///
/// `Debug` prints the length only: a record is a visitor's own data.
#[derive(Clone)]
pub struct RecordText {
    bytes: Arc<str>,
    start: u32,
}

impl RecordText {
    /// A record that shares one allocation with the text before it.
    ///
    /// A store that keeps a record under its id, millions of times, saves an allocation each.
    ///
    /// # Panics
    ///
    /// For a prefix of 4 GiB.
    pub fn behind(prefix: &str, text: &str) -> Self {
        let start = u32::try_from(prefix.len()).expect("a key is shorter than 4 GiB");
        let mut bytes = String::with_capacity(prefix.len() + text.len());
        bytes.push_str(prefix);
        bytes.push_str(text);
        Self {
            bytes: bytes.into(),
            start,
        }
    }

    /// The text before the record; empty unless made by [`RecordText::behind`].
    pub fn prefix(&self) -> &str {
        &self.bytes[..self.start as usize]
    }
}

impl From<&str> for RecordText {
    fn from(text: &str) -> Self {
        Self {
            bytes: text.into(),
            start: 0,
        }
    }
}

impl From<String> for RecordText {
    fn from(text: String) -> Self {
        Self {
            bytes: text.into(),
            start: 0,
        }
    }
}

impl Deref for RecordText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.bytes[self.start as usize..]
    }
}

impl PartialEq for RecordText {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for RecordText {}

impl fmt::Debug for RecordText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordText({} bytes)", self.len())
    }
}
