//! The ids that were retired within the last minute, in a table of their own.
//!
//! Its instants are exact, unlike those of sessions, which are whole seconds. A statement locks the session's
//! row before that of the note: the lock order is fixed.

use super::params::Text;
use super::rows::unreadable;
use super::time::ServerTime;
use crate::id::SessionId;
use crate::store::postgres::PostgresInner;
use crate::store::{RETIRED_FOR, RetiredId, StoreError};

/// Number of rows that one step of pruning deletes: others write between the steps.
pub(crate) const PRUNED_AT_ONCE: u64 = 1000;

/// The statements about retired ids alone.
#[derive(Debug)]
pub(crate) struct RetiredSql {
    /// `$1` sid, `$3` the reason; returns whether the row was live.
    pub(crate) retire: String,
    /// `$1` sid.
    pub(crate) retired: String,
    /// `$1` now; returns the number of deleted rows.
    pub(crate) prune: String,
}

impl RetiredSql {
    /// Writes the statements for the table `retired`; `gone` deletes the session's row.
    pub(crate) fn new(retired: &str, gone: &str, is_set: bool) -> Self {
        let (time, first) = (
            ServerTime::told("$2", is_set),
            ServerTime::told("$1", is_set),
        );
        let (now, until) = (time.after(0), time.after(RETIRED_FOR.as_millis()));
        let first = first.after(0);
        Self {
            retire: format!(
                "WITH {gone}, noted AS (INSERT INTO {retired} AS r (sid, successor, until)
                 SELECT $1::text, $3::text, {until}
                 FROM (SELECT count(*) AS rows FROM gone) AS g WHERE g.rows >= 0
                 ON CONFLICT (sid) DO UPDATE SET successor = excluded.successor, until = excluded.until
                 WHERE r.until <= {now})
                 SELECT live FROM gone"
            ),
            retired: format!(
                "SELECT r.successor FROM {retired} AS r
                 WHERE r.sid = $1::text AND r.until > {now}"
            ),
            prune: format!(
                "WITH old AS MATERIALIZED
                 (SELECT r.sid FROM {retired} AS r WHERE r.until <= {first}
                  LIMIT {PRUNED_AT_ONCE} FOR UPDATE OF r SKIP LOCKED),
                 past AS (DELETE FROM {retired} AS r USING old WHERE r.sid = old.sid RETURNING true)
                 SELECT count(*) FROM past"
            ),
        }
    }
}

/// Returns the part of a statement that notes the id of the deleted row `gone`: `$7` is the reason.
pub(crate) fn note_of_gone(retired: &str, time: &ServerTime) -> String {
    let until = time.after(RETIRED_FOR.as_millis());
    format!(
        ", noted AS (INSERT INTO {retired} (sid, successor, until)
         SELECT sid::text, $7::text, {until} FROM gone
         ON CONFLICT (sid) DO UPDATE SET successor = excluded.successor, until = excluded.until)"
    )
}

/// Returns the part of a statement that notes `$1` whether or not there was a row: `$6` is the reason. It
/// yields no row if the id is retired already, and no session of it was live.
pub(crate) fn note_unless_retired(retired: &str, time: &ServerTime) -> String {
    let (now, until) = (time.after(0), time.after(RETIRED_FOR.as_millis()));
    format!(
        ", noted AS (INSERT INTO {retired} AS r (sid, successor, until)
         SELECT $1::text, $6::text, {until}
         FROM (SELECT count(*) AS rows FROM gone) AS g WHERE g.rows >= 0 AND $1::text IS NOT NULL
         ON CONFLICT (sid) DO UPDATE SET successor = excluded.successor, until = excluded.until
         WHERE r.until <= {now} OR EXISTS (SELECT FROM gone WHERE live)
         RETURNING true)"
    )
}

impl PostgresInner {
    /// Returns `true` if there is a table of retired ids.
    pub(crate) fn retires(&self) -> bool {
        self.sql.retired.is_some()
    }

    /// Ends a session and notes why its id is retired, unless it is already.
    pub(crate) async fn retire(
        &self,
        id: &SessionId,
        retired: &RetiredId,
    ) -> Result<bool, StoreError> {
        let Some(sql) = self
            .sql
            .retired
            .as_ref()
            .filter(|_| self.layout.sid.holds(id.expose()))
        else {
            return self.destroy(id).await;
        };
        let rows = self
            .write(
                &sql.retire,
                &[&Text(id.expose()), &self.now(), &Text(retired.as_str())],
            )
            .await?;
        Ok(rows.iter().any(|row| row.try_get(0).unwrap_or(false)))
    }

    /// Returns the reason why an id was retired, as long as it is remembered.
    pub(crate) async fn retired(&self, id: &SessionId) -> Result<Option<RetiredId>, StoreError> {
        let Some(sql) = self
            .sql
            .retired
            .as_ref()
            .filter(|_| self.layout.sid.holds(id.expose()))
        else {
            return Ok(None);
        };
        let rows = self
            .read(&sql.retired, &[&Text(id.expose()), &self.now()])
            .await?;
        let known = rows.first().map(|row| row.try_get::<_, String>(0));
        let known = known.transpose().map_err(|_| unreadable())?;
        Ok(known.map(RetiredId::from))
    }
}
