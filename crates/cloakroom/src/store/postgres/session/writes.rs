//! Writes to the table: one statement each, so that each is done as a whole or not at all.
//!
//! A statement that waits for a row which another one changes re-evaluates its conditions once it has it
//! (READ COMMITTED): of two saves that read the same text, the second finds another.

use tokio_postgres::error::SqlState;

use super::params::{Params, Text};
use super::sid::Sid;
use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::postgres::connection::error::QueryError;
use crate::store::postgres::{PostgresInner, millis};
use crate::store::{CasOutcome, NewRecord, RetiredId, StoreError, StoreErrorKind};

impl PostgresInner {
    pub(crate) async fn create(&self, id: &SessionId, entry: &NewRecord) -> Result<(), StoreError> {
        refuse_unstorable(self.layout.sid, id)?;
        let (sid, text) = (Text(id.expose()), Text(&entry.text));
        let expire = millis(entry.expires);
        let rows = self
            .write(&self.sql.create, &[&sid, &self.now(), &text, &expire])
            .await?;
        if rows.is_empty() {
            return Err(StoreErrorKind::IdTaken.into());
        }
        Ok(())
    }

    pub(crate) async fn update(
        &self,
        id: &SessionId,
        read: &RecordText,
        entry: &NewRecord,
    ) -> Result<CasOutcome, StoreError> {
        if !self.layout.sid.holds(id.expose()) {
            return Ok(CasOutcome::NotFound);
        }
        let (sid, text) = (Text(id.expose()), Text(&entry.text));
        let expire = millis(entry.expires);
        let rows = self
            .write(
                &self.sql.update,
                &[&sid, &self.now(), &text, &expire, &Text(read)],
            )
            .await?;
        self.written(!rows.is_empty(), id).await
    }

    pub(super) async fn written(
        &self,
        saved: bool,
        id: &SessionId,
    ) -> Result<CasOutcome, StoreError> {
        if saved {
            return Ok(CasOutcome::Stored);
        }
        Ok(self
            .get(id)
            .await?
            .map_or(CasOutcome::NotFound, CasOutcome::Conflict))
    }

    pub(crate) async fn touch(
        &self,
        id: &SessionId,
        entry: &NewRecord,
    ) -> Result<bool, StoreError> {
        if !self.layout.sid.holds(id.expose()) {
            return Ok(false);
        }
        let (sid, expire) = (Text(id.expose()), millis(entry.expires));
        let rows = self
            .write(&self.sql.touch, &[&sid, &self.now(), &expire])
            .await?;
        Ok(!rows.is_empty())
    }

    pub(crate) async fn destroy(&self, id: &SessionId) -> Result<bool, StoreError> {
        if !self.layout.sid.holds(id.expose()) {
            return Ok(false);
        }
        let rows = self
            .write(&self.sql.destroy, &[&Text(id.expose()), &self.now()])
            .await?;
        Ok(rows.iter().any(|row| row.try_get(0).unwrap_or(false)))
    }

    pub(crate) async fn replace(
        &self,
        old: &SessionId,
        read: Option<&RecordText>,
        new: &SessionId,
        entry: &NewRecord,
        retired: &RetiredId,
    ) -> Result<CasOutcome, StoreError> {
        refuse_unstorable(self.layout.sid, new)?;
        if old == new {
            return Err(StoreErrorKind::IdTaken.into());
        }
        // An id that cannot be stored counts as absent.
        let from = self
            .layout
            .sid
            .holds(old.expose())
            .then(|| Text(old.expose()));
        let (to, text) = (Text(new.expose()), Text(&entry.text));
        let (expire, now) = (millis(entry.expires), self.now());
        let why = Text(retired.as_str());
        let replaced = if let Some(read) = read {
            let text_read = Text(read);
            let params: Params<'_> = &[&from, &now, &to, &text, &expire, &text_read, &why];
            let params = &params[..if self.retires() { 7 } else { 6 }];
            self.write(&self.sql.replace_read, params).await
        } else {
            let params: Params<'_> = &[&from, &now, &to, &text, &expire, &why];
            let params = &params[..if self.retires() { 6 } else { 5 }];
            self.write(&self.sql.replace_any, params).await
        };
        match replaced {
            // Whatever the old id held: it was retired already.
            Ok(rows) if rows.is_empty() && read.is_none() => Ok(CasOutcome::NotFound),
            Ok(rows) => self.written(!rows.is_empty(), old).await,
            Err(fault) if fault.is(&SqlState::DIVISION_BY_ZERO) => {
                Err(StoreErrorKind::IdTaken.into())
            }
            Err(fault) => Err(fault.into()),
        }
    }
}

pub(super) fn refuse_unstorable(sid: Sid, id: &SessionId) -> Result<(), QueryError> {
    let why = match sid {
        _ if sid.holds(id.expose()) => return Ok(()),
        Sid::Text => "PostgreSQL holds no id with a NUL in it",
        Sid::Char => "a column sid of the type char holds no id with a NUL or a blank at its end",
        Sid::Uuid => {
            "the column sid has the type uuid and holds no other ids: give the policy an id_generator \
             that makes UUIDs, or the column the type varchar"
        }
    };
    Err(QueryError::new(StoreErrorKind::Invalid, why))
}
