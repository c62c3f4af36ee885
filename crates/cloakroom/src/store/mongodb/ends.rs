//! What ends sessions: a logout, another id, the time.

use mongodb::bson::{Document, doc};

use super::Inner;
use super::connect::durable;
use super::document::date;
use super::errors::write_failed;
use super::tombs::Mark;
use super::writes::TRIES;
use crate::record::RecordText;
use crate::store::{Entry, StoreError, StoreErrorKind, Written};

impl Inner {
    pub(super) async fn destroy(&self, id: &str) -> Result<bool, StoreError> {
        self.seen().forget(id);
        let Some(tombs) = &self.tombs else {
            return self.delete(self.live_of(id)).await;
        };
        // First the tombstone: what Express writes from now on is not seen.
        let mark = tombs.mark(id, self.now()).await?;
        let destroyed = self.delete(self.live_of(id)).await?;
        if !destroyed && mark == Mark::New {
            tombs.unmark(id).await?;
        }
        Ok(destroyed)
    }

    pub(super) async fn delete(&self, filter: Document) -> Result<bool, StoreError> {
        let deleting = self.sessions.delete_one(filter).write_concern(durable());
        Ok(deleting.await.map_err(write_failed)?.deleted_count > 0)
    }

    /// Ends some sessions, in one command or two.
    pub(super) async fn destroy_all(&self, ids: &[String]) -> Result<u64, StoreError> {
        for id in ids {
            self.seen().forget(id);
        }
        if let Some(tombs) = &self.tombs {
            tombs.mark_all(ids, self.now()).await?;
        }
        let mut filter = doc! { "_id": { "$in": ids } };
        filter.extend(self.live());
        let deleting = self.sessions.delete_many(filter).write_concern(durable());
        Ok(deleting.await.map_err(write_failed)?.deleted_count)
    }

    pub(super) async fn replace(
        &self,
        old: &str,
        read: Option<&RecordText>,
        new: &str,
        entry: &Entry,
    ) -> Result<Written, StoreError> {
        let Some(read) = read else {
            self.create(new, entry).await?;
            self.destroy(old).await?;
            return Ok(Written::Saved);
        };
        if let Some(tombs) = &self.tombs
            && tombs.has(old, self.now()).await?
        {
            return Ok(Written::Gone);
        }
        self.create(new, entry).await?;
        let ended = self.end(old, read).await;
        let undo = match &ended {
            Ok(ended) => *ended != Written::Saved,
            // Where the old session may have gone, the new one has to stay.
            Err(error) => error.kind() != StoreErrorKind::Unknown,
        };
        if undo {
            self.seen().forget(new);
            let undone = self.delete(doc! { "_id": new }).await;
            if ended.is_ok() {
                undone?;
            }
        }
        ended
    }

    /// Deletes a session that still has the text that was read.
    async fn end(&self, id: &str, read: &RecordText) -> Result<Written, StoreError> {
        let mut base = self.known(id, read);
        for _ in 0..TRIES {
            if let Some(base) = &base {
                let mut filter = self.live_of(id);
                filter.insert("session", doc! { "$eq": base });
                if self.delete(filter).await? {
                    self.seen().forget(id);
                    self.bury(id).await?;
                    return Ok(Written::Saved);
                }
            }
            match self.find(id).await? {
                None => return Ok(Written::Gone),
                Some(held) if self.form.same(&held.text, read) => base = Some(held.session),
                Some(held) => return Ok(Written::Changed(held.into())),
            }
        }
        let found = self.find(id).await?;
        Ok(found.map_or(Written::Gone, |held| Written::Changed(held.into())))
    }

    /// Sets the tombstone of a session that is gone. Not before: it would hide, meanwhile, a session
    /// that stays.
    async fn bury(&self, id: &str) -> Result<(), StoreError> {
        if let Some(tombs) = &self.tombs {
            let marked = tombs.mark(id, self.now()).await;
            marked.map_err(|error| StoreError::new(StoreErrorKind::Unknown, error))?;
        }
        Ok(())
    }

    pub(super) async fn prune(&self) -> Result<u64, StoreError> {
        let now = self.now();
        if let Some(tombs) = &self.tombs {
            tombs.prune(now).await?;
        }
        let over = doc! { "expires": { "$lte": date(now) } };
        let pruned = self.sessions.delete_many(over).await;
        Ok(pruned.map_err(write_failed)?.deleted_count)
    }
}
