//! The control: a store without compare-and-set, as most are. Tests of races must fail on it.

use std::sync::Arc;

use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::{
    CasOutcome, NewRecord, PutIf, PutOutcome, RetiredId, Store, StoreError, StoreFuture,
    StoreWrapper,
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

    async fn overwrite(&self, id: &SessionId, entry: &NewRecord) -> Result<(), StoreError> {
        self.inner().destroy(id).await?;
        // Another blind writer may have come in between.
        self.inner().create(id, entry).await.or(Ok(()))
    }
}

impl std::fmt::Debug for LastWriteWinsStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastWriteWinsStore")
    }
}

impl StoreWrapper for LastWriteWinsStore {
    type Inner = dyn Store;

    fn inner(&self) -> &dyn Store {
        &*self.0
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        Box::pin(self.overwrite(id, entry))
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        _: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        Box::pin(async move {
            self.overwrite(id, entry).await?;
            Ok(CasOutcome::Stored)
        })
    }

    /// Remembers nothing, as most stores do.
    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.inner().destroy(id)
    }

    fn retire_as<'a>(&'a self, id: &'a SessionId, _: &'a RetiredId) -> StoreFuture<'a, bool> {
        self.inner().destroy(id)
    }

    fn put<'a>(
        &'a self,
        id: &'a SessionId,
        entry: &'a NewRecord,
        _: &'a PutIf,
    ) -> StoreFuture<'a, PutOutcome> {
        Box::pin(async move {
            self.overwrite(id, entry).await?;
            Ok(PutOutcome::Stored)
        })
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
            self.inner().destroy(old).await?;
            self.overwrite(new, entry).await?;
            Ok(CasOutcome::Stored)
        })
    }
}
