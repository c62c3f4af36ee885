//! Reads from Redis.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use redis::{Cmd, Pipeline, Value};

use super::replies::{corrupt, expires, stored};
use super::tally::Tally;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::redis::connection::cluster_nodes::{nodes_said, slots};
use crate::store::redis::connection::command::{Node, Request};
use crate::store::redis::connection::error::Idempotency;
use crate::store::redis::replay::Stamp;
use crate::store::redis::{RedisInner, invalid};
use crate::store::{Page, RetiredId, StoreError, StoredRecord};

/// Most sessions of a cluster that are asked for at the same time.
pub(super) const AT_ONCE: usize = 256;

impl RedisInner {
    /// Reads the session and its remaining time in one round trip, and checks for a tombstone.
    pub(crate) async fn get(&self, id: &SessionId) -> Result<Option<StoredRecord>, StoreError> {
        let (asked, stamp) = (self.asks_for(id).into(), self.link.replay().stamp());
        let said = self.link.send(&asked, Idempotency::Idempotent).await?;
        self.said_of(id, said, stamp).await
    }

    /// Builds the request for a session.
    pub(crate) fn asks_for(&self, id: &SessionId) -> Pipeline {
        let key = self.keys.session(id);
        let mut pipeline = Pipeline::with_capacity(3);
        pipeline.add_command(of_key("GET", &key));
        pipeline.add_command(of_key("PTTL", &key));
        if self.mixed_fleet {
            pipeline.add_command(of_key("EXISTS", &self.keys.tomb(id)));
        }
        pipeline
    }

    /// Reads the reply, to a request sent at `stamp` or later.
    pub(crate) async fn said_of(
        &self,
        id: &SessionId,
        said: Value,
        stamp: Stamp,
    ) -> Result<Option<StoredRecord>, StoreError> {
        let Value::Array(values) = said else {
            return Err(corrupt());
        };
        if self.link.replay().bars(id, stamp) {
            return Ok(None);
        }
        let mut values = values.into_iter();
        match (values.next(), values.next(), values.next()) {
            (Some(Value::Nil), ..) => Ok(None),
            (_, _, Some(Value::Int(1))) => {
                // Express has resurrected it. It is deleted now, and would be before its tombstone expires.
                let _ = Box::pin(self.destroy(id)).await;
                Ok(None)
            }
            (Some(Value::BulkString(text)), Some(Value::Int(ttl)), _) => {
                stored(text, ttl, self.clock.now())
            }
            _ => Err(corrupt()),
        }
    }

    /// Returns the reason why an id was retired, for as long as Redis keeps the note.
    pub(crate) async fn retired(&self, id: &SessionId) -> Result<Option<RetiredId>, StoreError> {
        if !self.retires {
            return Ok(None);
        }
        let asked = of_key("GET", &self.keys.retired(id)).into();
        match self.link.send(&asked, Idempotency::Idempotent).await? {
            Value::Nil => Ok(None),
            Value::BulkString(text) => {
                let text = String::from_utf8(text).map_err(|_| corrupt())?;
                Ok(Some(text.into()))
            }
            _ => Err(corrupt()),
        }
    }

    /// Returns the expiry of each live session: in one round trip, in a cluster in several concurrent ones.
    pub(crate) async fn expiries(
        &self,
        ids: &[SessionId],
    ) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let stamp = self.link.replay().stamp();
        let living = self.lives_of(ids).await?;
        Ok(self.unbarred(ids, living, stamp))
    }

    /// Removes those that are known to have ended, whatever the server reported.
    pub(crate) fn unbarred(
        &self,
        ids: &[SessionId],
        mut living: Vec<Option<Timestamp>>,
        stamp: Stamp,
    ) -> Vec<Option<Timestamp>> {
        for (id, expires) in ids.iter().zip(&mut living) {
            if self.link.replay().bars(id, stamp) {
                *expires = None;
            }
        }
        living
    }

    async fn lives_of(&self, ids: &[SessionId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        if !self.keys.are_spread() {
            let asked = self.lives(ids).into();
            return self.lives_said(self.link.send(&asked, Idempotency::Idempotent).await?);
        }
        // Keys in one slot are requested together; requests to one node share its connection.
        let pieces: Vec<Pipeline> = ids
            .iter()
            .map(|id| self.lives(std::slice::from_ref(id)))
            .collect();
        let said: Vec<_> = stream::iter(pieces)
            .map(async |asked| {
                let said = self
                    .link
                    .send(&asked.into(), Idempotency::Idempotent)
                    .await?;
                self.lives_said(said)
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(said.into_iter().flatten().collect())
    }

    /// Builds the request for the remaining time of some sessions.
    pub(crate) fn lives(&self, ids: &[SessionId]) -> Pipeline {
        let mut pipeline = Pipeline::new();
        for id in ids {
            pipeline.cmd("PTTL").arg(self.keys.session(id));
            if self.mixed_fleet {
                pipeline.cmd("EXISTS").arg(self.keys.tomb(id));
            }
        }
        pipeline
    }

    /// Reads the reply to it.
    pub(crate) fn lives_said(&self, said: Value) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let Value::Array(values) = said else {
            return Err(corrupt());
        };
        let now = self.clock.now();
        let each = values.chunks(if self.mixed_fleet { 2 } else { 1 });
        each.map(|of_one| match of_one {
            [Value::Int(_), Value::Int(1)] => Ok(None),
            [Value::Int(ttl), ..] => Ok(expires(*ttl, now)),
            _ => Err(corrupt()),
        })
        .collect()
    }

    /// Returns a page of ids of live sessions.
    pub(crate) async fn scan(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let (_, page) = self.scan_keys(cursor, limit).await?;
        let ids = self.unended(page.ids).await?;
        Ok(Page { ids, ..page })
    }

    /// Scans by Redis's own cursor, in a cluster with the node that returned it. Ids of sessions that ended may
    /// be among them in a mixed fleet.
    pub(crate) async fn scan_keys(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Option<Node>, Page), StoreError> {
        if !self.keys.are_spread() {
            let cursor = cursor.unwrap_or("0").parse().map_err(|_| foreign())?;
            let (next, ids) = self.scan_node(None, cursor, limit).await?;
            let next = (next != 0).then(|| next.to_string());
            return Ok((None, Page { ids, next }));
        }
        let nodes = self.nodes().await?;
        let at = match cursor {
            None => nodes.first().map(|node| (node.clone(), 0)),
            Some(cursor) => place(&nodes, cursor)?,
        };
        let Some((node, cursor)) = at else {
            return Ok((None, Page::default()));
        };
        let (next, ids) = self.scan_node(Some(&node), cursor, limit).await?;
        let next = if next == 0 {
            nodes
                .iter()
                .find(|&later| *later > node)
                .map(|node| (node, 0))
        } else {
            Some((&node, next))
        };
        let next = next.map(|(node, cursor)| format!("{}:{}/{cursor}", node.host, node.port));
        Ok((Some(node), Page { ids, next }))
    }

    async fn scan_node(
        &self,
        node: Option<&Node>,
        cursor: u64,
        limit: usize,
    ) -> Result<(u64, Vec<SessionId>), StoreError> {
        let mut command = redis::cmd("SCAN");
        command
            .arg(cursor)
            .arg("MATCH")
            .arg(self.keys.pattern())
            .arg("COUNT")
            .arg(limit.clamp(1, 10_000))
            .arg("TYPE")
            .arg("string");
        let request = match node {
            None => Request::Command(command),
            Some(node) => Request::ToNode(command, node.clone()),
        };
        let answer = self.link.send(&request, Idempotency::Idempotent).await?;
        let (next, keys): (String, Vec<Vec<u8>>) =
            redis::from_redis_value(answer).map_err(|_| corrupt())?;
        let ids = keys
            .iter()
            .filter_map(|key| self.keys.id(std::str::from_utf8(key).ok()?))
            .collect();
        Ok((next.parse().map_err(|_| corrupt())?, ids))
    }

    /// Counts by scanning, a thousand at a time: the server serves others in between. A scan may return a key
    /// twice, where keys come and go in numbers meanwhile.
    pub(crate) async fn count(&self) -> Result<u64, StoreError> {
        let (mut tally, mut cursor) = (Tally::default(), None);
        loop {
            let page = self.scan(cursor.as_deref(), 1000).await?;
            page.ids.iter().for_each(|id| tally.note(id.expose()));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(tally.count());
            }
        }
    }

    /// Returns the primaries of the cluster, in the order of their addresses.
    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        nodes_said(
            self.link
                .send(&slots().into(), Idempotency::Idempotent)
                .await?,
        )
    }
}

/// Builds a command whose one argument is a key, in as little memory as possible.
pub(super) fn of_key(name: &str, key: &str) -> Cmd {
    let mut command = Cmd::with_capacity(2, name.len() + key.len());
    command.arg(name).arg(key);
    command
}

/// Returns the node at which a cursor continues; if it is no primary any more, the next.
fn place(nodes: &[Node], cursor: &str) -> Result<Option<(Node, u64)>, StoreError> {
    let (address, cursor) = cursor.rsplit_once('/').ok_or_else(foreign)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(foreign)?;
    let node = Node {
        host: host.to_owned(),
        port: port.parse().map_err(|_| foreign())?,
    };
    let cursor = cursor.parse().map_err(|_| foreign())?;
    if nodes.contains(&node) {
        return Ok(Some((node, cursor)));
    }
    let later = nodes.iter().find(|&later| *later > node);
    Ok(later.map(|later| (later.clone(), 0)))
}

fn foreign() -> StoreError {
    invalid("this store has given no such cursor")
}
