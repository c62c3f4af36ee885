//! The replacement of an id: in one step, or in a few if a cluster has the two on different servers.

use super::script_call::Call;
use super::ttl::TOMBSTONE_GRACE;
use super::writes::{ScriptReply, end, owners};
use crate::id::SessionId;
use crate::record::RecordText;
use crate::store::redis::RedisInner;
use crate::store::{CasOutcome, NewRecord, RetiredId, StoreError};

impl RedisInner {
    pub(crate) async fn replace(
        &self,
        old: &SessionId,
        read: Option<&RecordText>,
        new: &SessionId,
        entry: &NewRecord,
        retired: &RetiredId,
    ) -> Result<CasOutcome, StoreError> {
        if self.keys.are_spread() {
            return self.replace_in_steps(old, read, new, entry, retired).await;
        }
        let ttl = self.ttl(entry);
        let (user, others) = owners(entry);
        for other in others {
            if read.is_some() && self.is_fenced_for(other, old).await? {
                return Ok(CasOutcome::NotFound);
            }
            self.enter_of(other, new, ttl).await?;
        }
        let index = user.map(|user| self.keys.index(user));
        let mut request = Call::of(&self.scripts.replace)
            .key('s', self.keys.session(new))
            .key('o', self.keys.session(old))
            .maybe_key('t', self.mark(new))
            .maybe_key('T', self.mark(old))
            .maybe_key('r', self.note(old))
            .maybe_key('i', index)
            .maybe_key('f', user.map(|user| self.keys.fence(user)))
            .session(new, entry, ttl)
            .argument(TOMBSTONE_GRACE.as_millis().to_string())
            .argument(old.expose())
            .argument(retired.as_str());
        if let Some(read) = read {
            request = request.argument(&**read);
        }
        let end = end(old, self.retires.then_some(retired));
        let written = self.written(self.end(request.into(), end).await?)?;
        if written == CasOutcome::Stored {
            self.is_written(new, entry, ttl, true);
        }
        Ok(written)
    }

    /// In a cluster the two ids may lie on two servers: the new one is stored before the old one is deleted,
    /// and is deleted itself if that fails. No client has it yet.
    async fn replace_in_steps(
        &self,
        old: &SessionId,
        read: Option<&RecordText>,
        new: &SessionId,
        entry: &NewRecord,
        retired: &RetiredId,
    ) -> Result<CasOutcome, StoreError> {
        self.create(new, entry).await?;
        let said = match read {
            Some(_) if self.is_fenced(entry, old).await? => ScriptReply::Gone,
            _ => self.take(old, read, retired).await?,
        };
        if !matches!(said, ScriptReply::Done) {
            self.delete(new).await?;
        }
        self.written(said)
    }

    /// Ends a session and notes why its id is retired: all of that lies in one slot.
    async fn take(
        &self,
        id: &SessionId,
        read: Option<&RecordText>,
        retired: &RetiredId,
    ) -> Result<ScriptReply, StoreError> {
        let mut request = Call::of(&self.scripts.take)
            .key('s', self.keys.session(id))
            .maybe_key('t', self.mark(id))
            .maybe_key('r', self.note(id))
            .argument(TOMBSTONE_GRACE.as_millis().to_string())
            .argument(retired.as_str());
        if let Some(read) = read {
            request = request.argument(&**read);
        }
        self.end(request.into(), end(id, self.retires.then_some(retired)))
            .await
    }
}
