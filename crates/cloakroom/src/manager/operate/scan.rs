//! All sessions of a store, a page at a time: memory does not grow with their number.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use super::filter::SessionFilter;
use crate::cookie::KeyRing;
use crate::id::SessionId;
use crate::manager::SessionSummary;
use crate::record::{StoredRecord, UserKeys};
use crate::store::{Store, StoreError};

/// Sessions of a user that are read at the same time.
const AT_ONCE: usize = 50;

/// A session as a scan read it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FoundSession {
    /// Its id, or the store's own name of it: never shown.
    pub id: SessionId,
    /// The facts that an operator sees.
    pub summary: SessionSummary,
    /// Its record; `None` where the store cannot read it.
    pub stored: Option<StoredRecord>,
}

impl FoundSession {
    /// Judges a record that a store returned; `None` for one that no request can open any more.
    pub fn of(
        secrets: &KeyRing,
        user_keys: &UserKeys,
        id: SessionId,
        stored: Option<StoredRecord>,
        now: SystemTime,
    ) -> Option<Self> {
        let summary = match &stored {
            Some(stored) => SessionSummary::of(secrets, user_keys, &id, stored, now)?,
            None => SessionSummary::unreadable(secrets, &id),
        };
        Some(Self {
            id,
            summary,
            stored,
        })
    }
}

/// The pages of a scan that match a filter.
pub struct SessionScan {
    store: Arc<dyn Store>,
    secrets: KeyRing,
    user_keys: UserKeys,
    filter: SessionFilter,
    next: Option<String>,
    is_over: bool,
    size: usize,
    /// The ids that the index named, where sessions that no index has are looked for after them.
    indexed: Option<HashSet<SessionId>>,
    reads_unindexed: bool,
}

impl SessionScan {
    /// Creates a scan from the beginning, 500 sessions a page; a filter by user reads that user's sessions alone.
    pub fn new(
        store: Arc<dyn Store>,
        secrets: KeyRing,
        user_keys: UserKeys,
        filter: SessionFilter,
    ) -> Self {
        Self {
            store,
            secrets,
            user_keys,
            filter,
            next: None,
            is_over: false,
            size: 500,
            indexed: None,
            reads_unindexed: false,
        }
    }

    /// Sets the number of records that a page reads, about; some may not match.
    #[must_use]
    pub fn page_of(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// Reads all sessions after those of a user that the index names, for a store into which other programs write
    /// and enter nothing in the index: Redis with connect-redis.
    #[must_use]
    pub fn and_unindexed(mut self, reads_unindexed: bool) -> Self {
        self.reads_unindexed = reads_unindexed;
        self
    }

    /// Continues where another scan of the same filter was.
    #[must_use]
    pub fn from_cursor(mut self, cursor: String) -> Self {
        self.next = Some(cursor);
        self
    }

    /// Returns the cursor of the next page, which may contain an id; `None` before the first and after the last.
    pub fn cursor(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// Returns `true` after the last page.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns the next page's sessions that match, maybe none; `None` after the last page.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed; the same page may be asked for again.
    pub async fn page(&mut self) -> Result<Option<Vec<FoundSession>>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        if let (Some(user), None) = (self.filter.user.clone(), &self.indexed) {
            let found = self.read_user(&user).await?;
            self.is_over = !self.reads_unindexed;
            self.indexed = Some(found.iter().map(|found| found.id.clone()).collect());
            return Ok(Some(found));
        }
        let page = self
            .store
            .scan_records(self.next.as_deref(), self.size)
            .await?;
        self.next = page.next;
        self.is_over = self.next.is_none();
        let records = page.records.into_iter();
        let found = records.filter_map(|(id, stored)| self.matching(id, stored.ok()));
        Ok(Some(
            found.filter(|found| self.is_asked_for(found)).collect(),
        ))
    }

    /// Returns `true` for a session that was not returned by the index, and names the filter's user.
    fn is_asked_for(&self, found: &FoundSession) -> bool {
        let (Some(user), Some(indexed)) = (&self.filter.user, &self.indexed) else {
            return true;
        };
        let names_user = |stored: &StoredRecord| {
            let users = self.user_keys.users_of(&stored.text);
            users.iter().any(|named| named == user)
        };
        !indexed.contains(&found.id) && found.stored.as_ref().is_some_and(names_user)
    }

    /// Reads a user's sessions, which the store's index names: those that are read together are one round trip.
    async fn read_user(&self, user: &str) -> Result<Vec<FoundSession>, StoreError> {
        let mut found = Vec::new();
        for ids in self.store.list_by_user(user).await?.chunks(AT_ONCE) {
            let reading = ids.iter().map(|id| {
                let (store, id) = (Arc::clone(&self.store), id.clone());
                tokio::spawn(async move { store.get_uncached(&id).await })
            });
            let reading: Vec<_> = reading.collect();
            for (id, reading) in ids.iter().zip(reading) {
                let stored = reading.await.ok().and_then(Result::ok);
                if matches!(stored, Some(None)) {
                    continue;
                }
                found.extend(self.matching(id.clone(), stored.flatten()));
            }
        }
        Ok(found)
    }

    fn matching(&self, id: SessionId, stored: Option<StoredRecord>) -> Option<FoundSession> {
        let now = SystemTime::now();
        let found = FoundSession::of(&self.secrets, &self.user_keys, id, stored, now)?;
        let text = found.stored.as_ref().map(|stored| &stored.text);
        self.filter
            .matches(&found.summary, text, now)
            .then_some(found)
    }
}

impl std::fmt::Debug for SessionScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // In some stores the cursor contains an id.
        f.debug_struct("SessionScan")
            .field("filter", &self.filter)
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}
