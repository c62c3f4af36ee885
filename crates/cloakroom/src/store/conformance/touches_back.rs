//! A control: a store whose touches also shorten a life, as most do. The rule of touches must fail on it.

use std::sync::Arc;

use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::{CasOutcome, NewRecord, Store, StoreFuture, StoreWrapper};

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

impl StoreWrapper for TouchesBack {
    type Inner = dyn Store;

    fn inner(&self) -> &dyn Store {
        &*self.0
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        _: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let Some(stored) = self.inner().get(id).await? else {
                return Ok(false);
            };
            let moved = NewRecord {
                text: stored.text.clone(),
                ..entry.clone()
            };
            let saved = self.inner().update(id, &stored.text, &moved).await?;
            Ok(saved == CasOutcome::Stored)
        })
    }
}
