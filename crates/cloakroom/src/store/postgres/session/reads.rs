//! Reads of the table.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tokio_postgres::Row;

use super::params::Text;
use super::rows::{expires, stored, unreadable};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::postgres::PostgresInner;
use crate::store::postgres::connection::error::QueryError;
use crate::store::{Page, StoreError, StoreErrorKind, StoredRecord};

/// Prefix of cursors: a text without it is none.
const CURSOR: &str = "pg.";
/// The longest page.
const PAGE: usize = 100_000;

impl PostgresInner {
    pub(crate) async fn get(&self, id: &SessionId) -> Result<Option<StoredRecord>, StoreError> {
        if !self.layout.sid.holds(id.expose()) {
            return Ok(None);
        }
        let now = self.now();
        if let Some(found) = self.lines.get(id, now).await {
            return found;
        }
        let rows = self
            .read(&self.sql.get, &[&Text(id.expose()), &now])
            .await?;
        rows.first().map(stored).transpose()
    }

    pub(crate) async fn expiries(
        &self,
        ids: &[SessionId],
    ) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let texts = ids.iter().map(SessionId::expose);
        let texts = texts.filter(|id| self.layout.sid.holds(id));
        let texts: Vec<Text<'_>> = texts.map(Text).collect();
        let rows = self.read(&self.sql.living, &[&texts, &self.now()]).await?;
        let mut living = HashMap::with_capacity(rows.len());
        for row in &rows {
            let sid: &str = row.try_get(0).map_err(|_| unreadable())?;
            living.insert(sid, expires(row)?);
        }
        Ok(ids
            .iter()
            .map(|id| {
                living
                    .get(&*self.layout.sid.after_round_trip(id.expose()))
                    .copied()
            })
            .collect())
    }

    pub(crate) async fn scan(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let now = self.now();
        let rows = match cursor {
            None => self.read(&self.sql.scan_first, &[&most, &now]).await?,
            Some(cursor) => {
                let after = open_cursor(cursor)?;
                self.read(&self.sql.scan_next, &[&most, &now, &Text(&after)])
                    .await?
            }
        };
        let ids: Vec<SessionId> = rows.iter().map(id_in).collect::<Result<_, _>>()?;
        let next = ids.last().filter(|_| ids.len() == limit).map(cursor_behind);
        Ok(Page { ids, next })
    }

    pub(crate) async fn count(&self) -> Result<u64, StoreError> {
        let rows = self.read(&self.sql.count, &[&self.now()]).await?;
        let count: i64 = first(&rows)?;
        Ok(count.unsigned_abs())
    }
}

/// Returns the id in the first column.
pub(crate) fn id_in(row: &Row) -> Result<SessionId, StoreError> {
    let sid: &str = row.try_get(0).map_err(|_| unreadable())?;
    Ok(SessionId::from_store(sid))
}

/// Returns the first column of the first row.
pub(crate) fn first<'a, T: tokio_postgres::types::FromSql<'a>>(
    rows: &'a [Row],
) -> Result<T, StoreError> {
    rows.first()
        .and_then(|row| row.try_get(0).ok())
        .ok_or_else(unreadable)
}

pub(super) fn cursor_behind(id: &SessionId) -> String {
    format!("{CURSOR}{}", BASE64_URL_SAFE_NO_PAD.encode(id.expose()))
}

pub(super) fn open_cursor(cursor: &str) -> Result<String, StoreError> {
    let foreign = || QueryError::new(StoreErrorKind::Invalid, "this store gave no such cursor");
    let encoded = cursor.strip_prefix(CURSOR).ok_or_else(foreign)?;
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| foreign())?;
    let after = String::from_utf8(bytes).map_err(|_| foreign())?;
    (!after.contains('\0'))
        .then_some(after)
        .ok_or_else(|| foreign().into())
}
