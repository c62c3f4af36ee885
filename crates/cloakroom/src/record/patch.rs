//! What a request changed: keys set and keys removed, applied to whatever record is stored by then.

use std::borrow::Cow;

use super::{COOKIE, Field, Record, RecordText, STAMP, js};

/// Changes to data keys, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patch(Vec<(String, Change)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// The value at the key's place, or at the end where there is none.
    Set(Box<str>),
    Remove,
    /// Removed and then set: in JavaScript the key moves to the end.
    Append(Box<str>),
}

impl Patch {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a key to a value in JSON.
    pub(crate) fn set(&mut self, key: &str, json: impl Into<Box<str>>) {
        match self.position(key) {
            Some(at) => match &mut self.0[at].1 {
                Change::Set(value) | Change::Append(value) => *value = json.into(),
                Change::Remove => {
                    self.0.remove(at);
                    self.0.push((key.to_owned(), Change::Append(json.into())));
                }
            },
            None => self.0.push((key.to_owned(), Change::Set(json.into()))),
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        match self.position(key) {
            Some(at) => self.0[at].1 = Change::Remove,
            None => self.0.push((key.to_owned(), Change::Remove)),
        }
    }

    #[expect(
        clippy::option_option,
        reason = "not mentioned, removed, and set are three answers"
    )]
    /// What the patch says of a key: nothing, that it is gone, or its value.
    pub(crate) fn get(&self, key: &str) -> Option<Option<&str>> {
        self.position(key).map(|at| match &self.0[at].1 {
            Change::Set(value) | Change::Append(value) => Some(&**value),
            Change::Remove => None,
        })
    }

    /// Adds what came later to what came first.
    pub(crate) fn extend(&mut self, later: &Self) {
        for (key, change) in &later.0 {
            match change {
                Change::Set(value) => self.set(key, value.clone()),
                Change::Remove => self.remove(key),
                Change::Append(value) => {
                    self.remove(key);
                    self.set(key, value.clone());
                }
            }
        }
    }

    /// Takes out what `sent` holds too: it was written, and is no change any more.
    pub(crate) fn subtract(&mut self, sent: &Self) {
        self.0.retain(|change| !sent.0.contains(change));
    }

    /// Whether the data of `base` would be other data, or in another order, with the patch.
    pub(crate) fn changes(&self, base: Option<&Record>) -> bool {
        if self.is_empty() {
            return false;
        }
        let before = base
            .into_iter()
            .flat_map(Record::members)
            .filter(Field::is_data);
        self.data(base).into_iter().ne(before)
    }

    /// The data that results, in the order in which JavaScript would list it.
    pub(crate) fn data<'a>(&'a self, base: Option<&'a Record>) -> Vec<Field<'a>> {
        let base = base
            .into_iter()
            .flat_map(Record::members)
            .filter(Field::is_data);
        in_javascript_order(self.over(base))
    }

    /// The whole record that results: `base` with the patch, `cookie` and the stamp over it.
    pub(crate) fn apply(
        &self,
        base: Option<&Record>,
        cookie: &str,
        stamp: Option<&str>,
    ) -> RecordText {
        let mut own = Self::default();
        own.set(COOKIE, cookie);
        if let Some(stamp) = stamp {
            own.set(STAMP, stamp);
        }
        let entries = match base {
            Some(base) => self.over(base.members()),
            None => self.over(
                [Field {
                    key: COOKIE.into(),
                    value: "{}",
                }]
                .into_iter(),
            ),
        };
        object(&in_javascript_order(own.over(entries.into_iter()))).into()
    }

    fn over<'a>(&'a self, base: impl Iterator<Item = Field<'a>>) -> Vec<Field<'a>> {
        let mut placed = vec![false; self.0.len()];
        let mut entries: Vec<Field<'a>> = base
            .filter_map(|entry| match self.position(&entry.name()) {
                None => Some(entry),
                Some(at) => match &self.0[at].1 {
                    Change::Set(value) => {
                        placed[at] = true;
                        Some(Field { value, ..entry })
                    }
                    Change::Remove | Change::Append(_) => None,
                },
            })
            .collect();
        for ((key, change), placed) in self.0.iter().zip(placed) {
            if let (Change::Set(value) | Change::Append(value), false) = (change, placed) {
                entries.push(Field {
                    key: escape(key),
                    value,
                });
            }
        }
        entries
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.0.iter().position(|(name, _)| name == key)
    }
}

/// The text of a key between its quotes.
fn escape(key: &str) -> Cow<'_, str> {
    let plain = key
        .bytes()
        .all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        return Cow::Borrowed(key);
    }
    let quoted = js::stringify(key).unwrap_or_else(|_| "\"\"".into());
    Cow::Owned(quoted[1..quoted.len() - 1].to_owned())
}

/// Integer-like keys come first, in numeric order (ECMA-262, 10.1.11.1).
fn in_javascript_order(mut entries: Vec<Field<'_>>) -> Vec<Field<'_>> {
    let starts_as_number = |entry: &Field<'_>| {
        entry
            .key
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_digit())
    };
    if entries.iter().any(starts_as_number) {
        entries.sort_by_key(|entry| js::array_index(&entry.key).map_or(u64::MAX, u64::from));
    }
    entries
}

/// Entries as the text of one JSON object.
pub(crate) fn object(entries: &[Field<'_>]) -> String {
    let length = entries
        .iter()
        .map(|entry| entry.key.len() + entry.value.len() + 4)
        .sum::<usize>();
    let mut text = String::with_capacity(length + 2);
    text.push('{');
    for (index, Field { key, value }) in entries.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push('"');
        text.push_str(key);
        text.push_str("\":");
        text.push_str(value);
    }
    text.push('}');
    text
}
