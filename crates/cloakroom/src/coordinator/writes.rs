//! The three ways in which a record gets into the store, each with its retries.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::time_limit::TimeLimit;
use super::{Coordinator, Followed, SaveError};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::lifecycle::{Edit, Merged, leaves_id, merge, succession};
use crate::record::{NewRecord, Record, RecordText, StoredRecord};
use crate::store::{self, StoreError, StoreErrorKind};

/// Number of further ids that are generated because one was taken: with random ids it never happens.
const MAX_ID_ATTEMPTS: u32 = 3;

/// The result of a save.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    pub(crate) record: Arc<Record>,
    pub(crate) expires: Timestamp,
    /// The id that the session was renewed to before it was written.
    pub(crate) successor: Option<SessionId>,
    /// The value that an edit's change resulted in.
    pub(crate) value: Option<String>,
    /// `true` if others had changed the record meanwhile.
    pub(crate) is_merged: bool,
}

/// The result of a write of one or several edits.
pub(super) struct WrittenEdits {
    pub(super) record: Arc<Record>,
    expires: Timestamp,
    successor: Option<SessionId>,
    is_merged: bool,
}

impl WrittenEdits {
    /// Returns the result for one of the edits.
    pub(super) fn of(&self, edit: &mut Edit) -> Saved {
        Saved {
            record: Arc::clone(&self.record),
            expires: self.expires,
            successor: self.successor.clone(),
            value: edit.value.take(),
            is_merged: self.is_merged,
        }
    }
}

impl Coordinator {
    /// Writes edits over a record, or over the record as it is stored by now.
    pub(super) async fn write(
        &self,
        id: &SessionId,
        mut base: Arc<Record>,
        edits: &mut [&mut Edit],
    ) -> Result<WrittenEdits, SaveError> {
        let mut key = self.key(id);
        let mut successor: Option<SessionId> = None;
        let (mut tries, mut is_merged) = (self.tries(), false);
        while tries.another().await {
            let merged = merge(&self.policy, &key, Some(&base), edits)?;
            let writing = self.store.update(&key, base.text(), &merged.entry);
            match self
                .within(&mut tries.limit, writing, StoreErrorKind::Unknown)
                .await?
            {
                store::CasOutcome::Stored => {
                    let written = self.written(successor.as_ref().unwrap_or(id), merged);
                    return Ok(WrittenEdits {
                        successor,
                        is_merged,
                        ..written
                    });
                }
                store::CasOutcome::NotFound => {
                    let (next, stored) = self.renewed(successor.as_ref().unwrap_or(id)).await?;
                    base = self.parse(&next, stored.text)?;
                    key = Cow::Owned(self.key(&next).into_owned());
                    successor = Some(next);
                }
                store::CasOutcome::Conflict(stored) => {
                    base = self.parse(successor.as_ref().unwrap_or(id), stored.text)?;
                    is_merged = true;
                }
            }
        }
        Err(SaveError::Conflict)
    }

    /// Returns the session that an id was renewed to while this request ran.
    async fn renewed(&self, id: &SessionId) -> Result<(SessionId, StoredRecord), SaveError> {
        match Box::pin(self.follow(id)).await? {
            Followed::Unknown => Err(SaveError::Gone),
            Followed::Closed => Err(SaveError::Closed),
            Followed::Successor(next, stored) => Ok((next, stored)),
        }
    }

    /// Stores a new record; generates another id where one is taken.
    pub(crate) async fn create(
        &self,
        id: &mut SessionId,
        draw: impl Fn() -> SessionId,
        mut edit: Box<Edit>,
    ) -> Result<Saved, SaveError> {
        for _ in 0..MAX_ID_ATTEMPTS {
            self.check_id(id)?;
            let key = self.key(id);
            let merged = merge(&self.policy, &key, None, &mut [&mut edit])?;
            let creating = self.store.create(&key, &merged.entry);
            match self.in_time(creating, StoreErrorKind::Unknown).await {
                Err(error) if error.kind() == StoreErrorKind::IdTaken => *id = draw(),
                outcome => {
                    outcome?;
                    return Ok(self.written(id, merged).of(&mut edit));
                }
            }
        }
        Err(SaveError::Store(StoreErrorKind::IdTaken.into()))
    }

    /// Moves a session to another id: its record as it is stored by then, or a new one without `base`.
    pub(crate) async fn replace(
        &self,
        old: &SessionId,
        id: &mut SessionId,
        draw: impl Fn() -> SessionId,
        mut base: Option<Arc<Record>>,
        mut edit: Box<Edit>,
    ) -> Result<Saved, SaveError> {
        let mut old = Cow::Borrowed(old);
        let (mut tries, mut is_merged) = (self.tries(), false);
        while tries.another().await {
            self.check_id(id)?;
            let (old_key, key) = (self.key(&old), self.key(id).into_owned());
            let merged = merge(&self.policy, &key, base.as_deref(), &mut [&mut edit])?;
            let succession =
                succession(&self.policy, edit.rotation, base.as_deref(), &merged.record);
            let retired = self.retire_for(succession, &old, id);
            let required = edit.required.clone();
            let read = base.as_ref().map(|base| base.text()).or(required.as_ref());
            let replacing = self
                .store
                .replace(&old_key, read, &key, &merged.entry, &retired);
            match self
                .within(&mut tries.limit, replacing, StoreErrorKind::Unknown)
                .await
            {
                Err(error) if error.kind() == StoreErrorKind::IdTaken => *id = draw(),
                Err(error) => return Err(error.into()),
                Ok(store::CasOutcome::Stored) => {
                    self.watch.is_over(&old_key);
                    self.record_cache.remove(&old);
                    let written = self.written(id, merged);
                    return Ok(WrittenEdits {
                        is_merged,
                        ..written
                    }
                    .of(&mut edit));
                }
                Ok(store::CasOutcome::NotFound) => {
                    let (next, stored) = self.renewed(&old).await?;
                    let stays =
                        leaves_id(&self.policy, edit.rotation, base.as_deref(), &merged.record);
                    if base.is_some() {
                        base = Some(self.parse(&next, stored.text)?);
                    } else if edit.required.is_some() {
                        edit.required = Some(stored.text);
                    }
                    if let Some(base) = base.take_if(|_| stays) {
                        let written = Box::pin(self.write(&next, base, &mut [&mut edit])).await?;
                        let mut saved = written.of(&mut edit);
                        saved.successor.get_or_insert(next);
                        return Ok(saved);
                    }
                    old = Cow::Owned(next);
                }
                // Of a session whose data is discarded only the text that it has by now counts.
                Ok(store::CasOutcome::Conflict(stored)) if base.is_none() => {
                    edit.required = Some(stored.text);
                }
                Ok(store::CasOutcome::Conflict(stored)) => {
                    base = Some(self.parse(&old, stored.text)?);
                    is_merged = true;
                }
            }
        }
        Err(SaveError::Conflict)
    }

    fn tries(&self) -> CasRetry {
        CasRetry {
            made: 0,
            limit: TimeLimit::of(self.policy.settings().store_timeout),
        }
    }

    /// Moves the expiry of a record; returns `false` where there is none.
    pub(crate) async fn touch(
        &self,
        id: &SessionId,
        base: &Record,
        mut edit: Box<Edit>,
    ) -> Result<bool, SaveError> {
        let key = self.key(id);
        let merged = merge(&self.policy, &key, Some(base), &mut [&mut edit])?;
        let touching = self.store.touch(&key, base.text(), &merged.entry);
        Ok(self.in_time(touching, StoreErrorKind::Unknown).await?)
    }

    /// Returns the record that edits are applied to: the one that was written last, or the stored one.
    pub(super) async fn base(
        &self,
        id: &SessionId,
        last: Option<Arc<Record>>,
    ) -> Result<Arc<Record>, SaveError> {
        match last {
            Some(last) => Ok(last),
            None => self.parse(id, self.get(id).await?.ok_or(SaveError::Gone)?.text),
        }
    }

    /// Notes a written record, for the next request of the session.
    fn written(&self, id: &SessionId, merged: Merged) -> WrittenEdits {
        let Merged {
            entry: NewRecord { expires, .. },
            record,
        } = merged;
        self.record_cache.insert(id, &record);
        WrittenEdits {
            record,
            expires,
            successor: None,
            is_merged: false,
        }
    }

    fn parse(&self, id: &SessionId, text: RecordText) -> Result<Arc<Record>, SaveError> {
        self.record(id, text)
            .map_err(|error| StoreError::new(StoreErrorKind::Corrupt, error).into())
    }
}

/// Retries of compare-and-set on a record that others change as well: until the store's time-out, so that a
/// slow server succeeds at last.
struct CasRetry {
    made: u32,
    limit: TimeLimit,
}

impl CasRetry {
    /// Returns `true` if another try is left. After the second conflict it waits a random moment, so that
    /// writers do not collide again.
    async fn another(&mut self) -> bool {
        if self.made > 2 {
            let spread = u64::from(SessionId::random().expose().as_bytes()[0]) % 16;
            Box::pin(tokio::time::sleep(Duration::from_micros(128 * spread))).await;
        }
        self.made += 1;
        if self.made == 1 {
            return true;
        }
        let now = Instant::now();
        now < self.limit.end(now)
    }
}
