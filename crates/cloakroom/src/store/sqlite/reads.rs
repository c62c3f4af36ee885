//! Reads of the file.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::steady::Steady;
use crate::store::{NewRecord, Page, StoredRecord};

/// The rows that name a user, `?1`, alone or as one of several, `?2`: those lie together in the index.
macro_rules! of_user {
    () => {
        "((user = ?1 AND substr(?1, 1, 1) <> char(1))
          OR (user >= char(1) AND user < char(2) AND instr(user, ?2) > 0))"
    };
}
pub(super) use of_user;

/// Counts all rows in an index, and takes off the expired ones, which are among those that are due.
const COUNT_BY_DUE: &str = "SELECT (SELECT count(*) FROM cloakroom_sessions)
    - (SELECT count(*) FROM cloakroom_sessions WHERE due <= ?1 AND expires <= ?1)";
const COUNT_BY_EXPIRY: &str = "SELECT count(*) FROM cloakroom_sessions WHERE expires > ?1";

/// A connection that reads.
pub(super) struct Read<'a> {
    pub(super) connection: &'a Connection,
    pub(super) time: &'a Steady,
}

impl Read<'_> {
    pub(super) fn now(&self) -> i64 {
        self.time.now().as_millis()
    }

    pub(super) fn get(&self, id: &SessionId) -> Result<Option<StoredRecord>> {
        let mut select = self.connection.prepare_cached(
            "SELECT record, expires FROM cloakroom_sessions WHERE sid = ?1 AND expires > ?2",
        )?;
        let stored = |row: &rusqlite::Row<'_>| {
            let text = row.get_ref(0)?.as_str()?.into();
            Ok(StoredRecord {
                text,
                expires: self.time.outward(Timestamp::from_millis(row.get(1)?)),
            })
        };
        select
            .query_row(params![id.expose(), self.now()], stored)
            .optional()
    }

    /// Runs a statement for each, of microseconds: there is no server to travel to.
    pub(super) fn expiries(&self, ids: &[SessionId]) -> Result<Vec<Option<Timestamp>>> {
        let mut select = self.connection.prepare_cached(
            "SELECT expires FROM cloakroom_sessions WHERE sid = ?1 AND expires > ?2",
        )?;
        let now = self.now();
        let mut living = Vec::with_capacity(ids.len());
        for id in ids {
            let found = select.query_row(params![id.expose(), now], |row| row.get(0));
            let expires = found.optional()?.map(Timestamp::from_millis);
            living.push(expires.map(|expires| self.time.outward(expires)));
        }
        Ok(living)
    }

    pub(super) fn scan(&self, after: i64, limit: usize) -> Result<Page> {
        let limit = limit.clamp(1, 100_000);
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut select = self.connection.prepare_cached(
            "SELECT sid, seq FROM cloakroom_sessions WHERE seq > ?1 AND expires > ?2
             ORDER BY seq LIMIT ?3",
        )?;
        let row = |row: &rusqlite::Row<'_>| Ok((id_in(row)?, row.get::<_, i64>(1)?));
        let found: Vec<(SessionId, i64)> = select
            .query_map(params![after, self.now(), most], row)?
            .collect::<Result<_>>()?;
        let next = found
            .last()
            .filter(|_| found.len() == limit)
            .map(|(_, seq)| seq.to_string());
        Ok(Page {
            ids: found.into_iter().map(|(id, _)| id).collect(),
            next,
        })
    }

    pub(super) fn count(&self) -> Result<u64> {
        let by_due = self.connection.prepare_cached(COUNT_BY_DUE);
        // A file of before that is read alone has no such column.
        let mut select = by_due.or_else(|_| self.connection.prepare_cached(COUNT_BY_EXPIRY))?;
        let count: i64 = select.query_row([self.now()], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    pub(super) fn list_by_user(&self, user: &str) -> Result<Vec<SessionId>> {
        let mut select = self.connection.prepare_cached(concat!(
            "SELECT sid FROM cloakroom_sessions WHERE ",
            of_user!(),
            " AND expires > ?3 ORDER BY seq"
        ))?;
        let several = NewRecord::one_of_several(user);
        select
            .query_map(params![user, several, self.now()], id_in)?
            .collect()
    }
}

fn id_in(row: &rusqlite::Row<'_>) -> Result<SessionId> {
    Ok(SessionId::from_store(row.get_ref(0)?.as_str()?))
}
