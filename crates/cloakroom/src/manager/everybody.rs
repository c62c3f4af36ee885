//! Ends all sessions of all users, after a leak.

use tokio::task::JoinSet;

use super::Manager;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::lifecycle;
use crate::observe::EndCause;
use crate::record::Metadata;
use crate::store::{StoreError, StoreErrorKind};

/// Number of ids in one page of a listing.
const PAGE: usize = 1_000;
/// Number of sessions that are ended concurrently.
const AT_ONCE: usize = 32;
/// Number of passes over all sessions, because some change their ids meanwhile.
const PASSES: usize = 16;

impl Manager {
    /// Ends all sessions of this layer, of all users, on every server, and returns their number: after a leak
    /// (OWASP ASVS 7.4.5). Sessions of another realm in the same store stay; a record that cannot be read has
    /// no realm, and is ended by a layer that has none.
    ///
    /// All sessions that existed when it was called are over when it returns, those that change their ids
    /// meanwhile as well; users who sign in meanwhile may have to sign in again. It reads and ends the
    /// sessions 32 at a time: count on minutes for a million. Where the store fails in between, it may be
    /// called again.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed; some have ended.
    pub async fn end_all_sessions(&self) -> Result<u64, StoreError> {
        let (begin, mut ended) = (self.0.now(), 0);
        for pass in 0..PASSES {
            // Clients that sign in meanwhile must not keep the passes busy for ever.
            let before = (pass > 0).then_some(begin);
            let found = self.end_pass(before).await?;
            ended += found;
            if found == 0 {
                return Ok(ended);
            }
        }
        let reason = "sessions change their ids faster than they can be ended";
        Err(StoreError::new(StoreErrorKind::Unavailable, reason))
    }

    /// Makes one pass over all sessions.
    async fn end_pass(&self, before: Option<Timestamp>) -> Result<u64, StoreError> {
        let (mut cursor, mut ended) = (None::<String>, 0);
        loop {
            let scanning = self.store().scan(cursor.as_deref(), PAGE);
            let page = self.0.in_long_time(scanning, StoreErrorKind::Unavailable);
            let page = page.await?;
            ended += self.end_those(page.ids, before).await?;
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(ended),
            }
        }
    }

    async fn end_those(
        &self,
        ids: Vec<SessionId>,
        before: Option<Timestamp>,
    ) -> Result<u64, StoreError> {
        let (mut tasks, mut ended, mut ids) = (JoinSet::new(), 0, ids.into_iter());
        loop {
            while tasks.len() < AT_ONCE
                && let Some(key) = ids.next()
            {
                let manager = self.clone();
                tasks.spawn(async move { manager.end_if_own(&key, before).await });
            }
            match tasks.join_next().await {
                None => return Ok(ended),
                Some(Ok(one)) => ended += u64::from(one?),
                Some(Err(error)) => return Err(StoreError::new(StoreErrorKind::Unknown, error)),
            }
        }
    }

    /// Ends a session by the store's key, where it is this layer's own and began before.
    async fn end_if_own(
        &self,
        key: &SessionId,
        before: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let record = match self.0.get_uncached_at(key).await {
            Err(error) if error.kind() == StoreErrorKind::Corrupt => None,
            stored => match stored? {
                Some(stored) => self.0.record(key, stored.text).ok(),
                None => return Ok(false),
            },
        };
        let metadata = record.as_ref().and_then(|record| record.metadata());
        let metadata = metadata.map(AsRef::as_ref);
        let is_younger =
            |metadata: &Metadata| before.is_some_and(|before| metadata.created() > before);
        if !lifecycle::belongs(self.policy(), metadata) || metadata.is_some_and(is_younger) {
            return Ok(false);
        }
        let has_ended = self.0.destroy_at(key, EndCause::Operator).await?;
        if has_ended && !self.0.observers.is_empty() {
            let subject = self.0.subject_of(key, record.as_deref());
            self.0.tell_ended(&subject, EndCause::Operator, 1);
        }
        Ok(has_ended)
    }
}
