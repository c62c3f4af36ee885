//! Writes to the file, each inside the transaction of its batch.

use std::borrow::Cow;

use rusqlite::{Connection, Result, params};

use super::reads::{Read, of_user};
use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::steady::Steady;
use crate::store::{CasOutcome, NewRecord, RetiredId, StoredRecord};

/// Changes a record that keeps its users and its place in the index of pruning: one page.
///
/// A column that a statement sets is written into its indexes even if it stays as it is.
const IN_PLACE: &str = "UPDATE cloakroom_sessions SET record = ?1, expires = ?2
    WHERE sid = ?4 AND expires > ?5 AND record = ?6 AND user IS ?3 AND due <= ?2";
/// Changes a record, its users, and when pruning looks at it if it expires before that.
const INDEXED: &str = "UPDATE cloakroom_sessions
    SET record = ?1, expires = ?2, user = ?3, due = min(due, ?2)
    WHERE sid = ?4 AND expires > ?5 AND record = ?6";

/// The rows that have been due for longest at `?1`, at most `?2`.
macro_rules! first_due {
    () => {
        "seq IN (SELECT seq FROM cloakroom_sessions WHERE due <= ?1 ORDER BY due LIMIT ?2)"
    };
}

/// The result of one step of pruning.
pub(super) struct Pruned {
    /// Number of expired records that were deleted.
    pub(super) sessions: usize,
    /// `true` if there may be more to delete.
    pub(super) is_full: bool,
}

/// A connection that writes, in the middle of a transaction.
pub(super) struct Write<'a> {
    pub(super) connection: &'a Connection,
    pub(super) time: &'a Steady,
}

impl Write<'_> {
    /// Number of records that one step of pruning deletes: others write between the steps, and wait for one.
    ///
    /// Each lies on other pages, of the table and of the index of ids, so that a step of a thousand writes
    /// some megabytes: tens of milliseconds.
    pub(super) const PRUNED_AT_ONCE: usize = 100;

    pub(super) fn now(&self) -> i64 {
        self.time.now().as_millis()
    }

    pub(super) fn live(&self, id: &SessionId) -> Result<Option<StoredRecord>> {
        Read {
            connection: self.connection,
            time: self.time,
        }
        .get(id)
    }

    /// Stores a record; `false` if the id is taken.
    pub(super) fn create(&self, id: &SessionId, entry: &NewRecord) -> Result<bool> {
        if self.live(id)?.is_some() {
            return Ok(false);
        }
        self.put(id, entry)?;
        Ok(true)
    }

    pub(super) fn put(&self, id: &SessionId, entry: &NewRecord) -> Result<()> {
        let mut insert = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO cloakroom_sessions (sid, record, expires, user, due)
             VALUES (?1, ?2, ?3, ?4, ?3)",
        )?;
        insert.execute(params![
            id.expose(),
            &*entry.text,
            self.time.inward(entry.expires).as_millis(),
            column(entry)
        ])?;
        Ok(())
    }

    pub(super) fn update(
        &self,
        id: &SessionId,
        read: &RecordText,
        entry: &NewRecord,
    ) -> Result<CasOutcome> {
        if self.update_by(IN_PLACE, id, read, entry)? || self.update_by(INDEXED, id, read, entry)? {
            return Ok(CasOutcome::Stored);
        }
        Ok(self
            .live(id)?
            .map_or(CasOutcome::NotFound, CasOutcome::Conflict))
    }

    fn update_by(
        &self,
        statement: &str,
        id: &SessionId,
        read: &RecordText,
        entry: &NewRecord,
    ) -> Result<bool> {
        let expires = self.time.inward(entry.expires).as_millis();
        let updated = self.connection.prepare_cached(statement)?.execute(params![
            &*entry.text,
            expires,
            column(entry),
            id.expose(),
            self.now(),
            &**read
        ])?;
        Ok(updated == 1)
    }

    /// Extends the expiry; the text follows if it was not changed.
    pub(super) fn touch(
        &self,
        id: &SessionId,
        read: &RecordText,
        entry: &NewRecord,
    ) -> Result<bool> {
        let mut update = self.connection.prepare_cached(
            "UPDATE cloakroom_sessions
             SET expires = max(expires, ?1), record = CASE WHEN record = ?2 THEN ?3 ELSE record END
             WHERE sid = ?4 AND expires > ?5",
        )?;
        let expires = self.time.inward(entry.expires).as_millis();
        let touched = update.execute(params![
            expires,
            &**read,
            &*entry.text,
            id.expose(),
            self.now()
        ])?;
        Ok(touched == 1)
    }

    pub(super) fn destroy(&self, id: &SessionId) -> Result<bool> {
        let live = self.live(id)?.is_some();
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM cloakroom_sessions WHERE sid = ?1")?;
        delete.execute([id.expose()])?;
        Ok(live)
    }

    /// Replaces an id; `None` if the new one is taken.
    pub(super) fn replace(
        &self,
        old: &SessionId,
        read: Option<&RecordText>,
        new: &SessionId,
        entry: &NewRecord,
        retired: &RetiredId,
    ) -> Result<Option<CasOutcome>> {
        if self.live(new)?.is_some() {
            return Ok(None);
        }
        match (self.live(old)?, read) {
            (None, Some(_)) => return Ok(Some(CasOutcome::NotFound)),
            (Some(stored), Some(read)) if stored.text != *read => {
                return Ok(Some(CasOutcome::Conflict(stored)));
            }
            (None, None) if self.is_retired(old)? => return Ok(Some(CasOutcome::NotFound)),
            _ => {}
        }
        // If the last step fails, two sessions are left, not none.
        self.put(new, entry)?;
        self.note_retired(old, retired)?;
        self.destroy(old)?;
        Ok(Some(CasOutcome::Stored))
    }

    /// Deletes some expired records, and some ids that were retired for long enough.
    pub(super) fn prune_some(&self) -> Result<Pruned> {
        let (postponed, sessions) = (self.postpone()?, self.prune_sessions()?);
        let ids = self.prune_retired()?;
        let is_full = (postponed + sessions).max(ids) >= Self::PRUNED_AT_ONCE;
        Ok(Pruned { sessions, is_full })
    }

    /// Moves the records on that were prolonged since they were put into the index of pruning.
    fn postpone(&self) -> Result<usize> {
        self.of_the_due(concat!(
            "UPDATE cloakroom_sessions SET due = expires WHERE expires > ?1 AND ",
            first_due!()
        ))
    }

    fn prune_sessions(&self) -> Result<usize> {
        self.of_the_due(concat!(
            "DELETE FROM cloakroom_sessions WHERE expires <= ?1 AND ",
            first_due!()
        ))
    }

    fn of_the_due(&self, statement: &str) -> Result<usize> {
        let most = i64::try_from(Self::PRUNED_AT_ONCE).unwrap_or(1);
        self.connection
            .prepare_cached(statement)?
            .execute(params![self.now(), most])
    }

    pub(super) fn destroy_by_user(&self, user: &str, keep: Option<&SessionId>) -> Result<u64> {
        let live = Read {
            connection: self.connection,
            time: self.time,
        }
        .list_by_user(user)?;
        let mut delete = self.connection.prepare_cached(concat!(
            "DELETE FROM cloakroom_sessions WHERE ",
            of_user!(),
            " AND sid IS NOT ?3"
        ))?;
        let several = NewRecord::one_of_several(user);
        delete.execute(params![user, several, keep.map(SessionId::expose)])?;
        Ok(live.iter().filter(|id| keep != Some(id)).count() as u64)
    }
}

/// Returns the users of a record in one column; `NULL` for none.
fn column(entry: &NewRecord) -> Option<Cow<'_, str>> {
    Some(NewRecord::joined(&entry.users)).filter(|joined| !joined.is_empty())
}
