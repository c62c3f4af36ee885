//! The bytes of a record, shared and never copied to be read.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The JSON text of a record as its store holds it; clones share the bytes.
///
/// `Debug` prints the length only: a record is a user's private data.
#[derive(Clone)]
pub struct RecordText {
    bytes: Arc<str>,
    /// Offsets of the second prefix and of the record.
    second: u32,
    start: u32,
}

impl RecordText {
    /// Creates a record that shares one allocation with two texts before it.
    ///
    /// A store that keeps a record together with its id and its user, millions of times, saves an allocation
    /// or two each.
    ///
    /// # Panics
    ///
    /// For prefixes of 4 GiB.
    pub fn behind(prefixes: [&str; 2], text: &str) -> Self {
        Self::whole([prefixes[0], prefixes[1], text].concat(), prefixes)
    }

    /// Creates a record from a text that begins with the prefixes.
    pub(crate) fn whole(text: String, prefixes: [&str; 2]) -> Self {
        let [first, second] = prefixes.map(str::len);
        let length = |length: usize| u32::try_from(length).expect("a key is shorter than 4 GiB");
        Self {
            bytes: text.into(),
            second: length(first),
            start: length(first + second),
        }
    }

    /// Returns `true` if both are the same bytes at the same address.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bytes, &other.bytes) && self.start == other.start
    }

    /// Returns the texts before the record; empty unless made by [`RecordText::behind`].
    pub fn prefixes(&self) -> [&str; 2] {
        let (second, start) = (self.second as usize, self.start as usize);
        [&self.bytes[..second], &self.bytes[second..start]]
    }
}

impl From<&str> for RecordText {
    fn from(text: &str) -> Self {
        Self {
            bytes: text.into(),
            second: 0,
            start: 0,
        }
    }
}

impl From<String> for RecordText {
    fn from(text: String) -> Self {
        Self {
            bytes: text.into(),
            second: 0,
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
        self.is(other) || **self == **other
    }
}

impl Eq for RecordText {}

impl fmt::Debug for RecordText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordText({} bytes)", self.len())
    }
}
