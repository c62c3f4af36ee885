//! Reads of the collection.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt as _;
use futures_util::future::join;
use mongodb::bson::{Document, RawDocumentBuf, doc};

use crate::clock::Timestamp;
use crate::store::mongodb::MongoInner;
use crate::store::mongodb::connection::error::read_failed;
use crate::store::mongodb::encoding::document::date;
use crate::store::mongodb::encoding::format::{DecodedSession, SessionFormat};
use crate::store::{Page, StoreError, StoreErrorKind, StoredRecord};

/// Most ids that one command names.
pub(crate) const BATCH: usize = 500;

impl MongoInner {
    /// Returns the filter that every live document meets, in connect-mongo's words.
    pub(crate) fn live(&self) -> Document {
        let now = date(self.now());
        doc! { "$or": [{ "expires": { "$exists": false } }, { "expires": { "$gt": now } }] }
    }

    pub(crate) fn live_of(&self, id: &str) -> Document {
        let mut filter = doc! { "_id": id };
        filter.extend(self.live());
        filter
    }

    /// Awaits an operation on a session; `None` if it has a tombstone.
    pub(crate) async fn unless_buried<T>(
        &self,
        id: &str,
        doing: impl Future<Output = Result<Option<T>, StoreError>>,
    ) -> Result<Option<T>, StoreError> {
        let Some(tombs) = &self.tombs else {
            return doing.await;
        };
        let (done, buried) = join(doing, tombs.has(id, self.now())).await;
        // A write that was made and may not count: the caller has to re-read.
        let buried = match (&done, buried) {
            (Ok(Some(_)), Err(error)) => {
                return Err(StoreError::new(StoreErrorKind::Unknown, error));
            }
            (_, buried) => buried?,
        };
        if !buried {
            return done;
        }
        if !matches!(done, Ok(None)) {
            // Express resurrected it; left alone, it would outlive its tombstone.
            let _ = self.delete(doc! { "_id": id }).await;
        }
        Ok(None)
    }

    pub(crate) async fn find(&self, id: &str) -> Result<Option<DecodedSession>, StoreError> {
        let found = self.sessions.find_one(self.live_of(id)).await;
        match found.map_err(read_failed)? {
            Some(found) => Ok(Some(self.held(&found).await?)),
            None => Ok(None),
        }
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<StoredRecord>, StoreError> {
        let Some(held) = self.unless_buried(id, self.find(id)).await? else {
            return Ok(None);
        };
        if !matches!(self.form, SessionFormat::Text) {
            self.seen().put(id, held.text.clone(), held.session.clone());
        }
        Ok(Some(held.into()))
    }

    /// Returns the expiry of each live session; those under a tombstone are not live.
    pub(crate) async fn expiries(
        &self,
        ids: &[String],
    ) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let mut living = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(BATCH) {
            let mut filter = doc! { "_id": { "$in": ids } };
            filter.extend(self.live());
            let finding = self
                .sessions
                .find(filter)
                .projection(doc! { "_id": 1, "expires": 1 });
            let found = finding.await.map_err(read_failed)?;
            let found: Vec<_> = found.try_collect().await.map_err(read_failed)?;
            living.extend(found.iter().filter_map(|found| self.life(found)));
        }
        // Queried last: a session that is destroyed meanwhile has its tombstone before it is deleted.
        let buried = self.buried(ids).await?;
        let unburied = ids
            .iter()
            .map(|id| Some(id).filter(|id| !buried.contains(*id)));
        Ok(unburied.map(|id| living.get(id?).copied()).collect())
    }

    fn life(&self, found: &RawDocumentBuf) -> Option<(String, Timestamp)> {
        let expires = match found.get_datetime("expires") {
            Ok(expires) => Timestamp::from_millis(expires.timestamp_millis()),
            Err(_) => self.now().after(self.options.ttl),
        };
        let expires = self.time.outward(expires);
        Some((found.get_str("_id").ok()?.to_owned(), expires))
    }

    /// Scans in the order of `_id`; the cursor is the last one.
    pub(crate) async fn scan(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, 100_000);
        // A text in either bound, so that `_id`s of other types are passed over.
        let first = || doc! { "$gte": "" };
        let after = cursor.map_or_else(first, |cursor| doc! { "$gt": cursor });
        let mut filter = doc! { "_id": after };
        filter.extend(self.live());
        let found = self
            .sessions
            .find(filter)
            .projection(doc! { "_id": 1 })
            .sort(doc! { "_id": 1 })
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .await
            .map_err(read_failed)?;
        let found: Vec<_> = found.try_collect().await.map_err(read_failed)?;
        let ids: Vec<String> = found
            .iter()
            .filter_map(|found| Some(found.get_str("_id").ok()?.to_owned()))
            .collect();
        let next = ids.last().filter(|_| found.len() == limit).cloned();
        let buried = self.buried(&ids).await?;
        let live = ids.iter().filter(|id| !buried.contains(*id));
        Ok(Page {
            ids: live.map(|id| self.session_id(id)).collect(),
            next,
        })
    }

    pub(crate) async fn count(&self) -> Result<u64, StoreError> {
        let all = self.sessions.count_documents(self.live());
        let all = all.await.map_err(read_failed)?;
        let Some(tombs) = &self.tombs else {
            return Ok(all);
        };
        let mut brought_back = 0;
        for ids in tombs.all(self.now()).await?.chunks(BATCH) {
            let mut filter = doc! { "_id": { "$in": ids } };
            filter.extend(self.live());
            let counting = self.sessions.count_documents(filter);
            brought_back += counting.await.map_err(read_failed)?;
        }
        Ok(all.saturating_sub(brought_back))
    }

    /// Returns those of `ids` that have a tombstone.
    pub(crate) async fn buried(&self, ids: &[String]) -> Result<HashSet<String>, StoreError> {
        let mut buried = HashSet::new();
        if let Some(tombs) = &self.tombs {
            for ids in ids.chunks(BATCH) {
                buried.extend(tombs.among(ids, self.now()).await?);
            }
        }
        Ok(buried)
    }
}
