//! Records on their way into a store and out of it.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::RecordText;
use crate::clock::Timestamp;

/// A record as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its JSON text.
    pub text: RecordText,
    /// Time at which the store evicts it, unless it is touched before.
    pub expires: Timestamp,
}

/// A record to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Its JSON text.
    pub text: RecordText,
    /// Time at which the store may evict it.
    pub expires: Timestamp,
    /// The users that it names, for the index, each by its name in the index: one, or none; several where its
    /// keys contradict each other, or one user acts as another.
    pub users: Vec<String>,
}

/// Returns the record as a store that keeps it whole reads it.
impl From<&NewRecord> for StoredRecord {
    fn from(record: &NewRecord) -> Self {
        Self {
            text: record.text.clone(),
            expires: record.expires,
        }
    }
}

/// The mark of the joined names of several users, which are hexadecimal, each between two of these
/// characters.
const SEVERAL: char = '\u{1}';

impl NewRecord {
    /// Joins several users to one text, for a store with a column for one: a user's name is its own text,
    /// unless it looks like several.
    pub(crate) fn joined(users: &[String]) -> Cow<'_, str> {
        match users {
            [] => Cow::Borrowed(""),
            [user] if !user.starts_with(SEVERAL) => Cow::Borrowed(user),
            users => {
                let mut joined = String::from(SEVERAL);
                for user in users {
                    joined += &Self::one_of_several(user)[1..];
                }
                Cow::Owned(joined)
            }
        }
    }

    /// Returns the part that the joined names of several users contain if this is one of them.
    pub(crate) fn one_of_several(user: &str) -> String {
        let mut part = String::from(SEVERAL);
        for byte in user.bytes() {
            // Writing to a String cannot fail.
            let _ = write!(part, "{byte:02x}");
        }
        part.push(SEVERAL);
        part
    }
}

/// Splits the result of [`NewRecord::joined`] into users.
#[cfg(feature = "memory")]
pub(crate) fn split(joined: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let several = joined.strip_prefix(SEVERAL);
    let one = Some(joined).filter(|joined| several.is_none() && !joined.is_empty());
    let parts = several
        .into_iter()
        .flat_map(|several| several.split(SEVERAL));
    let named = parts.filter(|part| !part.is_empty()).filter_map(unhex);
    one.map(Cow::Borrowed)
        .into_iter()
        .chain(named.map(Cow::Owned))
}

#[cfg(feature = "memory")]
fn unhex(part: &str) -> Option<String> {
    let byte = |at| u8::from_str_radix(part.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..part.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use super::{NewRecord, split};

    #[test]
    fn joined_users_split_back_and_no_name_is_ambiguous() {
        let several = NewRecord::joined(&["ada".to_owned(), "é\u{1}".to_owned()]).into_owned();
        #[rustfmt::skip]
        let table: &[&[&str]] = &[&[], &["ada"], &["ada", "grace"], &["\u{1}ada"], &["\u{1}", "x"], &[&several], &["a\u{1}b"]];
        for users in table {
            let users: Vec<String> = users.iter().map(|&user| user.to_owned()).collect();
            let joined = NewRecord::joined(&users);
            let again: Vec<_> = split(&joined).collect();
            assert_eq!(again, users, "{joined:?}");
        }
        assert!(several.contains(&NewRecord::one_of_several("ada")));
        assert!(!several.contains(&NewRecord::one_of_several("da")));
    }
}
