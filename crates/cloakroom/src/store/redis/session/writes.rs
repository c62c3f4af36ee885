//! Writes of a session, each in one round trip, or in a few where a cluster spreads its keys.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use redis::{Cmd, Pipeline, Value};

use super::replies::{corrupt, stored};
use super::script_call::Call;
use super::ttl::{TOMBSTONE_GRACE, index_ttl};
use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::redis::RedisInner;
use crate::store::redis::connection::command::Request;
use crate::store::redis::connection::error::Idempotency;
use crate::store::redis::replay::End;
use crate::store::{CasOutcome, NewRecord, RetiredId, StoreError, StoreErrorKind};

/// The reply of a script.
pub(crate) enum ScriptReply {
    Done,
    Taken,
    Gone,
    Changed { text: Vec<u8>, ttl: i64 },
}

impl RedisInner {
    pub(crate) async fn create(&self, id: &SessionId, entry: &NewRecord) -> Result<(), StoreError> {
        let ttl = self.ttl(entry);
        if ttl <= 0 {
            return self.refuse_taken(id).await;
        }
        let index = self.index_for(id, entry, ttl).await?;
        let enters = index.is_some();
        let request = Call::of(&self.scripts.create)
            .key('s', self.keys.session(id))
            .maybe_key('t', self.mark(id))
            .maybe_key('i', index)
            .session(id, entry, ttl);
        match self.call(request).await? {
            ScriptReply::Done => {
                self.is_written(id, entry, ttl, enters);
                Ok(())
            }
            _ => Err(StoreErrorKind::IdTaken.into()),
        }
    }

    async fn refuse_taken(&self, id: &SessionId) -> Result<(), StoreError> {
        match self.get(id).await? {
            None => Ok(()),
            Some(_) => Err(StoreErrorKind::IdTaken.into()),
        }
    }

    pub(crate) async fn update(
        &self,
        id: &SessionId,
        read: &RecordText,
        entry: &NewRecord,
    ) -> Result<CasOutcome, StoreError> {
        let ttl = self.ttl(entry);
        let index = self.index_for(id, entry, ttl).await?;
        let enters = index.is_some();
        let said = if ttl <= 0 {
            let request = Call::of(&self.scripts.update)
                .key('s', self.keys.session(id))
                .maybe_key('t', self.mark(id))
                .session(id, entry, ttl)
                .argument(&**read);
            self.end(request.into(), end(id, None)).await?
        } else if !enters && !self.mixed_fleet {
            self.swap(id, read, entry, ttl).await?
        } else {
            let request = Call::of(&self.scripts.update)
                .key('s', self.keys.session(id))
                .maybe_key('t', self.mark(id))
                .maybe_key('i', index)
                .session(id, entry, ttl)
                .argument(&**read);
            self.call(request).await?
        };
        let written = self.written(said)?;
        if written == CasOutcome::Stored {
            self.is_written(id, entry, ttl, enters);
        }
        Ok(written)
    }

    /// Compares and sets a session that stands in its index for long enough.
    async fn swap(
        &self,
        id: &SessionId,
        read: &RecordText,
        entry: &NewRecord,
        ttl: i64,
    ) -> Result<ScriptReply, StoreError> {
        if self.scripts.compares.load(Ordering::Relaxed) {
            match self.compare_and_set(id, read, entry, ttl).await {
                // An older server, after a failover.
                Err(error) if error.kind() == StoreErrorKind::Invalid => {
                    self.scripts.compares.store(false, Ordering::Relaxed);
                }
                said => return said,
            }
        }
        self.ask(Request::Script {
            script: &self.scripts.swap,
            keys: vec![self.keys.session(id)],
            arguments: vec![
                Cow::Borrowed(&*entry.text),
                Cow::Borrowed(&**read),
                Cow::Owned(ttl.to_string()),
            ],
        })
        .await
    }

    /// Compares and sets without a script, where the server can: at a twentieth of the cost.
    async fn compare_and_set(
        &self,
        id: &SessionId,
        read: &RecordText,
        entry: &NewRecord,
        ttl: i64,
    ) -> Result<ScriptReply, StoreError> {
        let key = self.keys.session(id);
        let mut set = Cmd::with_capacity(8, 64 + key.len() + entry.text.len() + read.len());
        set.arg("SET")
            .arg(&key)
            .arg(&*entry.text)
            .arg("IFEQ")
            .arg(&**read)
            .arg("GET")
            .arg("PX")
            .arg(ttl);
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.add_command(set).cmd("PTTL").arg(&key);
        let answer = self.link.write(&pipeline.into()).await?;
        let kept = answer.kept();
        let Value::Array(mut values) = answer.value else {
            return Err(corrupt());
        };
        match (values.pop(), values.pop()) {
            (Some(Value::Int(_)), Some(Value::Nil)) => Ok(ScriptReply::Gone),
            (Some(Value::Int(_)), Some(Value::BulkString(text))) if text == read.as_bytes() => {
                kept.map(|()| ScriptReply::Done)
            }
            (Some(Value::Int(ttl)), Some(Value::BulkString(text))) => {
                Ok(ScriptReply::Changed { text, ttl })
            }
            _ => Err(corrupt()),
        }
    }

    pub(crate) async fn touch(
        &self,
        id: &SessionId,
        entry: &NewRecord,
    ) -> Result<bool, StoreError> {
        let ttl = self.ttl(entry);
        let index = self.index_for(id, entry, ttl).await?;
        let (mark, enters) = (self.mark(id), index.is_some());
        let request = if !enters && mark.is_none() {
            let (key, mut both) = (self.keys.session(id), Pipeline::new());
            both.cmd("PEXPIRE").arg(&key).arg(ttl).arg("GT");
            both.cmd("EXISTS").arg(&key);
            both.into()
        } else {
            Call::of(&self.scripts.touch)
                .key('s', self.keys.session(id))
                .maybe_key('t', mark)
                .maybe_key('i', index)
                .argument(id.expose())
                .argument(ttl.to_string())
                .argument("")
                .argument(index_ttl(ttl).to_string())
                .into()
        };
        if ttl <= 0 {
            return Ok(matches!(
                self.end(request, end(id, None)).await?,
                ScriptReply::Done
            ));
        }
        // It may be sent twice: the second time changes nothing.
        let said = self.link.send(&request, Idempotency::Idempotent).await?;
        let live = match &said {
            Value::Array(both) => both.get(1) == Some(&Value::Int(1)),
            one => *one == Value::Int(1),
        };
        if live && enters {
            self.is_entered(id, entry, ttl);
        }
        Ok(live)
    }

    pub(crate) async fn destroy(&self, id: &SessionId) -> Result<bool, StoreError> {
        let Some(mark) = self.mark(id) else {
            return self.delete(id).await;
        };
        let request = Call::of(&self.scripts.destroy)
            .key('s', self.keys.session(id))
            .key('t', mark)
            .argument(TOMBSTONE_GRACE.as_millis().to_string())
            .into();
        self.destroyed(request, end(id, None)).await
    }

    /// Ends a session as [`destroy`](Self::destroy) does, and notes why its id is retired.
    pub(crate) async fn retire(&self, id: &SessionId, why: &RetiredId) -> Result<bool, StoreError> {
        let Some(retired) = self.note(id) else {
            return self.destroy(id).await;
        };
        let request = Call::of(&self.scripts.destroy)
            .key('s', self.keys.session(id))
            .maybe_key('t', self.mark(id))
            .key('r', retired)
            .argument(TOMBSTONE_GRACE.as_millis().to_string())
            .argument(why.as_str())
            .into();
        self.destroyed(request, end(id, Some(why))).await
    }

    /// Sends a request that ends a session unconditionally; returns `true` if there was one.
    async fn destroyed(&self, request: Request<'_>, end: End) -> Result<bool, StoreError> {
        let answer = self.link.end(&request).await?;
        self.link.ended(end, &answer).await?;
        Ok(answer.value == Value::Int(1))
    }

    pub(crate) async fn delete(&self, id: &SessionId) -> Result<bool, StoreError> {
        let mut command = redis::cmd("DEL");
        command.arg(self.keys.session(id));
        self.destroyed(command.into(), end(id, None)).await
    }

    pub(super) async fn call(&self, call: Call<'_>) -> Result<ScriptReply, StoreError> {
        self.ask(call.into()).await
    }

    async fn ask(&self, request: Request<'_>) -> Result<ScriptReply, StoreError> {
        let answer = self.link.write(&request).await?;
        let kept = answer.kept();
        match Self::said(answer.value)? {
            ScriptReply::Done => kept.map(|()| ScriptReply::Done),
            said => Ok(said),
        }
    }

    /// Sends a request that ends a session if it succeeds.
    pub(crate) async fn end(
        &self,
        request: Request<'_>,
        end: End,
    ) -> Result<ScriptReply, StoreError> {
        let mut answer = self.link.end(&request).await?;
        let value = std::mem::replace(&mut answer.value, Value::Nil);
        let said = Self::said(value)?;
        if matches!(said, ScriptReply::Done) {
            self.link.ended(end, &answer).await?;
        }
        Ok(said)
    }

    fn said(value: Value) -> Result<ScriptReply, StoreError> {
        match value {
            Value::Int(1) => Ok(ScriptReply::Done),
            Value::Int(_) => Ok(ScriptReply::Taken),
            Value::Nil => Ok(ScriptReply::Gone),
            Value::Array(mut values) => match (values.pop(), values.pop()) {
                (Some(Value::Int(ttl)), Some(Value::BulkString(text))) => {
                    Ok(ScriptReply::Changed { text, ttl })
                }
                _ => Err(corrupt()),
            },
            _ => Err(corrupt()),
        }
    }

    pub(crate) fn written(&self, said: ScriptReply) -> Result<CasOutcome, StoreError> {
        Ok(match said {
            ScriptReply::Done => CasOutcome::Stored,
            ScriptReply::Gone => CasOutcome::NotFound,
            ScriptReply::Taken => return Err(StoreErrorKind::IdTaken.into()),
            ScriptReply::Changed { text, ttl } => stored(text, ttl, self.clock.now())?
                .map_or(CasOutcome::NotFound, CasOutcome::Conflict),
        })
    }

    /// Returns the remaining time in whole seconds, rounded up, as connect-redis counts them.
    pub(crate) fn ttl(&self, entry: &NewRecord) -> i64 {
        let left = entry.expires.as_millis() - self.clock.now().as_millis();
        if left <= 0 {
            0
        } else {
            (left + 999) / 1000 * 1000
        }
    }

    pub(crate) fn mark(&self, id: &SessionId) -> Option<String> {
        self.mixed_fleet.then(|| self.keys.tomb(id))
    }

    /// Returns the key of the note that an id is retired, if the user may write it.
    pub(crate) fn note(&self, id: &SessionId) -> Option<String> {
        self.retires.then(|| self.keys.retired(id))
    }

    /// Returns the index into which a script must enter the session: none if it is known to stand there for
    /// long enough. If it lies on another server, the session is entered first.
    pub(super) async fn index_for(
        &self,
        id: &SessionId,
        entry: &NewRecord,
        ttl: i64,
    ) -> Result<Option<String>, StoreError> {
        let (user, others) = owners(entry);
        for other in others {
            Box::pin(self.enter_of(other, id, ttl)).await?;
        }
        let Some(user) = user.filter(|_| ttl > 0) else {
            return Ok(None);
        };
        if self.seen.covers(user, id, self.until(ttl)) {
            return Ok(None);
        }
        if !self.keys.are_spread() {
            return Ok(Some(self.keys.index(user)));
        }
        Box::pin(self.enter_of(user, id, ttl)).await?;
        Ok(None)
    }

    /// Enters a session into the index of one of its users, unless it is known to stand there.
    pub(crate) async fn enter_of(
        &self,
        user: &str,
        id: &SessionId,
        ttl: i64,
    ) -> Result<(), StoreError> {
        if ttl <= 0 || self.seen.covers(user, id, self.until(ttl)) {
            return Ok(());
        }
        self.enter(&self.keys.index(user), id, index_ttl(ttl))
            .await?;
        self.seen.note(user, id, self.until(index_ttl(ttl)));
        Ok(())
    }

    /// Caches, for the next read, the user of the session, and that a script has entered it into that user's
    /// index.
    pub(crate) fn is_written(&self, id: &SessionId, entry: &NewRecord, ttl: i64, entered: bool) {
        self.seen.note_owners(id, &entry.text, &entry.users);
        if entered {
            self.is_entered(id, entry, ttl);
        }
    }

    fn is_entered(&self, id: &SessionId, entry: &NewRecord, ttl: i64) {
        if let (Some(user), _) = owners(entry)
            && ttl > 0
        {
            self.seen.note(user, id, self.until(index_ttl(ttl)));
        }
    }

    fn until(&self, ttl: i64) -> i64 {
        self.clock.now().as_millis().saturating_add(ttl)
    }

    pub(crate) async fn enter(
        &self,
        index: &str,
        id: &SessionId,
        ttl: i64,
    ) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::new();
        enter(&mut pipeline, index, id, ttl);
        // Entering a member twice changes nothing.
        self.link
            .send(&pipeline.into(), Idempotency::Idempotent)
            .await?;
        Ok(())
    }
}

/// Builds the log entry of an end.
pub(crate) fn end(id: &SessionId, note: Option<&RetiredId>) -> End {
    let note = note.map(|note| note.as_str().into());
    End {
        id: id.clone(),
        note,
    }
}

/// Returns the user whose index a script enters a record into, and the others that it names.
pub(crate) fn owners(entry: &NewRecord) -> (Option<&str>, &[String]) {
    match entry.users.split_first() {
        Some((user, others)) => (Some(user), others),
        None => (None, &[]),
    }
}

/// Enters a session into an index, which outlives each of its sessions.
fn enter(pipeline: &mut Pipeline, index: &str, id: &SessionId, ttl: i64) {
    pipeline.cmd("SADD").arg(index).arg(id.expose());
    for when in ["NX", "GT"] {
        pipeline.cmd("PEXPIRE").arg(index).arg(ttl).arg(when);
    }
}
