//! Pages of whole records, and conditional writes.

use rusqlite::{Result, Row, params};

use super::reads::Read;
use super::writes::Write;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::transfer::bounded;
use crate::store::{
    NewRecord, PutIf, PutOutcome, RecordPage, StoreError, StoreErrorKind, StoredRecord,
};

/// The longest page.
const PAGE: usize = 10_000;

/// A row of a page, in the place of its record.
type Placed = (SessionId, std::result::Result<StoredRecord, StoreError>);

impl Read<'_> {
    /// Returns the records of the rows after the one of this number.
    pub(super) fn scan_records(&self, after: i64, limit: usize) -> Result<RecordPage> {
        let limit = limit.clamp(1, PAGE);
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut select = self.connection.prepare_cached(
            "SELECT seq, sid, record, expires FROM cloakroom_sessions
             WHERE seq > ?1 AND expires > ?2 ORDER BY seq LIMIT ?3",
        )?;
        let mut rows = select.query(params![after, self.now(), most])?;
        let (mut records, mut last, mut seen) = (Vec::new(), after, 0);
        while let Some(row) = rows.next()? {
            seen += 1;
            last = row.get(0)?;
            records.extend(self.placed(row)?);
        }
        let next = (seen == limit).then(|| last.to_string());
        Ok(RecordPage { records, next })
    }

    /// Returns the record of a row, or the reason why it cannot be read; `None` for an id that is no text.
    fn placed(&self, row: &Row<'_>) -> Result<Option<Placed>> {
        let Ok(id) = row.get_ref(1)?.as_str() else {
            return Ok(None);
        };
        let text = row.get_ref(2)?.as_str().map_err(corrupt);
        let expires = self.time.outward(Timestamp::from_millis(row.get(3)?));
        let stored = text.map(|text| StoredRecord {
            text: text.into(),
            expires,
        });
        Ok(Some((SessionId::from_store(id), stored)))
    }
}

impl Write<'_> {
    /// Stores a record if the table holds what the condition requires.
    pub(super) fn put_if(
        &self,
        id: &SessionId,
        entry: &NewRecord,
        condition: &PutIf,
    ) -> Result<PutOutcome> {
        let live = self.live(id)?;
        let is_retired = live.is_none() && self.is_retired(id)?;
        if let Some(refused) = condition.refuse(live, is_retired) {
            return Ok(refused);
        }
        let entry = bounded(entry);
        match condition.text() {
            // It keeps its place in a scan.
            Some(read) => Ok(self.update(id, read, &entry)?.into()),
            None => self.put(id, &entry).map(|()| PutOutcome::Stored),
        }
    }
}

/// Returns the error of a record that is no text.
fn corrupt(error: rusqlite::types::FromSqlError) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, error)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use crate::id::SessionId;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Store as _, StoreErrorKind};

    #[tokio::test]
    async fn an_unreadable_record_has_its_reason_in_a_page() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("sessions.db");
        let store = SqliteStore::open(&path).unwrap();
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute_batch(
            "INSERT INTO cloakroom_sessions (sid, record, expires) VALUES
             ('bad', CAST(x'ff' AS TEXT), 4102444800000), (CAST(x'ff' AS TEXT), '{}', 4102444800000),
             ('good', '{}', 4102444800000)",
        )
        .unwrap();
        let page = store.scan_records(None, 10).await.unwrap();
        let read = page.records.into_iter();
        let read: Vec<_> = read
            .map(|(id, read)| (id, read.map(drop).map_err(|error| error.kind())))
            .collect();
        let [bad, good] = ["bad", "good"].map(SessionId::from_store);
        assert_eq!(read, [(bad, Err(StoreErrorKind::Corrupt)), (good, Ok(()))]);
    }
}
