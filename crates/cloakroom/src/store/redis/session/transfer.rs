//! Pages of whole records, and conditional writes.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use redis::{Cmd, Pipeline, Value};

use super::reads::{AT_ONCE, of_key};
use super::replies::{corrupt, stored};
use super::script_call::Call;
use super::ttl::LONGEST;
use super::writes::ScriptReply;
use crate::id::SessionId;
use crate::store::redis::RedisInner;
use crate::store::redis::connection::command::{Node, Request};
use crate::store::redis::connection::error::Idempotency;
use crate::store::transfer::{PlacedRecord, present};
use crate::store::{ENDLESS, NewRecord, PutIf, PutOutcome, RecordPage, StoreError, StoreErrorKind};

impl RedisInner {
    /// Scans as for ids, and reads the records of a page in one more round trip.
    pub(crate) async fn scan_records(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<RecordPage, StoreError> {
        let (node, page) = self.scan_keys(cursor, limit).await?;
        let records = match node {
            _ if page.ids.is_empty() => Vec::new(),
            None => self.records(page.ids).await?,
            Some(node) => self.records_at(node, page.ids).await?,
        };
        Ok(RecordPage {
            records,
            next: page.next,
        })
    }

    async fn records(&self, ids: Vec<SessionId>) -> Result<Vec<PlacedRecord>, StoreError> {
        let mut asked = Pipeline::with_capacity(ids.len() + 2);
        asked.add_command(all_of("MGET", &ids, |id| self.keys.session(id)));
        for id in &ids {
            asked.add_command(of_key("PTTL", &self.keys.session(id)));
        }
        if self.mixed_fleet {
            asked.add_command(all_of("MGET", &ids, |id| self.keys.tomb(id)));
        }
        let stamp = self.link.replay().stamp();
        let said = self
            .link
            .send(&asked.into(), Idempotency::Idempotent)
            .await?;
        let mut said = array(said)?.into_iter();
        let texts = array(said.next().ok_or_else(corrupt)?)?;
        let left: Vec<Value> = said.by_ref().take(ids.len()).collect();
        let tombs = said.next().map(array).transpose()?;
        let tombs = tombs.unwrap_or_else(|| vec![Value::Nil; ids.len()]);
        let ids = ids.into_iter().zip(texts).zip(left).zip(tombs);
        let unbarred = ids.filter(|(((id, ..), _), _)| !self.link.replay().bars(id, stamp));
        let placed =
            unbarred.filter_map(|(((id, text), left), tomb)| self.placed(id, text, left, tomb));
        Ok(placed.collect())
    }

    /// Reads the records that a node of a cluster has; if some of them are moving, one by one.
    pub(crate) async fn records_at(
        &self,
        node: Node,
        ids: Vec<SessionId>,
    ) -> Result<Vec<PlacedRecord>, StoreError> {
        let mut asked = Pipeline::with_capacity(ids.len() * 3);
        for id in &ids {
            for command in self.asks_for(id).cmd_iter() {
                asked.add_command(command.clone());
            }
        }
        let stamp = self.link.replay().stamp();
        let asked = Request::PipelineToNode(asked, node);
        let Ok(Value::Array(said)) = self.link.try_send(&asked).await else {
            return self.records_one_by_one(ids).await;
        };
        let of_each = if self.mixed_fleet { 3 } else { 2 };
        let mut said = said.into_iter();
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            let mut values = said.by_ref().take(of_each);
            let (text, left) = (values.next(), values.next());
            let (Some(text), Some(left)) = (text, left) else {
                return Err(corrupt());
            };
            let tomb = match values.next() {
                None | Some(Value::Int(0)) => Value::Nil,
                Some(there) => there,
            };
            drop(values);
            if !self.link.replay().bars(&id, stamp) {
                records.extend(self.placed(id, text, left, tomb));
            }
        }
        Ok(records)
    }

    async fn records_one_by_one(
        &self,
        ids: Vec<SessionId>,
    ) -> Result<Vec<PlacedRecord>, StoreError> {
        let records: Vec<_> = stream::iter(ids)
            .map(async |id| {
                let read = self.get(&id).await;
                present(id, read)
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(records.into_iter().flatten().collect())
    }

    /// Returns a session in its place, or the reason why it cannot be read; `None` if it is over.
    fn placed(&self, id: SessionId, text: Value, left: Value, tomb: Value) -> Option<PlacedRecord> {
        match (text, left, tomb) {
            (Value::BulkString(text), Value::Int(left), Value::Nil) => {
                let record = stored(text, left, self.clock.now()).transpose()?;
                Some((id, record))
            }
            // Nothing is there any more, or Express has resurrected it.
            (Value::Nil, ..) | (_, _, Value::BulkString(_) | Value::Int(_)) => None,
            _ => Some((id, Err(corrupt()))),
        }
    }

    /// Stores a record on a condition, in one step.
    pub(crate) async fn put(
        &self,
        id: &SessionId,
        entry: &NewRecord,
        condition: &PutIf,
    ) -> Result<PutOutcome, StoreError> {
        let is_endless = entry.expires >= ENDLESS;
        let ttl = self.ttl(entry);
        if ttl <= 0 {
            return self.put_expired(id, entry, condition).await;
        }
        let ttl = if is_endless { LONGEST } else { ttl };
        let index = self.index_for(id, entry, ttl).await?;
        let enters = index.is_some();
        let mut call = Call::of(&self.scripts.put)
            .key('s', self.keys.session(id))
            .maybe_key('t', self.mark(id))
            .maybe_key('r', self.note(id))
            .maybe_key('i', index)
            .session_until(id, entry, if is_endless { 0 } else { ttl }, ttl);
        if let Some(text) = condition.text() {
            let now = self.clock.now().as_millis();
            let most = condition
                .latest()
                .map_or(0, |latest| (latest.as_millis() - now).max(1));
            call = call.argument(&**text).argument(most.to_string());
        }
        Ok(match self.call(call).await? {
            ScriptReply::Taken => PutOutcome::Retired,
            said => {
                let outcome = PutOutcome::from(self.written(said)?);
                if outcome == PutOutcome::Stored {
                    self.is_written(id, entry, ttl, enters);
                }
                outcome
            }
        })
    }

    /// Puts what has expired already: where a text is required, its session is over then.
    async fn put_expired(
        &self,
        id: &SessionId,
        entry: &NewRecord,
        condition: &PutIf,
    ) -> Result<PutOutcome, StoreError> {
        let live = self.get(id).await?;
        let is_retired = live.is_none() && self.retired(id).await?.is_some();
        match (condition.refuse(live, is_retired), condition.text()) {
            (Some(refused), _) => Ok(refused),
            (None, Some(read)) => Ok(self.update(id, read, entry).await?.into()),
            (None, None) => Ok(PutOutcome::Stored),
        }
    }
}

/// Builds a command on a key of each session.
fn all_of(name: &str, ids: &[SessionId], key: impl Fn(&SessionId) -> String) -> Cmd {
    let mut command = redis::cmd(name);
    for id in ids {
        command.arg(key(id));
    }
    command
}

fn array(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(StoreErrorKind::Corrupt.into()),
    }
}
