//! Records in bulk: pages of whole records, and conditional writes of them, for listings, exports and moves to
//! another store.

use std::fmt;
use std::time::Duration;

use super::{CasOutcome, NewRecord, Page, Store, StoreError, StoreErrorKind, StoredRecord};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::record::RecordText;

/// The expiry of a record that has no end, the last instant of the year 9999: a store may return any later one
/// for it, and takes any later one as this.
pub const ENDLESS: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// The difference up to which two readings of one expiry are the same: stores count in whole seconds, and some
/// by the time that is left.
const SAME_EXPIRY: Duration = Duration::from_millis(1_500);

/// A page of the records in a store.
#[derive(Default)]
pub struct RecordPage {
    /// The live records with their ids; over the pages of a scan, each that lived throughout is included, some
    /// stores give one twice. One that cannot be read has its reason in its place, mostly
    /// [`StoreErrorKind::Corrupt`].
    ///
    /// The ids are the store's own: where ids are
    /// [hashed](crate::policy::PolicyBuilder::hash_ids_at_rest), hashes that no client has.
    pub records: Vec<(SessionId, Result<StoredRecord, StoreError>)>,
    /// The cursor for the next call of [`scan_records`](Store::scan_records); `None` after the last page.
    pub next: Option<String>,
}

/// A record in its place in a page, or the reason why it cannot be read.
pub(super) type PlacedRecord = (SessionId, Result<StoredRecord, StoreError>);

impl fmt::Debug for RecordPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In some stores the cursor contains the id that the next page begins after.
        f.debug_struct("RecordPage")
            .field("records", &self.records)
            .field("has_next", &self.next.is_some())
            .finish()
    }
}

/// The condition on which [`put`](Store::put) writes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutIf {
    /// No live record has the id, and the id is not retired: an ending in this store is not undone.
    Absent,
    /// The record has this text, whatever its expiry is.
    Text(RecordText),
    /// The record has this text, and no later expiry than this one, to within a second and a half: nobody has
    /// changed or touched it since.
    Unchanged(StoredRecord),
}

/// The outcome of a [`put`](Store::put).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The record is stored, with exactly the expiry that came with it.
    Stored,
    /// A live record does not meet the condition: nothing was written, and this is the stored record.
    Conflict(StoredRecord),
    /// There is no live record of that id, and the condition requires one.
    NotFound,
    /// The session of that id ended in this store, or got another id, a moment ago: nothing was written.
    Retired,
}

impl PutIf {
    /// Decides by what the store holds: `None` to write, else the outcome.
    pub(super) fn refuse(
        &self,
        live: Option<StoredRecord>,
        is_retired: bool,
    ) -> Option<PutOutcome> {
        match (self, live) {
            (Self::Absent, Some(stored)) => Some(PutOutcome::Conflict(stored)),
            (Self::Absent, None) => is_retired.then_some(PutOutcome::Retired),
            (_, None) => Some(PutOutcome::NotFound),
            (_, Some(stored)) => (!self.holds(&stored)).then_some(PutOutcome::Conflict(stored)),
        }
    }

    /// Returns the text that the stored record must have; `None` if there must be no record.
    pub(super) fn text(&self) -> Option<&RecordText> {
        match self {
            Self::Absent => None,
            Self::Text(text) => Some(text),
            Self::Unchanged(read) => Some(&read.text),
        }
    }

    /// Returns the latest expiry that the stored record may have; `None` for any.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        match self {
            Self::Unchanged(read) if read.expires < ENDLESS => {
                Some(read.expires.after(SAME_EXPIRY))
            }
            _ => None,
        }
    }

    fn holds(&self, stored: &StoredRecord) -> bool {
        let is_in_time = self.latest().is_none_or(|latest| stored.expires <= latest);
        is_in_time && self.text() == Some(&stored.text)
    }
}

impl From<CasOutcome> for PutOutcome {
    fn from(saved: CasOutcome) -> Self {
        match saved {
            CasOutcome::Stored => Self::Stored,
            CasOutcome::NotFound => Self::NotFound,
            CasOutcome::Conflict(stored) => Self::Conflict(stored),
        }
    }
}

/// Returns an entry whose expiry every store can hold.
pub(super) fn bounded(entry: &NewRecord) -> NewRecord {
    NewRecord {
        expires: entry.expires.min(ENDLESS),
        ..entry.clone()
    }
}

/// Reads a page of records one after the other: what a store does that has nothing better.
pub(super) async fn read_each<S: Store + ?Sized>(
    store: &S,
    page: Page,
) -> Result<RecordPage, StoreError> {
    let mut records = Vec::with_capacity(page.ids.len());
    for id in page.ids {
        let read = store.get_uncached(&id).await;
        records.extend(present(id, read)?);
    }
    Ok(RecordPage {
        records,
        next: page.next,
    })
}

/// Returns the place in a page of what a read returned; `None` where the session has ended meanwhile.
///
/// # Errors
///
/// The read's own, if it concerns the store and not this record.
pub(super) fn present(
    id: SessionId,
    read: Result<Option<StoredRecord>, StoreError>,
) -> Result<Option<PlacedRecord>, StoreError> {
    match read {
        Ok(stored) => Ok(stored.map(|stored| (id, Ok(stored)))),
        Err(error) if error.kind() == StoreErrorKind::Corrupt => Ok(Some((id, Err(error)))),
        Err(error) => Err(error),
    }
}

/// Puts a record in several steps: what a store does that has nothing better.
pub(super) async fn put_in_steps<S: Store + ?Sized>(
    store: &S,
    id: &SessionId,
    entry: &NewRecord,
    condition: &PutIf,
) -> Result<PutOutcome, StoreError> {
    let live = store.get_uncached(id).await?;
    let is_retired = live.is_none() && store.retired(id).await?.is_some();
    if let Some(refused) = condition.refuse(live, is_retired) {
        return Ok(refused);
    }
    let entry = bounded(entry);
    if let Some(read) = condition.text() {
        return Ok(store.update(id, read, &entry).await?.into());
    }
    match store.create(id, &entry).await {
        // Looked at again: whoever ended it meanwhile has found no session to delete.
        Ok(()) if store.retired(id).await?.is_some() => {
            store.destroy(id).await?;
            Ok(PutOutcome::Retired)
        }
        Ok(()) => Ok(PutOutcome::Stored),
        // Others were faster, or the store refuses an id that it knows to have ended.
        Err(error) if error.kind() == StoreErrorKind::IdTaken => Ok(store
            .get_uncached(id)
            .await?
            .map_or(PutOutcome::Retired, PutOutcome::Conflict)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{ENDLESS, PutIf, PutOutcome, StoredRecord};
    use crate::clock::Timestamp;

    /// The default of [`Store::scan_records`](super::Store::scan_records).
    #[cfg(all(feature = "memory", feature = "conformance"))]
    #[tokio::test]
    async fn a_page_that_is_read_one_by_one_names_the_unreadable_record() {
        use std::sync::Arc;

        use crate::store::conformance::FaultInjectingStore;
        use crate::store::memory::MemoryStore;
        use crate::store::{NewRecord, Store as _, StoreErrorKind};

        let store = FaultInjectingStore::new(Arc::new(MemoryStore::new()));
        let ids: Vec<_> = (0..3).map(|_| crate::id::SessionId::random()).collect();
        for id in &ids {
            let entry = NewRecord {
                text: "{}".into(),
                expires: ENDLESS,
                users: Vec::new(),
            };
            store.create(id, &entry).await.unwrap();
        }
        let page = || super::Page {
            ids: ids.clone(),
            next: None,
        };
        store.fail_call(2, StoreErrorKind::Corrupt);
        let read = super::read_each(&store, page()).await.unwrap();
        let failed: Vec<bool> = read.records.iter().map(|(_, read)| read.is_err()).collect();
        assert_eq!(failed, [false, true, false]);
        store.destroy(&ids[0]).await.unwrap();
        let read = super::read_each(&store, page()).await.unwrap();
        assert_eq!(read.records.len(), 2, "one has ended meanwhile");
        store.fail_call(2, StoreErrorKind::Unavailable);
        let failed = super::read_each(&store, page()).await.unwrap_err();
        assert_eq!(failed.kind(), StoreErrorKind::Unavailable);
    }

    fn record(text: &str, expires: i64) -> StoredRecord {
        StoredRecord {
            text: text.into(),
            expires: Timestamp::from_millis(expires),
        }
    }

    #[test]
    fn a_put_is_decided_by_what_the_store_holds() {
        let endless = ENDLESS.as_millis();
        let text = |text: &str| PutIf::Text(text.into());
        let unchanged = |text, expires| PutIf::Unchanged(record(text, expires));
        #[rustfmt::skip]
        let table = [ // condition,      stored,              retired, outcome (`None`: it is written)
            (PutIf::Absent,              None,                     false, None),
            (PutIf::Absent,              None,                     true,  Some("Retired")),
            (PutIf::Absent,              Some(("a", 5)),           false, Some("Conflict")),
            (PutIf::Absent,              Some(("a", 5)),           true,  Some("Conflict")),
            (text("a"),                  None,                     false, Some("NotFound")),
            (text("a"),                  None,                     true,  Some("NotFound")),
            (text("a"),                  Some(("a", 5)),           false, None),
            (text("a"),                  Some(("a", endless)),     false, None),
            (text("a"),                  Some(("b", 5)),           false, Some("Conflict")),
            (unchanged("a", 9_000),      Some(("a", 9_000)),       false, None),
            (unchanged("a", 9_000),      Some(("a", 5)),           false, None),
            (unchanged("a", 9_000),      Some(("a", 10_500)),      false, None),
            (unchanged("a", 9_000),      Some(("a", 10_501)),      false, Some("Conflict")),
            (unchanged("a", 9_000),      Some(("b", 9_000)),       false, Some("Conflict")),
            (unchanged("a", 9_000),      None,                     false, Some("NotFound")),
            (unchanged("a", endless),    Some(("a", i64::MAX)),    false, None),
            (unchanged("a", i64::MAX),   Some(("a", endless)),     false, None),
        ];
        for (condition, stored, is_retired, expected) in table {
            let live = stored.map(|(text, expires)| record(text, expires));
            let refused = condition.refuse(live.clone(), is_retired);
            let expected = expected.map(|expected| match expected {
                "Conflict" => PutOutcome::Conflict(live.clone().unwrap()),
                "NotFound" => PutOutcome::NotFound,
                _ => PutOutcome::Retired,
            });
            assert_eq!(refused, expected, "{condition:?} {stored:?} {is_retired}");
        }
    }
}
