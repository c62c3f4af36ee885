//! The ids that were retired within the last minute, in a collection of their own.
//!
//! A replacement notes the old id before it deletes the session, and takes its note back if it was refused.
//! So an id may have several notes for a moment, one for each attempt.

use std::time::Duration;

use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc};

use crate::clock::Timestamp;
use crate::store::mongodb::connection::concern::durable;
use crate::store::mongodb::connection::error::{read_failed, write_failed};
use crate::store::mongodb::encoding::document::date;
use crate::store::{RETIRED_FOR, RetiredId, StoreError, StoreErrorKind};

/// Number of reads of an id with several notes, and the pause between two: all but one are taken back within
/// milliseconds, unless the process that made them is gone.
const LOOKS: usize = 10;
const PAUSE: Duration = Duration::from_millis(10);

/// The collection of notes: `{_id, expires, notes: [{by, successor, until}]}`, where `by` is the id that is
/// to take the place.
pub(crate) struct Notes(pub(crate) Collection<Document>);

impl Notes {
    /// Adds a note.
    pub(crate) async fn add(
        &self,
        id: &str,
        by: &str,
        retired: &RetiredId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let adding = || async {
            let mut update = expiring(now);
            update.insert("$push", doc! { "notes": note(by, retired, now) });
            self.upsert(doc! { "_id": id }, update).await
        };
        match adding().await {
            // A concurrent call made the first one.
            Err(error) if error.kind() == StoreErrorKind::IdTaken => adding().await,
            added => added,
        }
    }

    /// Makes the only note; `false` if there is one already.
    pub(crate) async fn claim(
        &self,
        id: &str,
        by: &str,
        retired: &RetiredId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let claiming = || async {
            let unknown = doc! { "$not": { "$gt": date(now) } };
            let filter = doc! { "_id": id, "notes.until": unknown };
            self.upsert(filter, only(by, retired, now)).await
        };
        for _ in 0..2 {
            match claiming().await {
                // There is a document: its notes stand, or it was created at this moment.
                Err(error) if error.kind() == StoreErrorKind::IdTaken => {}
                claimed => return claimed.map(|()| true),
            }
        }
        Ok(false)
    }

    /// Makes the only note, whatever there is.
    pub(crate) async fn overwrite(
        &self,
        id: &str,
        by: &str,
        retired: &RetiredId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.upsert(doc! { "_id": id }, only(by, retired, now))
            .await
    }

    /// Takes back a note.
    pub(crate) async fn take_back(&self, id: &str, by: &str) -> Result<(), StoreError> {
        let update = doc! { "$pull": { "notes": { "by": by } } };
        let taking = self.0.update_one(doc! { "_id": id }, update);
        taking.await.map(drop).map_err(write_failed)
    }

    /// Returns the reason why an id was retired, as long as it is remembered.
    pub(crate) async fn get(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<RetiredId>, StoreError> {
        let mut looks = 1;
        loop {
            let found = self.0.find_one(doc! { "_id": id }).await;
            let notes = found.map_err(read_failed)?.map_or(Vec::new(), |found| {
                standing(&found, now).map(str::to_owned).collect()
            });
            if notes.len() <= 1 || looks == LOOKS {
                return Ok(notes.into_iter().next().map(RetiredId::from));
            }
            looks += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(crate) async fn prune(&self, now: Timestamp) -> Result<(), StoreError> {
        let over = doc! { "expires": { "$lte": date(now) } };
        let pruned = self.0.delete_many(over).await;
        pruned.map(drop).map_err(write_failed)
    }

    async fn upsert(&self, filter: Document, update: Document) -> Result<(), StoreError> {
        let writing = self.0.update_one(filter, update).upsert(true);
        let written = writing.write_concern(durable()).await;
        written.map(drop).map_err(write_failed)
    }
}

fn note(by: &str, retired: &RetiredId, now: Timestamp) -> Document {
    let until = date(now.after(RETIRED_FOR));
    doc! { "by": by, "successor": retired.as_str(), "until": until }
}

/// Builds the update that replaces all notes by one.
fn only(by: &str, retired: &RetiredId, now: Timestamp) -> Document {
    let mut update = expiring(now);
    update.insert("$set", doc! { "notes": [note(by, retired, now)] });
    update
}

fn expiring(now: Timestamp) -> Document {
    doc! { "$max": { "expires": date(now.after(RETIRED_FOR)) } }
}

/// Returns the successors that the notes of a document name and that have not expired.
fn standing(found: &Document, now: Timestamp) -> impl Iterator<Item = &str> {
    let notes = found.get_array("notes").map_or(&[][..], Vec::as_slice);
    let notes = notes.iter().filter_map(Bson::as_document);
    notes.filter_map(move |note| {
        let until = note.get_datetime("until").ok()?;
        let stands = Timestamp::from_millis(until.timestamp_millis()) > now;
        note.get_str("successor").ok().filter(|_| stands)
    })
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{DateTime, doc};

    use super::standing;
    use crate::clock::Timestamp;

    #[test]
    fn notes_stand_until_their_time() {
        let at = |millis| DateTime::from_millis(millis);
        let note =
            |successor: &str, until| doc! { "by": "n", "successor": successor, "until": at(until) };
        let found = doc! { "_id": "a", "notes": [note("a", 5), note("", 7), "odd", note("c", 6)] };
        let table: [(i64, &[&str]); 4] =
            [(4, &["a", "", "c"]), (5, &["", "c"]), (6, &[""]), (7, &[])];
        for (now, left) in table {
            let now = Timestamp::from_millis(now);
            assert_eq!(standing(&found, now).collect::<Vec<_>>(), left, "{now:?}");
        }
        assert_eq!(standing(&doc! {}, Timestamp::from_millis(0)).count(), 0);
    }
}
