//! What changes the collection.

use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};

use super::Inner;
use super::connect::durable;
use super::document::date;
use super::errors::{read_failed, write_failed};
use super::form::{Form, Held};
use super::tombs::Mark;
use crate::clock::Timestamp;
use crate::record::RecordText;
use crate::store::{Entry, StoreError, StoreErrorKind, Written};

/// What became of one attempt to save.
enum Attempt {
    Saved,
    Gone,
    Other(Held),
}

/// When a session was saved or touched.
enum LastModified {
    Gone,
    Unknown,
    Recently,
    Earlier,
}

/// How often a document is met that says what was read in other bytes.
const TRIES: usize = 3;

impl Inner {
    /// One command: it replaces what expired, inserts where there is nothing, and fails on the `_id`
    /// of a live document.
    pub(super) async fn create(&self, id: &str, entry: &Entry) -> Result<(), StoreError> {
        if let Some(tombs) = &self.tombs
            && tombs.has(id, self.now()).await?
        {
            return Err(StoreErrorKind::IdTaken.into());
        }
        let session = self.form.session(&entry.text, None).await?;
        let document = self.new_document(id, session.clone(), entry);
        let expired = doc! { "_id": id, "expires": { "$lte": date(self.now()) } };
        let raw = RawDocumentBuf::try_from(&document)
            .map_err(|_| StoreError::new(StoreErrorKind::Invalid, "the record is no BSON"))?;
        let creating = self.sessions.replace_one(expired, &raw).upsert(true);
        creating.await.map_err(write_failed)?;
        self.saw(id, &entry.text, session);
        Ok(())
    }

    /// In the order in which MongoDB stores what connect-mongo sends.
    fn new_document(&self, id: &str, session: Bson, entry: &Entry) -> Document {
        let now = date(self.now());
        let mut fields = self.fields(session, entry);
        if self.options.timestamps {
            fields.insert("createdAt", now);
            fields.insert("updatedAt", now);
        }
        let mut fields: Vec<_> = fields.into_iter().collect();
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        let id = ("_id".to_owned(), id.into());
        [id].into_iter().chain(fields).collect()
    }

    /// What every save sets.
    fn fields(&self, session: Bson, entry: &Entry) -> Document {
        let mut fields = self.user_fields(&session, &entry.text);
        fields.insert("session", session);
        fields.insert("expires", date(entry.expires));
        if !self.options.touch_after.is_zero() {
            fields.insert("lastModified", date(self.now()));
        }
        fields
    }

    pub(super) async fn update(
        &self,
        id: &str,
        read: &RecordText,
        entry: &Entry,
    ) -> Result<Written, StoreError> {
        let saving = self.save(id, read, entry);
        let saved = self.unless_buried(id, saving).await?;
        Ok(saved.unwrap_or(Written::Gone))
    }

    async fn save(
        &self,
        id: &str,
        read: &RecordText,
        entry: &Entry,
    ) -> Result<Option<Written>, StoreError> {
        let mut base = match self.known(id, read) {
            Some(base) => base,
            None => match self.find(id).await? {
                None => return Ok(None),
                Some(held) if self.form.same(&held.text, read) => held.session,
                Some(held) => return Ok(Some(Written::Changed(held.into()))),
            },
        };
        let mut tries = 1;
        loop {
            let session = self.form.session(&entry.text, Some(&base)).await?;
            match self.attempt(id, &base, session.clone(), entry).await? {
                Attempt::Gone => return Ok(None),
                Attempt::Saved => {
                    self.saw(id, &entry.text, session);
                    return Ok(Some(Written::Saved));
                }
                Attempt::Other(held) if tries < TRIES && self.form.same(&held.text, read) => {
                    base = held.session;
                    tries += 1;
                }
                Attempt::Other(held) => return Ok(Some(Written::Changed(held.into()))),
            }
        }
    }

    /// The BSON that a text was read from, if that is known without asking.
    fn known(&self, id: &str, read: &RecordText) -> Option<Bson> {
        match self.form {
            Form::Text => Some((**read).into()),
            Form::Document | Form::Sealed(_) => self.seen().get(id, read),
        }
    }

    fn saw(&self, id: &str, text: &RecordText, session: Bson) {
        if !matches!(self.form, Form::Text) {
            self.seen().put(id, text.clone(), session);
        }
    }

    /// One command where the session still is what was read; another one tells what it is instead.
    async fn attempt(
        &self,
        id: &str,
        base: &Bson,
        session: Bson,
        entry: &Entry,
    ) -> Result<Attempt, StoreError> {
        let mut filter = self.live_of(id);
        filter.insert("session", doc! { "$eq": base });
        let update = self.setting(self.fields(session, entry));
        let saved = self.sessions.update_one(filter, update).await;
        if saved.map_err(write_failed)?.matched_count > 0 {
            return Ok(Attempt::Saved);
        }
        let found = self.find(id).await?;
        Ok(found.map_or(Attempt::Gone, Attempt::Other))
    }

    fn setting(&self, fields: Document) -> Document {
        let mut update = doc! { "$set": fields };
        if self.options.timestamps {
            update.insert("$currentDate", doc! { "updatedAt": true });
        }
        update
    }

    pub(super) async fn touch(&self, id: &str, expires: Timestamp) -> Result<bool, StoreError> {
        let touching = async {
            let mut fields = doc! { "expires": date(expires) };
            if !self.options.touch_after.is_zero() {
                match self.last_modified(id).await? {
                    LastModified::Gone => return Ok(None),
                    LastModified::Recently => return Ok(Some(())),
                    LastModified::Earlier => {
                        fields.insert("lastModified", date(self.now()));
                    }
                    LastModified::Unknown => {}
                }
            }
            let update = self.setting(fields);
            let touched = self.sessions.update_one(self.live_of(id), update).await;
            let touched = touched.map_err(write_failed)?.matched_count > 0;
            Ok(touched.then_some(()))
        };
        Ok(self.unless_buried(id, touching).await?.is_some())
    }

    /// A document without the field gets none, and is always touched, as with connect-mongo.
    async fn last_modified(&self, id: &str) -> Result<LastModified, StoreError> {
        let finding = self
            .sessions
            .find_one(self.live_of(id))
            .projection(doc! { "lastModified": 1 });
        let Some(found) = finding.await.map_err(read_failed)? else {
            return Ok(LastModified::Gone);
        };
        Ok(match found.get_datetime("lastModified") {
            Err(_) => LastModified::Unknown,
            Ok(at) => {
                let at = Timestamp::from_millis(at.timestamp_millis());
                if self.now().since(at) < self.options.touch_after {
                    LastModified::Recently
                } else {
                    LastModified::Earlier
                }
            }
        })
    }

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
