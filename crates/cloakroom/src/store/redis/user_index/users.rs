//! Sessions by user: a set of ids for each user, always a superset of the live ones.
//!
//! 1. An id is entered before its session is stored.
//! 2. The set lives at least as long as each of its sessions.
//! 3. An id leaves the set once its session is deleted, or after it was found absent twice, a minute
//!    apart: a login may be under way between the two steps of 1.
//! 4. The set itself is never deleted.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use redis::Value;

use super::index_sweep::IndexSweep;
use crate::id::SessionId;
use crate::store::redis::connection::command::Request;
use crate::store::redis::connection::error::{Idempotency, is_full};
use crate::store::redis::session::replies::corrupt;
use crate::store::redis::session::ttl::index_ttl;
use crate::store::redis::{RedisInner, RedisStore};
use crate::store::{NewRecord, StoreError, StoreErrorKind, StoredRecord, too_many_id_changes};

/// Number of sessions that are read together, so that their texts do not fill the connection.
const BATCH: usize = 200;
/// The cursor after the last page; no store returns it.
const LAST: &str = "last";
/// Number of sessions that are deleted at the same time.
const PARALLEL: usize = 32;
/// Bound on the passes over a user's sessions: some may have changed their ids meanwhile.
const PASSES: usize = 64;
/// Number of passes after which they are fenced: kept from changing their ids.
const FENCED: usize = 3;
/// Seconds that the fence stands: it expires by itself if the logout everywhere timed out.
const FENCE_SECONDS: u64 = 5;

impl RedisInner {
    pub(crate) async fn list_by_user(&self, user: &str) -> Result<Vec<SessionId>, StoreError> {
        let index = self.keys.index(user);
        let (mut live, mut walk) = (HashSet::new(), IndexSweep::past([]));
        for _ in 0..PASSES {
            let members = walk.next(self.members(&index).await?);
            let mut missed = HashSet::new();
            for batch in members.chunks(BATCH) {
                let texts = self.texts(batch).await?;
                let missing = missing(batch, &texts);
                self.forget_absent(&index, &missing).await?;
                missed.extend(missing.into_iter().cloned());
                live.extend(self.owned(user, batch, &texts));
            }
            // A missing member may have changed its id, which was entered before then; or it has been entered
            // and is not yet stored.
            if walk.looked(members, missed) {
                return self.and_of_all(user, live).await;
            }
        }
        Err(too_many_id_changes())
    }

    /// Adds sessions that are in no index, if there may be such sessions.
    async fn and_of_all(
        &self,
        user: &str,
        mut live: HashSet<SessionId>,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut cursor = None;
        while let Some(page) = self.some_of_all(&mut cursor).await? {
            let texts = self.each(&page, |id| self.keys.session(id)).await?;
            live.extend(self.owned(user, &page, &texts));
        }
        Ok(live.into_iter().collect())
    }

    pub(crate) async fn destroy_by_user(
        &self,
        user: &str,
        keep: Option<&SessionId>,
    ) -> Result<u64, StoreError> {
        let index = self.keys.index(user);
        let mut ended = 0;
        let mut walk = IndexSweep::past(keep.cloned());
        // A session that changed its id was entered under the new one before the old one was removed: if a
        // set has nothing new, none has escaped. An absent member is read once more: in a cluster it may have
        // been entered and not yet stored.
        for pass in 0.. {
            if pass == FENCED {
                self.raise_fence(user).await?;
            }
            let members = walk.next(self.members(&index).await?);
            if members.is_empty() {
                break;
            }
            if pass >= PASSES {
                return Err(too_many_id_changes());
            }
            let mut missed = HashSet::new();
            for batch in members.chunks(BATCH) {
                let texts = self.texts(batch).await?;
                let missing = missing(batch, &texts);
                self.forget_absent(&index, &missing).await?;
                missed.extend(missing.into_iter().cloned());
                ended += self.destroy_owned(user, &index, batch, &texts).await?;
            }
            let all_missing = missed.len() == members.len();
            if walk.looked(members, missed) && all_missing {
                break;
            }
        }
        let mut cursor = None;
        while let Some(mut page) = self.some_of_all(&mut cursor).await? {
            page.retain(|id| Some(id) != keep);
            let texts = self.each(&page, |id| self.keys.session(id)).await?;
            ended += self.destroy_owned(user, &index, &page, &texts).await?;
        }
        Ok(ended)
    }

    /// Keeps the user's sessions from changing their ids for a moment: one that does so all the time would
    /// never be caught. Logins go on.
    pub(crate) async fn raise_fence(&self, user: &str) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command.arg(self.keys.fence(user)).arg("1");
        command.arg("EX").arg(FENCE_SECONDS);
        match self
            .link
            .send(&command.into(), Idempotency::Idempotent)
            .await
        {
            // A server whose memory is full takes no fence: without one, a session that changes its id all
            // the time may take longer to catch.
            Err(error) if is_full(&error) => Ok(()),
            said => said.map(|_| ()),
        }
    }

    /// Returns `true` if a session of the user's own may not change its id just now.
    pub(crate) async fn is_fenced(
        &self,
        entry: &NewRecord,
        id: &SessionId,
    ) -> Result<bool, StoreError> {
        for user in &entry.users {
            if self.is_fenced_for(user, id).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) async fn is_fenced_for(
        &self,
        user: &str,
        id: &SessionId,
    ) -> Result<bool, StoreError> {
        let mut exists = redis::cmd("EXISTS");
        exists.arg(self.keys.fence(user));
        if self
            .link
            .send(&exists.into(), Idempotency::Idempotent)
            .await?
            == Value::Int(0)
        {
            return Ok(false);
        }
        let mut is_member = redis::cmd("SISMEMBER");
        is_member.arg(self.keys.index(user)).arg(id.expose());
        Ok(self
            .link
            .send(&is_member.into(), Idempotency::Idempotent)
            .await?
            == Value::Int(1))
    }

    /// Returns the next page of all sessions, if some may be in no index, without those that were ended;
    /// `None` after the last.
    async fn some_of_all(
        &self,
        cursor: &mut Option<String>,
    ) -> Result<Option<Vec<SessionId>>, StoreError> {
        if !self.looks_at_all || cursor.as_deref() == Some(LAST) {
            return Ok(None);
        }
        let page = self.scan(cursor.as_deref(), BATCH).await?;
        *cursor = Some(page.next.unwrap_or_else(|| LAST.to_owned()));
        Ok(Some(page.ids))
    }

    async fn destroy_owned(
        &self,
        user: &str,
        index: &str,
        batch: &[SessionId],
        texts: &[Option<String>],
    ) -> Result<u64, StoreError> {
        let deleted: Vec<Option<SessionId>> = stream::iter(self.owned(user, batch, texts))
            .map(async |id| Ok::<_, StoreError>(self.destroy(&id).await?.then_some(id)))
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        let deleted: Vec<&SessionId> = deleted.iter().flatten().collect();
        self.leave(index, &deleted).await?;
        Ok(deleted.len() as u64)
    }

    /// Returns those of a batch that are live and name the user: a set may be outdated.
    fn owned(&self, user: &str, batch: &[SessionId], texts: &[Option<String>]) -> Vec<SessionId> {
        let keys = self.user_keys.load();
        batch
            .iter()
            .zip(texts)
            .filter(|(_, text)| {
                let text = text.as_deref();
                text.is_some_and(|text| keys.users_of(text).iter().any(|owner| owner == user))
            })
            .map(|(id, _)| id.clone())
            .collect()
    }

    async fn members(&self, index: &str) -> Result<Vec<SessionId>, StoreError> {
        let (mut members, mut cursor) = (HashSet::new(), "0".to_owned());
        loop {
            let mut command = redis::cmd("SSCAN");
            command.arg(index).arg(&cursor).arg("COUNT").arg(BATCH);
            let answer = self
                .link
                .send(&command.into(), Idempotency::Idempotent)
                .await?;
            let (next, ids): (String, Vec<Vec<u8>>) =
                redis::from_redis_value(answer).map_err(|_| corrupt())?;
            members.extend(ids.into_iter().filter_map(|id| String::from_utf8(id).ok()));
            cursor = next;
            if cursor == "0" {
                return Ok(members.iter().map(|id| SessionId::from_store(id)).collect());
            }
        }
    }

    /// Returns the texts of sessions, `None` for one that is absent, ended or no text.
    async fn texts(&self, ids: &[SessionId]) -> Result<Vec<Option<String>>, StoreError> {
        let texts = self.each(ids, |id| self.keys.session(id)).await?;
        let ended = if self.mixed_fleet {
            self.each(ids, |id| self.keys.tomb(id)).await?
        } else {
            vec![None; ids.len()]
        };
        let live = texts.into_iter().zip(ended);
        Ok(live
            .map(|(text, ended)| text.filter(|_| ended.is_none()))
            .collect())
    }

    /// Returns those of some sessions that have not been ended, if Express may resurrect them.
    pub(crate) async fn unended(&self, ids: Vec<SessionId>) -> Result<Vec<SessionId>, StoreError> {
        if !self.mixed_fleet {
            return Ok(ids);
        }
        let ended = self.each(&ids, |id| self.keys.tomb(id)).await?;
        let live = ids.into_iter().zip(ended);
        Ok(live
            .filter(|(_, ended)| ended.is_none())
            .map(|(id, _)| id)
            .collect())
    }

    async fn each(
        &self,
        ids: &[SessionId],
        key: impl Fn(&SessionId) -> String,
    ) -> Result<Vec<Option<String>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // Decoded as Node decodes invalid UTF-8: the user's keys survive that.
        let text = |value| match value {
            Value::BulkString(text) => Some(String::from_utf8_lossy(&text).into_owned()),
            _ => None,
        };
        if self.keys.are_spread() {
            // One by one: a migrating slot answers for one key at a time.
            let keys: Vec<String> = ids.iter().map(key).collect();
            return stream::iter(keys)
                .map(async |key| {
                    let mut command = redis::cmd("GET");
                    command.arg(key);
                    match self
                        .link
                        .send(&command.into(), Idempotency::Idempotent)
                        .await
                    {
                        Ok(value) => Ok(text(value)),
                        Err(error) if error.kind() == StoreErrorKind::Corrupt => Ok(None),
                        Err(error) => Err(error),
                    }
                })
                .buffered(PARALLEL)
                .try_collect()
                .await;
        }
        let mut command = redis::cmd("MGET");
        for id in ids {
            command.arg(key(id));
        }
        let answer = self
            .link
            .send(&command.into(), Idempotency::Idempotent)
            .await?;
        let Value::Array(values) = answer else {
            return Err(corrupt());
        };
        Ok(values.into_iter().map(text).collect())
    }

    async fn forget_absent(&self, index: &str, absent: &[&SessionId]) -> Result<(), StoreError> {
        if self.read_only {
            return Ok(());
        }
        self.leave(index, &self.seen.absent_for_long(index, absent))
            .await
    }

    async fn leave(&self, index: &str, ids: &[&SessionId]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("SREM");
        command.arg(index);
        for id in ids {
            command.arg(id.expose());
        }
        // Removing an absent member changes nothing.
        self.link
            .send(&Request::Command(command), Idempotency::Idempotent)
            .await?;
        Ok(())
    }
}

impl RedisStore {
    /// Enters a session into the index that another program, such as Express, has stored.
    pub(crate) fn index_what_was_read(&self, id: &SessionId, stored: &StoredRecord) {
        if self.0.read_only {
            return;
        }
        let (seen, now) = (&self.0.seen, self.0.clock.now());
        let left = stored.expires.as_millis().saturating_sub(now.as_millis());
        let ttl = index_ttl(left);
        let until = |ttl: i64| now.as_millis().saturating_add(ttl);
        let needed = until(left.min(ttl));
        // The user of a text is cached; the entry in the index is checked each time.
        if seen.knows(id, &stored.text, needed) {
            return;
        }
        let mut users = self.0.user_keys.load().users_of(&stored.text);
        seen.note_owners(id, &stored.text, &users);
        users.retain(|user| !seen.covers(user, id, needed));
        for user in users {
            seen.note(&user, id, until(ttl));
            self.enter_soon(user, id.clone(), ttl);
        }
    }

    fn enter_soon(&self, user: String, id: SessionId, ttl: i64) {
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let index = inner.keys.index(&user);
            if let Err(error) = inner.enter(&index, &id, ttl).await {
                inner.seen.forget(&user, &id);
                tracing::debug!(%error, "a session is not in its user's index yet");
            }
        });
    }
}

fn missing<'a>(batch: &'a [SessionId], texts: &[Option<String>]) -> Vec<&'a SessionId> {
    batch
        .iter()
        .zip(texts)
        .filter(|(_, text)| text.is_none())
        .map(|(id, _)| id)
        .collect()
}
