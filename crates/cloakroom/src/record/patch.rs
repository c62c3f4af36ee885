//! The changes of a request: keys set and keys removed, applied to the record as it is stored by then.

use std::sync::Arc;

use super::{COOKIE, Field, METADATA_KEY, Record, js};

/// Changes to data keys, in the order in which they were made. Clones share them until one is changed
/// further.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patch(Option<Arc<Vec<Keyed>>>);

/// A key with its change.
type Keyed = (Box<str>, KeyChange);

#[derive(Clone, Debug, PartialEq, Eq)]
enum KeyChange {
    /// The value at the key's place, or at the end where there is none.
    Set(String),
    Remove,
    /// Removed and then set: in JavaScript the key moves to the end.
    Append(String),
}

impl Patch {
    pub(crate) fn is_empty(&self) -> bool {
        self.changes_made().is_empty()
    }

    /// Returns the most bytes and keys that it adds to a record.
    pub(crate) fn adds(&self) -> (usize, usize) {
        let values = self
            .changes_made()
            .iter()
            .map(|(key, change)| match change {
                KeyChange::Set(value) | KeyChange::Append(value) => member_length(key, value),
                KeyChange::Remove => 0,
            });
        (values.sum(), self.changes_made().len())
    }

    fn changes_made(&self) -> &[Keyed] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    fn changes_mut(&mut self) -> &mut Vec<Keyed> {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    /// Sets a key to a value in JSON.
    pub(crate) fn set(&mut self, key: &str, json: impl Into<String>) {
        let (at, json) = (self.position(key), json.into());
        let changes = self.changes_mut();
        match at {
            Some(at) => match &mut changes[at].1 {
                KeyChange::Set(value) | KeyChange::Append(value) => *value = json,
                KeyChange::Remove => {
                    changes.remove(at);
                    changes.push((key.into(), KeyChange::Append(json)));
                }
            },
            None => changes.push((key.into(), KeyChange::Set(json))),
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        match self.position(key) {
            Some(at) => self.changes_mut()[at].1 = KeyChange::Remove,
            None => self.changes_mut().push((key.into(), KeyChange::Remove)),
        }
    }

    #[expect(
        clippy::option_option,
        reason = "not mentioned, removed, and set are three answers"
    )]
    /// Returns the change of a key: none, its removal, or its value.
    pub(crate) fn get(&self, key: &str) -> Option<Option<&str>> {
        let change = |at: usize| &self.changes_made()[at].1;
        self.position(key).map(|at| match change(at) {
            KeyChange::Set(value) | KeyChange::Append(value) => Some(&**value),
            KeyChange::Remove => None,
        })
    }

    /// Appends later changes.
    pub(crate) fn extend(&mut self, later: &Self) {
        if self.is_empty() {
            self.clone_from(later);
            return;
        }
        for (key, change) in later.changes_made() {
            match change {
                KeyChange::Set(value) => self.set(key, value.clone()),
                KeyChange::Remove => self.remove(key),
                KeyChange::Append(value) => {
                    self.remove(key);
                    self.set(key, value.clone());
                }
            }
        }
    }

    /// Removes the changes in `sent`: they were written, and are pending no more.
    pub(crate) fn subtract(&mut self, sent: &Self) {
        let (Some(own), Some(written)) = (&mut self.0, &sent.0) else {
            return;
        };
        if Arc::ptr_eq(own, written) {
            self.0 = None;
        } else {
            Arc::make_mut(own).retain(|change| !written.contains(change));
        }
    }

    /// Returns `true` if the patch changes the data of `base`, or its order.
    pub(crate) fn changes(&self, base: Option<&Record>) -> bool {
        let is = |key: &str| base.and_then(|base| base.get(key));
        self.changes_made()
            .iter()
            .any(|(key, change)| match change {
                KeyChange::Set(value) => is(key) != Some(value),
                KeyChange::Remove => is(key).is_some(),
                KeyChange::Append(value) => is(key) != Some(value) || self.moves(base),
            })
    }

    /// Returns `true` if it changes the order of keys, or more.
    fn moves(&self, base: Option<&Record>) -> bool {
        let before = base
            .into_iter()
            .flat_map(Record::members)
            .filter(Field::is_data);
        self.data(base).into_iter().ne(before)
    }

    /// Returns the resulting data, in JavaScript's order.
    pub(crate) fn data<'a>(&'a self, base: Option<&'a Record>) -> Vec<Field<'a>> {
        let base = base
            .into_iter()
            .flat_map(Record::members)
            .filter(Field::is_data);
        in_javascript_order(self.over(base))
    }

    /// Returns the whole resulting record: `base` with the patch, `cookie` and the metadata applied.
    pub(crate) fn lay<'a>(
        &'a self,
        base: Option<&'a Record>,
        cookie: &'a str,
        metadata: Option<&'a str>,
    ) -> Vec<Field<'a>> {
        let mut fields = self.over(base.into_iter().flat_map(Record::members));
        match fields.iter_mut().find(|field| field.name() == COOKIE) {
            Some(field) => field.value = cookie,
            None => fields.insert(0, Field::own(COOKIE, cookie)),
        }
        if let Some(metadata) = metadata {
            match fields.iter_mut().find(|field| field.name() == METADATA_KEY) {
                Some(field) => field.value = metadata,
                None => fields.push(Field::own(METADATA_KEY, metadata)),
            }
        }
        in_javascript_order(fields)
    }

    fn over<'a>(&'a self, base: impl Iterator<Item = Field<'a>>) -> Vec<Field<'a>> {
        let changes = self.changes_made();
        let mut placed = vec![false; changes.len()];
        let mut entries = Vec::with_capacity(16);
        entries.extend(base.filter_map(|entry| match self.position(&entry.name()) {
            None => Some(entry),
            Some(at) => match &changes[at].1 {
                KeyChange::Set(value) => {
                    placed[at] = true;
                    Some(Field { value, ..entry })
                }
                KeyChange::Remove | KeyChange::Append(_) => None,
            },
        }));
        for ((key, change), placed) in changes.iter().zip(placed) {
            if let (KeyChange::Set(value) | KeyChange::Append(value), false) = (change, placed) {
                entries.push(Field::new(key, value));
            }
        }
        entries
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.changes_made()
            .iter()
            .position(|(name, _)| **name == *key)
    }
}

/// Sorts integer-like keys first, in numeric order (ECMA-262, 10.1.11.1).
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

/// Returns fields as the text of one JSON object.
pub(crate) fn object(fields: &[Field<'_>]) -> String {
    let mut text = String::with_capacity(length(fields));
    write_object(fields, &mut text, |_, _| ());
    text
}

/// Returns the most bytes of a member: a character of its key may take an escape of six.
pub(crate) fn member_length(key: &str, value: &str) -> usize {
    6 * key.len() + value.len() + 4
}

/// Returns the approximate length in bytes of the text of `fields`.
pub(super) fn length(fields: &[Field<'_>]) -> usize {
    let each = fields
        .iter()
        .map(|field| field.key.len() + field.value.len() + 4);
    each.sum::<usize>() + 2
}

/// Appends an object, and reports where each member's key begins.
pub(super) fn write_object<'a>(
    fields: &'a [Field<'a>],
    text: &mut String,
    mut at: impl FnMut(&'a Field<'a>, usize),
) {
    for (index, field) in fields.iter().enumerate() {
        text.push_str(if index == 0 { "{\"" } else { ",\"" });
        at(field, text.len());
        text.push_str(&field.key);
        text.push_str("\":");
        text.push_str(field.value);
    }
    text.push_str(if fields.is_empty() { "{}" } else { "}" });
}
