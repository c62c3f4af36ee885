//! A control: a store whose touches also shorten a life, as most do. The rule of touches must fail on it.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::{
    CasOutcome, NewRecord, RetiredId, Store, StoreFuture, StoredRecord, delegate_rest,
};

/// Sets the expiry of every touch, earlier or later.
#[derive(Clone)]
pub struct TouchesBack(Arc<dyn Store>);

impl TouchesBack {
    /// Wraps a store and drops its guard.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

impl std::fmt::Debug for TouchesBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TouchesBack")
    }
}

impl Store for TouchesBack {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        self.0.get(id)
    }

    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        self.0.expiries(ids)
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        self.0.create(id, entry)
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        self.0.update(id, read, entry)
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        _: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let Some(stored) = self.0.get(id).await? else {
                return Ok(false);
            };
            let moved = NewRecord {
                text: stored.text.clone(),
                ..entry.clone()
            };
            let saved = self.0.update(id, &stored.text, &moved).await?;
            Ok(saved == CasOutcome::Stored)
        })
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.0.destroy(id)
    }

    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        self.0.replace(old, read, new, entry, retired)
    }

    delegate_rest!(|control| &control.0);
}
