//! Everything that ends sessions: a logout, a change of id, expiry.

use std::time::Duration;

use futures_util::future::join;
use mongodb::bson::{Document, doc};

use super::tombstones::Tombstone;
use super::writes::TRIES;
use crate::record::RecordText;
use crate::store::mongodb::MongoInner;
use crate::store::mongodb::connection::concern::durable;
use crate::store::mongodb::connection::error::write_failed;
use crate::store::mongodb::encoding::document::date;
use crate::store::{CasOutcome, NewRecord, RetiredId, StoreError, StoreErrorKind};

/// Time that a process may take between noting an id and deleting its session; a note that stands longer
/// beside a live session was left by one that gave up.
const UNDER_WAY: Duration = Duration::from_millis(50);

impl MongoInner {
    pub(crate) async fn destroy(&self, id: &str) -> Result<bool, StoreError> {
        self.seen().forget(id);
        let Some(tombs) = &self.tombs else {
            return self.delete(self.live_of(id)).await;
        };
        // First the tombstone: what Express writes from now on is invisible.
        let mark = tombs.mark(id, self.now()).await?;
        let destroyed = self.delete(self.live_of(id)).await?;
        if !destroyed && mark == Tombstone::New {
            tombs.unmark(id).await?;
        }
        Ok(destroyed)
    }

    pub(crate) async fn delete(&self, filter: Document) -> Result<bool, StoreError> {
        let deleting = self.sessions.delete_one(filter).write_concern(durable());
        Ok(deleting.await.map_err(write_failed)?.deleted_count > 0)
    }

    /// Ends several sessions, in one command or two.
    pub(crate) async fn destroy_all(&self, ids: &[String]) -> Result<u64, StoreError> {
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

    pub(crate) async fn replace(
        &self,
        old: &str,
        read: Option<&RecordText>,
        new: &str,
        entry: &NewRecord,
        retired: &RetiredId,
    ) -> Result<CasOutcome, StoreError> {
        let Some(read) = read else {
            return self.replace_any(old, new, entry, retired).await;
        };
        if let Some(tombs) = &self.tombs
            && tombs.has(old, self.now()).await?
        {
            return Ok(CasOutcome::NotFound);
        }
        let noting = async {
            match &self.notes {
                Some(notes) => notes.add(old, new, retired, self.now()).await,
                None => Ok(()),
            }
        };
        self.create_and_note(old, new, entry, noting).await?;
        let ended = self.end(old, read).await;
        let undo = match &ended {
            Ok(ended) => *ended != CasOutcome::Stored,
            // If the old session may be gone, the new one has to stay.
            Err(error) => error.kind() != StoreErrorKind::Unknown,
        };
        if undo {
            let undone = self.undo(old, new).await;
            if ended.is_ok() {
                undone?;
            }
        }
        ended
    }

    /// Replaces whatever `old` holds, unless it is retired already.
    async fn replace_any(
        &self,
        old: &str,
        new: &str,
        entry: &NewRecord,
        retired: &RetiredId,
    ) -> Result<CasOutcome, StoreError> {
        let Some(notes) = &self.notes else {
            self.create(new, entry).await?;
            self.destroy(old).await?;
            return Ok(CasOutcome::Stored);
        };
        let noting = notes.claim(old, new, retired, self.now());
        let is_first = self.create_and_note(old, new, entry, noting).await?;
        if !is_first && !self.is_left_live(old).await? {
            self.undo(old, new).await?;
            return Ok(CasOutcome::NotFound);
        }
        if !is_first {
            notes.overwrite(old, new, retired, self.now()).await?;
        }
        self.destroy(old).await?;
        Ok(CasOutcome::Stored)
    }

    /// Returns `true` if a session that was noted as retired is live, and is not just being deleted.
    async fn is_left_live(&self, id: &str) -> Result<bool, StoreError> {
        let id = [id.to_owned()];
        for pause in [Duration::ZERO, UNDER_WAY] {
            tokio::time::sleep(pause).await;
            if self.expiries(&id).await? == [None] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stores the new session while the old id is noted: both before the old session is deleted, and neither
    /// if one of them fails.
    async fn create_and_note<T>(
        &self,
        old: &str,
        new: &str,
        entry: &NewRecord,
        noting: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match join(self.create(new, entry), noting).await {
            (Ok(()), Ok(noted)) => Ok(noted),
            (Ok(()), Err(error)) => {
                let _ = self.undo(old, new).await;
                Err(error)
            }
            (Err(error), _) => {
                self.take_back(old, new).await;
                Err(error)
            }
        }
    }

    /// Deletes a new session whose id no client has yet, and the note that it replaces `old`.
    async fn undo(&self, old: &str, new: &str) -> Result<(), StoreError> {
        self.seen().forget(new);
        let deleting = self.delete(doc! { "_id": new });
        let (deleted, ()) = join(deleting, self.take_back(old, new)).await;
        deleted.map(drop)
    }

    /// Removes a note, best effort: one beside a live session has no effect, and expires in a minute.
    async fn take_back(&self, old: &str, new: &str) {
        if let Some(notes) = &self.notes {
            let _ = notes.take_back(old, new).await;
        }
    }

    /// Ends a session as [`destroy`](Self::destroy) does, after noting why its id is retired.
    pub(crate) async fn retire(&self, id: &str, retired: &RetiredId) -> Result<bool, StoreError> {
        if let Some(notes) = &self.notes {
            notes.claim(id, "", retired, self.now()).await?;
        }
        self.destroy(id).await
    }

    /// Deletes a session if it still has the text that was read.
    async fn end(&self, id: &str, read: &RecordText) -> Result<CasOutcome, StoreError> {
        let mut base = self.known(id, read);
        for _ in 0..TRIES {
            if let Some(base) = &base {
                let mut filter = self.live_of(id);
                filter.insert("session", doc! { "$eq": base });
                if self.delete(filter).await? {
                    self.seen().forget(id);
                    self.bury(id).await?;
                    return Ok(CasOutcome::Stored);
                }
            }
            match self.find(id).await? {
                None => return Ok(CasOutcome::NotFound),
                Some(held) if self.form.same(&held.text, read) => base = Some(held.session),
                Some(held) => return Ok(CasOutcome::Conflict(held.into())),
            }
        }
        let found = self.find(id).await?;
        Ok(found.map_or(CasOutcome::NotFound, |held| {
            CasOutcome::Conflict(held.into())
        }))
    }

    /// Sets the tombstone of a deleted session. Not before: it would hide, meanwhile, a session that stays.
    async fn bury(&self, id: &str) -> Result<(), StoreError> {
        if let Some(tombs) = &self.tombs {
            let marked = tombs.mark(id, self.now()).await;
            marked.map_err(|error| StoreError::new(StoreErrorKind::Unknown, error))?;
        }
        Ok(())
    }

    pub(crate) async fn prune(&self) -> Result<u64, StoreError> {
        let now = self.now();
        if let Some(tombs) = &self.tombs {
            tombs.prune(now).await?;
        }
        if let Some(notes) = &self.notes {
            notes.prune(now).await?;
        }
        let over = doc! { "expires": { "$lte": date(now) } };
        let pruned = self.sessions.delete_many(over).await;
        Ok(pruned.map_err(write_failed)?.deleted_count)
    }
}
