//! The data of a session during one request: the record as it was read, and the changes to it.

use std::sync::Arc;

use crate::record::{COOKIE, Field, METADATA_KEY, Patch, Record};

/// A record, and a patch over it.
#[derive(Debug, Default)]
pub(crate) struct TrackedData {
    /// The record that was read or saved last, to which the patch is applied.
    pub(crate) base: Option<Arc<Record>>,
    /// The record that this request found.
    pub(super) original: Option<Arc<Record>>,
    pub(crate) patch: Patch,
}

impl TrackedData {
    /// Returns the unchanged data of a record that this request found.
    #[inline]
    pub(super) fn found(record: Arc<Record>) -> Self {
        Self {
            base: Some(Arc::clone(&record)),
            original: Some(record),
            patch: Patch::default(),
        }
    }

    /// Returns the JSON text of a key's present value.
    #[inline]
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        match self.patch.get(key) {
            Some(change) => change,
            None => self.base.as_ref()?.get(key),
        }
    }

    /// Returns the JSON text of a key's present value, if an application may have that key.
    pub(crate) fn application_value(&self, key: &str) -> Option<&str> {
        self.get(key)
            .filter(|_| key != COOKIE && key != METADATA_KEY)
    }

    /// Returns all present keys and values of the application, in the record's order.
    pub(crate) fn fields(&self) -> Vec<Field<'_>> {
        self.patch.data(self.base.as_deref())
    }

    /// Returns the record that this request found or, after a save, left.
    pub(crate) fn last_record(&self) -> Option<&Record> {
        self.base.as_deref().or(self.original.as_deref())
    }

    /// Returns `true` if there is something to write: the data differs from what was read or saved last.
    #[inline]
    pub(crate) fn is_dirty(&self) -> bool {
        let is_reserved = |base: &Arc<Record>| base.has_reserved_keys();
        self.patch.changes(self.base.as_deref()) || self.base.as_ref().is_some_and(is_reserved)
    }

    /// Returns `true` if the data differs from what this request found.
    pub(super) fn is_modified(&self) -> bool {
        let is_reserved = |original: &Arc<Record>| original.has_reserved_keys();
        self.original.as_ref().is_some_and(is_reserved) || self.differs()
    }

    fn differs(&self) -> bool {
        let same_base = match (&self.base, &self.original) {
            (Some(base), Some(original)) => Arc::ptr_eq(base, original),
            (None, None) => true,
            _ => false,
        };
        if same_base {
            return self.patch.changes(self.base.as_deref());
        }
        let nothing = Patch::default();
        self.fields() != nothing.data(self.original.as_deref())
    }

    /// Discards all data; what this request found stays known.
    pub(super) fn discard(&mut self) {
        self.base = None;
        self.patch = Patch::default();
    }
}
