//! The control: a store without compare-and-set, as most are. Tests of races must fail on it.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::{
    CasOutcome, NewRecord, RetiredId, Store, StoreError, StoreFuture, StoredRecord, delegate_rest,
};

/// Overwrites whatever is stored, or creates it: the last writer wins, and a session that was destroyed comes
/// back.
#[derive(Clone)]
pub struct LastWriteWinsStore(Arc<dyn Store>);

impl LastWriteWinsStore {
    /// Wraps a store and drops its compare-and-set.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    async fn put(&self, id: &SessionId, entry: &NewRecord) -> Result<(), StoreError> {
        self.0.destroy(id).await?;
        // Another blind writer may have come in between.
        self.0.create(id, entry).await.or(Ok(()))
    }
}

impl std::fmt::Debug for LastWriteWinsStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastWriteWinsStore")
    }
}

impl Store for LastWriteWinsStore {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        self.0.get(id)
    }

    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        self.0.expiries(ids)
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        Box::pin(self.put(id, entry))
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        _: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        Box::pin(async move {
            self.put(id, entry).await?;
            Ok(CasOutcome::Stored)
        })
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        self.0.touch(id, read, entry)
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.0.destroy(id)
    }

    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        _: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        _: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        Box::pin(async move {
            self.0.destroy(old).await?;
            self.put(new, entry).await?;
            Ok(CasOutcome::Stored)
        })
    }

    delegate_rest!(|blind| &blind.0);
}
