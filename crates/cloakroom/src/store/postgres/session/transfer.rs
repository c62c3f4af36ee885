//! Pages of whole records, and conditional writes.

use tokio_postgres::Row;

use super::params::Text;
use super::reads::{cursor_behind, open_cursor};
use super::rows::{stored, unreadable};
use super::time::ServerTime;
use super::writes::refuse_unstorable;
use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::postgres::{PostgresInner, millis};
use crate::store::transfer::present;
use crate::store::{NewRecord, PutIf, PutOutcome, RecordPage, StoreError};

/// The longest page.
const PAGE: usize = 10_000;

/// The statements about records in bulk; `$2` is the process's now.
#[derive(Debug)]
pub(crate) struct TransferSql {
    /// `$1` the limit; each row has text, expiry and sid.
    pub(super) scan_first: String,
    /// `$1` the limit, `$3` the last sid of the page before.
    pub(super) scan_next: String,
    /// `$1` sid, `$3` text, `$4` expire; no row if the id is taken or retired.
    pub(super) put_absent: String,
    /// `$1` sid, `$3` text, `$4` expire, `$5` the text that was read, `$6` the latest expiry; no row if the
    /// stored one differs.
    pub(super) put_unchanged: String,
    /// `$1` sid; deletes what was stored while the id was retired. `None` where none are.
    pub(super) delete_retired: Option<String>,
}

/// Returns the condition that the id `$1` is retired, by the table of retired ids.
pub(super) fn is_retired(notes: &str, time: &ServerTime) -> String {
    let now = time.after(0);
    format!("EXISTS (SELECT FROM {notes} AS r WHERE r.sid = $1::text AND r.until > {now})")
}

impl PostgresInner {
    pub(crate) async fn scan_records(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<RecordPage, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let (sql, now) = (&self.sql.transfer, self.now());
        let rows = match cursor {
            None => self.read(&sql.scan_first, &[&most, &now]).await?,
            Some(cursor) => {
                let after = open_cursor(cursor)?;
                self.read(&sql.scan_next, &[&most, &now, &Text(&after)])
                    .await?
            }
        };
        let ids: Vec<SessionId> = rows.iter().map(id_in).collect::<Result<_, _>>()?;
        let next = ids.last().filter(|_| ids.len() == limit).map(cursor_behind);
        let mut records = Vec::with_capacity(rows.len());
        for (id, row) in ids.into_iter().zip(&rows) {
            records.extend(present(id, stored(row).map(Some))?);
        }
        Ok(RecordPage { records, next })
    }

    /// Stores a record on a condition.
    pub(crate) async fn put(
        &self,
        id: &SessionId,
        entry: &NewRecord,
        condition: &PutIf,
    ) -> Result<PutOutcome, StoreError> {
        let Some(read) = condition.text() else {
            return self.put_absent(id, entry).await;
        };
        match condition.latest() {
            None => Ok(self.update(id, read, entry).await?.into()),
            Some(latest) => self.put_unchanged(id, entry, read, millis(latest)).await,
        }
    }

    async fn put_unchanged(
        &self,
        id: &SessionId,
        entry: &NewRecord,
        read: &RecordText,
        latest: i64,
    ) -> Result<PutOutcome, StoreError> {
        if !self.layout.sid.holds(id.expose()) {
            return Ok(PutOutcome::NotFound);
        }
        let (sid, text) = (Text(id.expose()), Text(&entry.text));
        let (now, expire, read) = (self.now(), millis(entry.expires), Text(read));
        let sql = &self.sql.transfer.put_unchanged;
        let rows = self
            .write(sql, &[&sid, &now, &text, &expire, &read, &latest])
            .await?;
        Ok(self.written(!rows.is_empty(), id).await?.into())
    }

    async fn put_absent(
        &self,
        id: &SessionId,
        entry: &NewRecord,
    ) -> Result<PutOutcome, StoreError> {
        refuse_unstorable(self.layout.sid, id)?;
        let (sid, text) = (Text(id.expose()), Text(&entry.text));
        let (now, expire) = (self.now(), millis(entry.expires));
        let sql = &self.sql.transfer;
        let rows = self
            .write(&sql.put_absent, &[&sid, &now, &text, &expire])
            .await?;
        if rows.is_empty() {
            let stored = self.get(id).await?;
            return Ok(stored.map_or(PutOutcome::Retired, PutOutcome::Conflict));
        }
        // A statement sees the notes as they stood when it began: one that it waited for may have ended the
        // session.
        if let Some(delete) = &sql.delete_retired
            && !self.write(delete, &[&sid, &now]).await?.is_empty()
        {
            return Ok(PutOutcome::Retired);
        }
        Ok(PutOutcome::Stored)
    }
}

/// Returns the id in the third column.
fn id_in(row: &Row) -> Result<SessionId, StoreError> {
    let sid: &str = row.try_get(2).map_err(|_| unreadable())?;
    Ok(SessionId::from_store(sid))
}
