//! Pages of whole records, and conditional writes.

use futures_util::TryStreamExt as _;
use mongodb::bson::{RawDocumentBuf, doc};

use super::writes::TRIES;
use crate::clock::Timestamp;
use crate::record::RecordText;
use crate::store::mongodb::MongoInner;
use crate::store::mongodb::connection::error::{read_failed, write_failed};
use crate::store::mongodb::encoding::document::date;
use crate::store::transfer::present;
use crate::store::{NewRecord, PutIf, PutOutcome, RecordPage, StoreError, StoreErrorKind};

/// The longest page.
const PAGE: usize = 10_000;

impl MongoInner {
    /// Scans in the order of `_id`; the cursor is the last one.
    pub(crate) async fn scan_records(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<RecordPage, StoreError> {
        let limit = u32::try_from(limit.clamp(1, PAGE)).unwrap_or(u32::MAX);
        let found = self.documents(cursor, limit).await?;
        let mut ids = Vec::with_capacity(found.len());
        for document in &found {
            ids.push(document.get_str("_id").unwrap_or_default().to_owned());
        }
        let is_full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
        let next = ids.last().filter(|_| is_full).cloned();
        // Queried last: a session that is destroyed meanwhile has its tombstone before it is deleted.
        let buried = self.buried(&ids).await?;
        let mut records = Vec::with_capacity(ids.len());
        for (id, document) in ids.into_iter().zip(&found) {
            if !buried.contains(&id) {
                let read = self.held(document).await.map(|held| Some(held.into()));
                records.extend(present(self.session_id(&id), read)?);
            }
        }
        Ok(RecordPage { records, next })
    }

    async fn documents(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        // A text in either bound, so that `_id`s of other types are passed over.
        let first = || doc! { "$gte": "" };
        let after = cursor.map_or_else(first, |cursor| doc! { "$gt": cursor });
        let mut filter = doc! { "_id": after };
        filter.extend(self.live());
        let finding = self
            .sessions
            .find(filter)
            .sort(doc! { "_id": 1 })
            .limit(limit.into())
            // In one reply, as far as 16 MB go.
            .batch_size(limit + 1);
        let found = finding.await.map_err(read_failed)?;
        found.try_collect().await.map_err(read_failed)
    }

    /// Stores a record on a condition.
    pub(crate) async fn put(
        &self,
        id: &str,
        entry: &NewRecord,
        condition: &PutIf,
    ) -> Result<PutOutcome, StoreError> {
        let Some(read) = condition.text() else {
            return self.put_absent(id, entry).await;
        };
        let putting = self.put_over(id, entry, read, condition.latest());
        let put = self.unless_buried(id, putting).await?;
        Ok(put.unwrap_or(PutOutcome::NotFound))
    }

    async fn put_absent(&self, id: &str, entry: &NewRecord) -> Result<PutOutcome, StoreError> {
        if self.is_known_as_ended(id).await? {
            let live = self.get(id).await?;
            return Ok(live.map_or(PutOutcome::Retired, PutOutcome::Conflict));
        }
        match self.create(id, entry).await {
            // Whoever ends a session notes that before it deletes: either this look finds the note, or that
            // deletion the document.
            Ok(()) if self.is_known_as_ended(id).await? => {
                self.seen().forget(id);
                self.delete(doc! { "_id": id }).await?;
                Ok(PutOutcome::Retired)
            }
            Ok(()) => Ok(PutOutcome::Stored),
            Err(error) if error.kind() == StoreErrorKind::IdTaken => {
                let live = self.get(id).await?;
                Ok(live.map_or(PutOutcome::Retired, PutOutcome::Conflict))
            }
            Err(error) => Err(error),
        }
    }

    /// Returns `true` if the id is retired, or has a tombstone.
    async fn is_known_as_ended(&self, id: &str) -> Result<bool, StoreError> {
        if let Some(notes) = &self.notes
            && notes.get(id, self.now()).await?.is_some()
        {
            return Ok(true);
        }
        match &self.tombs {
            Some(tombs) => tombs.has(id, self.now()).await,
            None => Ok(false),
        }
    }

    /// Replaces a live session that has the text that was read, and no later expiry; `None` if there is none.
    async fn put_over(
        &self,
        id: &str,
        entry: &NewRecord,
        read: &RecordText,
        latest: Option<Timestamp>,
    ) -> Result<Option<PutOutcome>, StoreError> {
        for _ in 0..TRIES {
            let Some(held) = self.find(id).await? else {
                return Ok(None);
            };
            if !self.form.same(&held.text, read) {
                return Ok(Some(PutOutcome::Conflict(held.into())));
            }
            let session = self.form.session(&entry.text, Some(&held.session)).await?;
            let mut filter = self.live_of(id);
            filter.insert("session", doc! { "$eq": &held.session });
            if let Some(latest) = latest {
                let latest = date(self.time.inward(latest));
                filter.insert("expires", doc! { "$not": { "$gt": latest } });
            }
            let update = self.setting(self.fields(session.clone(), entry));
            let saved = self.sessions.update_one(filter, update).await;
            if saved.map_err(write_failed)?.matched_count > 0 {
                self.saw(id, &entry.text, session);
                return Ok(Some(PutOutcome::Stored));
            }
        }
        let found = self.find(id).await?;
        Ok(found.map(|held| PutOutcome::Conflict(held.into())))
    }
}
