//! Sessions by user, as their records name them: Express writes some of them.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::TryStreamExt as _;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::connection::error::{QueryError, SendPhase};
use super::names::TableNames;
use super::session::params::{Params, Text};
use super::session::reads::id_in;
use super::session::rows::unreadable;
use super::session::sql::{Layout, UserSql};
use super::{PostgresInner, ddl};
use crate::id::SessionId;
use crate::store::{StoreError, UserKeys, too_many_id_changes};

/// Bound on the passes of a logout everywhere, which re-reads for sessions that changed their id meanwhile.
const PASSES: usize = 64;
/// Number of attempts at the second half of a pass after a deadlock.
const RETRIES: usize = 3;

/// The keys under which records name their user, and the index that the database has for them.
pub(super) struct UserIndex {
    keys: UserKeys,
    pub(super) function: String,
    sql: UserSql,
    /// `true` once the function was seen in the database.
    pub(super) indexed: AtomicBool,
    warned: AtomicBool,
}

impl UserIndex {
    pub(super) fn new(names: &TableNames, layout: Layout, keys: &UserKeys) -> Self {
        let function = ddl::user_function(names, keys);
        Self {
            keys: keys.clone(),
            sql: UserSql::new(names, layout, &function),
            function,
            indexed: AtomicBool::new(false),
            warned: AtomicBool::new(false),
        }
    }

    pub(super) fn keys(&self) -> &UserKeys {
        &self.keys
    }

    /// Returns `true` if a row names the user. One that cannot be read names none, and fails no listing.
    fn is_of(&self, row: &Row, user: &str) -> bool {
        let text: Result<&str, _> = row.try_get(1);
        text.is_ok_and(|text| self.keys.users_of(text).iter().any(|named| named == user))
    }
}

/// The rest that one pass over the table left to do.
struct EndPass {
    ended: u64,
    /// `true` if sessions were deleted or changed by others between the read and the delete.
    slipped: bool,
    candidates: Vec<SessionId>,
}

impl PostgresInner {
    pub(super) async fn list_by_user(&self, user: &str) -> Result<Vec<SessionId>, StoreError> {
        let users = self.users.load_full();
        if self.is_indexed(&users).await? {
            let params: Params<'_> = &[&indexable(user), &self.now()];
            match self.read(&users.sql.of_user, params).await {
                Ok(rows) => return chosen(&rows, &users, user),
                Err(fault) => users.unless_undefined(fault)?,
            }
        }
        self.of_user_among_all(&users, user).await
    }

    pub(super) async fn destroy_by_user(
        &self,
        user: &str,
        keep: Option<&SessionId>,
    ) -> Result<u64, StoreError> {
        let users = self.users.load_full();
        let mut ended = 0;
        for _ in 0..PASSES {
            let pass = self.destroy_indexed(&users, user, keep).await?;
            let (more, slipped) = self.end(&users, user, &pass.candidates).await?;
            ended += pass.ended + more;
            if !pass.slipped && !slipped {
                return Ok(ended);
            }
        }
        Err(too_many_id_changes())
    }

    /// Ends the sessions that the index names, and returns those that must be read: without an index, the
    /// user's own.
    async fn destroy_indexed(
        &self,
        users: &UserIndex,
        user: &str,
        keep: Option<&SessionId>,
    ) -> Result<EndPass, StoreError> {
        let kept = keep
            .map(SessionId::expose)
            .filter(|id| self.layout.sid.holds(id));
        let kept = kept.map(Text);
        let mut pass = None;
        if self.is_indexed(users).await? {
            let params: Params<'_> = &[&indexable(user), &self.now(), &kept];
            match self.write_many(&users.sql.destroy_by_user, params).await {
                Ok(rows) => pass = Some(read_pass(&rows, users, user)?),
                Err(fault) => users.unless_undefined(fault)?,
            }
        }
        let mut pass = match pass {
            Some(pass) => pass,
            None => EndPass {
                ended: 0,
                slipped: false,
                candidates: self.of_user_among_all(users, user).await?,
            },
        };
        pass.candidates.retain(|id| Some(id) != keep);
        Ok(pass)
    }

    /// Ends those of some sessions that belong to a user by their current text; returns also whether some
    /// were absent, which may have changed their id.
    async fn end(
        &self,
        users: &UserIndex,
        user: &str,
        candidates: &[SessionId],
    ) -> Result<(u64, bool), StoreError> {
        if candidates.is_empty() {
            return Ok((0, false));
        }
        let mut retries = 0;
        loop {
            match self.end_once(users, user, candidates).await {
                Err(fault) if fault.again && retries < RETRIES => retries += 1,
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Reads the texts, and deletes rows that still have them: a transaction would hold rows between two
    /// round trips, and a pooler may allow none.
    async fn end_once(
        &self,
        users: &UserIndex,
        user: &str,
        candidates: &[SessionId],
    ) -> Result<(u64, bool), QueryError> {
        let now = self.now();
        let sids: Vec<Text<'_>> = candidates.iter().map(|id| Text(id.expose())).collect();
        let found = self.read(&self.sql.read_many, &[&sids, &now]).await?;
        let theirs = found.iter().filter(|row| users.is_of(row, user));
        let theirs =
            theirs.filter_map(|row| Some((Text(row.try_get(0).ok()?), Text(row.try_get(1).ok()?))));
        let (sids, texts): (Vec<Text<'_>>, Vec<Text<'_>>) = theirs.unzip();
        let params: Params<'_> = &[&sids, &now, &texts];
        let gone = self.write_many(&self.sql.destroy_read, params).await?;
        let ended = gone.iter().filter(|row| row.try_get(0).unwrap_or(false));
        let slipped = found.len() < candidates.len() || gone.len() < sids.len();
        Ok((ended.count() as u64, slipped))
    }

    /// Reads every live row, as of one instant, one at a time.
    async fn of_user_among_all(
        &self,
        users: &UserIndex,
        user: &str,
    ) -> Result<Vec<SessionId>, StoreError> {
        let lease = self.lease().await?;
        let found = {
            let client = lease.client();
            let reading = async {
                let sent = self.send(client, &self.sql.all, &[&self.now()]).await;
                let mut rows = pin!(sent.map_err(|(error, _)| error)?);
                let mut found = Vec::new();
                while let Some(row) = rows.try_next().await? {
                    if users.is_of(&row, user) {
                        found.push(row);
                    }
                }
                Ok::<_, tokio_postgres::Error>(found)
            };
            reading.await
        };
        match found {
            Ok(rows) => {
                lease.settle();
                rows.iter().map(id_in).collect()
            }
            Err(error) => Err(lease.failed(&error, SendPhase::Before).into()),
        }
    }

    /// Returns `true` if the database has the function, which is looked for until it is seen.
    async fn is_indexed(&self, users: &UserIndex) -> Result<bool, StoreError> {
        if users.indexed.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let signature = format!("{}({})", users.function, self.layout.column.name());
        let rows = self
            .read(
                "SELECT to_regprocedure($1::text) IS NOT NULL",
                &[&signature],
            )
            .await?;
        let mut indexed: bool = super::session::reads::first(&rows)?;
        if !indexed && self.created {
            self.run_batch(&ddl::user_index(&self.names, &users.keys).sql)
                .await?;
            indexed = true;
        }
        users.indexed.store(indexed, Ordering::Relaxed);
        if !indexed && !users.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the sessions of a user are found by reading all: run the statements `user_index` \
                 of PostgresStore::ddl"
            );
        }
        Ok(indexed)
    }
}

impl UserIndex {
    /// The function was dropped: it is absent, which is no error.
    fn unless_undefined(&self, fault: QueryError) -> Result<(), QueryError> {
        if fault.is(&SqlState::UNDEFINED_FUNCTION) {
            self.indexed.store(false, Ordering::Relaxed);
            return Ok(());
        }
        Err(fault)
    }
}

/// Reads a pass: the first row counts; the others are those whose user the index cannot tell.
fn read_pass(rows: &[Row], users: &UserIndex, user: &str) -> Result<EndPass, StoreError> {
    let mut pass = EndPass {
        ended: 0,
        slipped: false,
        candidates: Vec::new(),
    };
    for row in rows {
        let sid: Option<&str> = row.try_get(0).map_err(|_| unreadable())?;
        if sid.is_some() {
            if users.is_of(row, user) {
                pass.candidates.push(id_in(row)?);
            }
            continue;
        }
        let count = |column| row.try_get::<_, i64>(column).map_err(|_| unreadable());
        pass.ended += count(2)?.unsigned_abs();
        pass.slipped |= count(3)? > 0;
    }
    Ok(pass)
}

fn chosen(rows: &[Row], users: &Arc<UserIndex>, user: &str) -> Result<Vec<SessionId>, StoreError> {
    let mut ids = Vec::with_capacity(rows.len());
    for row in rows {
        if users.is_of(row, user) {
            ids.push(id_in(row)?);
        }
    }
    Ok(ids)
}

/// Returns a user as a parameter; none that the index cannot tell from others.
fn indexable(user: &str) -> Option<Text<'_>> {
    bindable(user).filter(|user| user.0 != "\u{1}unindexable")
}

/// Returns a text as a parameter: none with a NUL can be in a column either.
fn bindable(text: &str) -> Option<Text<'_>> {
    (!text.contains('\0')).then_some(Text(text))
}
