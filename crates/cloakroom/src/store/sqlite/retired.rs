//! The ids that were retired within the last minute, in a table of their own.

use rusqlite::{OptionalExtension as _, Result, params};

use super::reads::Read;
use super::writes::Write;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::{RETIRED_FOR, RetiredId};

impl Read<'_> {
    /// Returns the reason why `id` was retired, as long as it is remembered.
    pub(super) fn retired(&self, id: &SessionId) -> Result<Option<RetiredId>> {
        let mut select = self.connection.prepare_cached(
            "SELECT successor FROM cloakroom_retired WHERE sid = ?1 AND until > ?2",
        )?;
        let known = select.query_row(params![id.expose(), self.now()], |row| {
            row.get::<_, String>(0)
        });
        Ok(known.optional()?.map(RetiredId::from))
    }
}

impl Write<'_> {
    /// Ends a session and notes that its id is retired, unless it is already.
    pub(super) fn retire(&self, id: &SessionId, retired: &RetiredId) -> Result<bool> {
        if !self.is_retired(id)? {
            self.note_retired(id, retired)?;
        }
        self.destroy(id)
    }

    pub(super) fn is_retired(&self, id: &SessionId) -> Result<bool> {
        let known = Read {
            connection: self.connection,
            time: self.time,
        };
        Ok(known.retired(id)?.is_some())
    }

    pub(super) fn note_retired(&self, id: &SessionId, retired: &RetiredId) -> Result<()> {
        let mut insert = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO cloakroom_retired (sid, successor, until) VALUES (?1, ?2, ?3)",
        )?;
        let until = Timestamp::from_millis(self.now()).after(RETIRED_FOR);
        insert.execute(params![id.expose(), retired.as_str(), until.as_millis()])?;
        Ok(())
    }

    pub(super) fn prune_retired(&self) -> Result<usize> {
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM cloakroom_retired WHERE sid IN
             (SELECT sid FROM cloakroom_retired WHERE until <= ?1 LIMIT ?2)",
        )?;
        let most = i64::try_from(Self::PRUNED_AT_ONCE).unwrap_or(1);
        delete.execute(params![self.now(), most])
    }
}
