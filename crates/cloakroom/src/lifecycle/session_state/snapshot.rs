//! Writes and reads during a request: what a write included, and what the stored record changes.

use std::sync::Arc;

use super::SessionState;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::record::{CookieState, Metadata, Patch, Record};

/// The state that a write includes, to recognise changes that were made while it was under way.
pub(crate) struct WriteSnapshot {
    pub(crate) id: SessionId,
    resets: u32,
    patch: Patch,
    cookie: CookieState,
    sets_cookie: bool,
    metadata: Option<Arc<Metadata>>,
}

impl SessionState {
    /// Returns the state that a write which begins now includes.
    pub(crate) fn sent(&self) -> WriteSnapshot {
        WriteSnapshot {
            id: self.identity.id.clone(),
            resets: self.progress.resets,
            patch: self.data.patch.clone(),
            cookie: self.cookie.value.clone(),
            sets_cookie: self.cookie.changed,
            metadata: self.metadata.value.clone(),
        }
    }

    /// Notes that a record is stored, under this id. What was changed while the write was under way is still
    /// to be written: data, attributes, another id.
    pub(crate) fn apply_saved(
        &mut self,
        id: SessionId,
        record: Arc<Record>,
        expires: Timestamp,
        sent: &WriteSnapshot,
    ) {
        self.identity.stored = Some(id.clone());
        self.identity.stored_expires = expires;
        if self.progress.resets != sent.resets {
            // Another session has begun in its place, and takes nothing of it.
            return;
        }
        if self.identity.id == sent.id {
            self.identity.id = id;
        }
        self.identity.superseded = None;
        self.cookie.changed &= self.cookie.value != sent.cookie;
        // A record cannot hold a date that JavaScript cannot; what this request set, it keeps.
        if self.data.base.is_some() && !sent.sets_cookie {
            self.cookie.refresh(&record);
        }
        self.metadata.changed = self.metadata.value != sent.metadata;
        self.metadata.refresh(&record);
        self.data.base = Some(record);
        self.data.patch.subtract(&sent.patch);
        self.progress.saved = true;
    }

    /// Takes the record that another request stored meanwhile; changes of this one are discarded. Another id
    /// that it was given is still to be stored.
    pub(crate) fn apply_reload(&mut self, record: Arc<Record>, expires: Timestamp) {
        self.identity.stored_expires = expires;
        self.cookie.reload(&record);
        self.metadata = super::TrackedMetadata::of(&record);
        self.data.base = Some(record);
        self.data.patch = Patch::default();
    }

    /// Replaces the record from a cache with the stored one; changes of this request stay.
    pub(crate) fn refresh_base(&mut self, record: Arc<Record>, expires: Timestamp) {
        self.identity.stored_expires = expires;
        let base = self.data.base.as_ref();
        if base.is_none_or(|base| base.text() == record.text()) {
            return;
        }
        self.cookie.refresh(&record);
        self.metadata.refresh(&record);
        self.data.base = Some(record);
    }
}
