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
    /// Where the second part of the text before the record begins, and where the record does.
    second: u32,
    start: u32,
}

impl RecordText {
    /// A record that shares one allocation with two texts before it.
    ///
    /// A store that keeps a record behind its id and its user, millions of times, saves an
    /// allocation or two each.
    ///
    /// # Panics
    ///
    /// For prefixes of 4 GiB.
    pub fn behind(prefixes: [&str; 2], text: &str) -> Self {
        Self::whole([prefixes[0], prefixes[1], text].concat(), prefixes)
    }

    /// The same, of a text that begins with the prefixes.
    pub(crate) fn whole(text: String, prefixes: [&str; 2]) -> Self {
        let [first, second] = prefixes.map(str::len);
        let length = |length: usize| u32::try_from(length).expect("a key is shorter than 4 GiB");
        Self {
            bytes: text.into(),
            second: length(first),
            start: length(first + second),
        }
    }

    /// Whether both are the same bytes in the same place.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bytes, &other.bytes) && self.start == other.start
    }

    /// Whether somebody else holds these bytes, too.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.bytes) > 1
    }

    /// Where the bytes lie.
    pub(crate) fn address(&self) -> usize {
        self.bytes.as_ptr().addr()
    }

    /// The texts before the record; empty unless made by [`RecordText::behind`].
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
        **self == **other
    }
}

impl Eq for RecordText {}

impl fmt::Debug for RecordText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordText({} bytes)", self.len())
    }
}
