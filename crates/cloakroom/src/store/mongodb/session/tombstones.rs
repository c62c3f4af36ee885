//! Tombstones: the ids of sessions that ended, for as long as Express may resurrect them.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::{Collection, Database};

use crate::clock::Timestamp;
use crate::store::mongodb::connection::concern::durable;
use crate::store::mongodb::connection::error::{DUPLICATE_KEY, read_failed, write_failed};
use crate::store::mongodb::encoding::document::date;
use crate::store::{StoreError, StoreErrorKind};

/// Time that a tombstone stands, longer than a resurrected session lives: a late save by Express gives it its
/// whole lifetime again. A month is longer than most.
const TOMBSTONE_TTL: Duration = Duration::from_hours(31 * 24);

/// The collection of tombstones: `{_id, expires, marks}`, where `marks` counts how often one was set.
pub(crate) struct Tombstones {
    pub(crate) database: Database,
    pub(crate) collection: Collection<RawDocumentBuf>,
}

/// The result of writing a tombstone: a new one, or one that stood there before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tombstone {
    New,
    Again,
}

impl Tombstones {
    pub(crate) async fn mark(&self, id: &str, now: Timestamp) -> Result<Tombstone, StoreError> {
        match self.try_to_mark(id, now).await {
            // A concurrent call set it: now there is one to set again.
            Err(error) if error.kind() == StoreErrorKind::IdTaken => {
                self.try_to_mark(id, now).await
            }
            marked => marked,
        }
    }

    async fn try_to_mark(&self, id: &str, now: Timestamp) -> Result<Tombstone, StoreError> {
        let marked = self
            .collection
            .update_one(doc! { "_id": id }, Self::setting(now))
            .upsert(true)
            .write_concern(durable())
            .await
            .map_err(write_failed)?;
        Ok(marked
            .upserted_id
            .map_or(Tombstone::Again, |_| Tombstone::New))
    }

    /// Sets many tombstones in one command.
    pub(crate) async fn mark_all(&self, ids: &[String], now: Timestamp) -> Result<(), StoreError> {
        let updates: Vec<Document> = ids
            .iter()
            .map(|id| doc! { "q": { "_id": id }, "u": Self::setting(now), "upsert": true })
            .collect();
        let command = doc! {
            "update": self.collection.name(),
            "updates": updates,
            "ordered": false,
            "writeConcern": { "w": "majority", "j": true },
        };
        let done = self.database.run_command(command).await;
        let done = done.map_err(write_failed)?;
        // A duplicate key was set by a concurrent call.
        let is_twice = |error: &Bson| {
            let code = error
                .as_document()
                .and_then(|error| error.get_i32("code").ok());
            code == Some(DUPLICATE_KEY)
        };
        let failed = done.get_array("writeErrors");
        let failed = failed.is_ok_and(|errors| !errors.iter().all(is_twice));
        if failed || done.contains_key("writeConcernError") {
            return Err(StoreErrorKind::Unknown.into());
        }
        Ok(())
    }

    /// Takes back a new tombstone for which there was no session, unless another process set it as well.
    pub(crate) async fn unmark(&self, id: &str) -> Result<(), StoreError> {
        let unmarking = self
            .collection
            .delete_one(doc! { "_id": id, "marks": 1 })
            .write_concern(durable());
        unmarking.await.map(drop).map_err(write_failed)
    }

    pub(crate) async fn has(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let mut filter = Self::standing(now);
        filter.insert("_id", id);
        let found = self.collection.find_one(filter).await;
        Ok(found.map_err(read_failed)?.is_some())
    }

    pub(crate) async fn among(
        &self,
        ids: &[String],
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        let mut filter = Self::standing(now);
        filter.insert("_id", doc! { "$in": ids });
        self.ids(filter).await
    }

    pub(crate) async fn all(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        self.ids(Self::standing(now)).await
    }

    pub(crate) async fn prune(&self, now: Timestamp) -> Result<(), StoreError> {
        let over = doc! { "expires": { "$lte": date(now) } };
        let pruned = self.collection.delete_many(over).await;
        pruned.map(drop).map_err(write_failed)
    }

    async fn ids(&self, filter: Document) -> Result<Vec<String>, StoreError> {
        let finding = self.collection.find(filter).projection(doc! { "_id": 1 });
        let found = finding.await.map_err(read_failed)?;
        let found: Vec<_> = found.try_collect().await.map_err(read_failed)?;
        let ids = found.iter().filter_map(|tomb| tomb.get_str("_id").ok());
        Ok(ids.map(str::to_owned).collect())
    }

    fn setting(now: Timestamp) -> Document {
        doc! { "$max": { "expires": date(now.after(TOMBSTONE_TTL)) }, "$inc": { "marks": 1 } }
    }

    fn standing(now: Timestamp) -> Document {
        doc! { "expires": { "$gt": date(now) } }
    }
}
