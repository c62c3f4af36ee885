//! Writes that store sessions and keep them alive.

use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};

use crate::clock::Timestamp;
use crate::record::RecordText;
use crate::store::mongodb::MongoInner;
use crate::store::mongodb::connection::error::{read_failed, write_failed};
use crate::store::mongodb::encoding::document::date;
use crate::store::mongodb::encoding::format::{DecodedSession, SessionFormat};
use crate::store::{CasOutcome, NewRecord, StoreError, StoreErrorKind};

/// The outcome of one attempt to save.
enum SaveAttempt {
    Saved,
    Gone,
    Other(DecodedSession),
}

/// The time at which a session was saved or touched.
enum LastModified {
    Gone,
    Unknown,
    Recently,
    Earlier,
}

/// Number of attempts at a document that holds what was read in other bytes.
pub(crate) const TRIES: usize = 3;

impl MongoInner {
    /// Stores a session in one command: it replaces an expired document, inserts where there is none, and
    /// fails on the `_id` of a live one.
    pub(crate) async fn create(&self, id: &str, entry: &NewRecord) -> Result<(), StoreError> {
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

    /// Builds a document in the order in which MongoDB stores what connect-mongo sends.
    fn new_document(&self, id: &str, session: Bson, entry: &NewRecord) -> Document {
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

    /// Returns the fields that every save sets.
    pub(super) fn fields(&self, session: Bson, entry: &NewRecord) -> Document {
        let mut fields = self.user_fields(&session, &entry.text);
        fields.insert("session", session);
        fields.insert("expires", date(self.time.inward(entry.expires)));
        if !self.options.touch_after.is_zero() {
            fields.insert("lastModified", date(self.now()));
        }
        fields
    }

    pub(crate) async fn update(
        &self,
        id: &str,
        read: &RecordText,
        entry: &NewRecord,
    ) -> Result<CasOutcome, StoreError> {
        let saving = self.save(id, read, entry);
        let saved = self.unless_buried(id, saving).await?;
        Ok(saved.unwrap_or(CasOutcome::NotFound))
    }

    async fn save(
        &self,
        id: &str,
        read: &RecordText,
        entry: &NewRecord,
    ) -> Result<Option<CasOutcome>, StoreError> {
        let mut base = match self.known(id, read) {
            Some(base) => base,
            None => match self.find(id).await? {
                None => return Ok(None),
                Some(held) if self.form.same(&held.text, read) => held.session,
                Some(held) => return Ok(Some(CasOutcome::Conflict(held.into()))),
            },
        };
        let mut tries = 1;
        loop {
            let session = self.form.session(&entry.text, Some(&base)).await?;
            match self.attempt(id, &base, session.clone(), entry).await? {
                SaveAttempt::Gone => return Ok(None),
                SaveAttempt::Saved => {
                    self.saw(id, &entry.text, session);
                    return Ok(Some(CasOutcome::Stored));
                }
                SaveAttempt::Other(held) if tries < TRIES && self.form.same(&held.text, read) => {
                    base = held.session;
                    tries += 1;
                }
                SaveAttempt::Other(held) => return Ok(Some(CasOutcome::Conflict(held.into()))),
            }
        }
    }

    /// Returns the BSON that a text was read from, if the cache has it.
    pub(crate) fn known(&self, id: &str, read: &RecordText) -> Option<Bson> {
        match self.form {
            SessionFormat::Text => Some((**read).into()),
            SessionFormat::Document | SessionFormat::Sealed(_) => self.seen().get(id, read),
        }
    }

    pub(super) fn saw(&self, id: &str, text: &RecordText, session: Bson) {
        if !matches!(self.form, SessionFormat::Text) {
            self.seen().put(id, text.clone(), session);
        }
    }

    /// Makes one attempt: one command if the session still is what was read; another one returns the stored
    /// one.
    async fn attempt(
        &self,
        id: &str,
        base: &Bson,
        session: Bson,
        entry: &NewRecord,
    ) -> Result<SaveAttempt, StoreError> {
        let mut filter = self.live_of(id);
        filter.insert("session", doc! { "$eq": base });
        let update = self.setting(self.fields(session, entry));
        let saved = self.sessions.update_one(filter, update).await;
        if saved.map_err(write_failed)?.matched_count > 0 {
            return Ok(SaveAttempt::Saved);
        }
        let found = self.find(id).await?;
        Ok(found.map_or(SaveAttempt::Gone, SaveAttempt::Other))
    }

    pub(super) fn setting(&self, fields: Document) -> Document {
        let mut update = doc! { "$set": fields };
        self.stamp(&mut update);
        update
    }

    fn stamp(&self, update: &mut Document) {
        if self.options.timestamps {
            update.insert("$currentDate", doc! { "updatedAt": true });
        }
    }

    pub(crate) async fn touch(&self, id: &str, expires: Timestamp) -> Result<bool, StoreError> {
        let touching = async {
            // A slow clock shortens no life.
            let mut update = doc! { "$max": { "expires": date(self.time.inward(expires)) } };
            if !self.options.touch_after.is_zero() {
                match self.last_modified(id).await? {
                    LastModified::Gone => return Ok(None),
                    LastModified::Recently => return Ok(Some(())),
                    LastModified::Earlier => {
                        update.insert("$set", doc! { "lastModified": date(self.now()) });
                    }
                    LastModified::Unknown => {}
                }
            }
            self.stamp(&mut update);
            let touched = self.sessions.update_one(self.live_of(id), update).await;
            let touched = touched.map_err(write_failed)?.matched_count > 0;
            Ok(touched.then_some(()))
        };
        Ok(self.unless_buried(id, touching).await?.is_some())
    }

    /// Reads `lastModified`. A document without the field gets none, and is always touched, as with
    /// connect-mongo.
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
}
