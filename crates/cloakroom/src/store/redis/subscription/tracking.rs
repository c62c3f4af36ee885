//! Connections on which servers report changes, and the proof that they are the right servers.

use std::time::Instant;

use futures_util::future::{join, join_all};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, RedisResult, Value};

use crate::store::redis::RedisInner;
use crate::store::redis::connection::cluster_nodes::{nodes_said, slots};
use crate::store::redis::connection::command::{Connection, Node};
use crate::store::redis::connection::sentinels::SentinelConnections;
use crate::store::subscription::supervised::Pingable;

/// A connection to the server, or one to each primary of a cluster.
pub(crate) struct TrackingConnections {
    pub(crate) each: Vec<MultiplexedConnection>,
    pub(crate) servers: Servers,
}

/// The servers that report all changes, and the means of confirming that they are still these.
pub(crate) enum Servers {
    One,
    /// The primaries of a cluster: each of them must name the same ones, for one that they do not know of yet
    /// has no writes to report.
    Cluster(Vec<Node>),
    /// The sentinels.
    Named(Node, SentinelConnections),
}

impl Pingable for TrackingConnections {
    async fn ping(&self) -> bool {
        let beats = self.each.iter().map(async |line| {
            let mut line = line.clone();
            let Servers::Cluster(nodes) = &self.servers else {
                let ping = redis::cmd("PING");
                return ping.query_async::<Value>(&mut line).await.is_ok();
            };
            let said = slots().query_async::<Value>(&mut line).await;
            said.is_ok_and(|said| nodes_said(said).is_ok_and(|said| said == *nodes))
        });
        let (beats, named) = join(join_all(beats), self.servers.are_named()).await;
        named && beats.into_iter().all(|beats| beats)
    }
}

impl Servers {
    pub(crate) async fn of(inner: &RedisInner) -> Option<Self> {
        if inner.keys.are_spread() {
            return inner.nodes().await.ok().map(Self::Cluster);
        }
        let Some(sentinels) = &inner.link.sentinels else {
            return Some(Self::One);
        };
        let watch = sentinels.watch().await;
        Some(Self::Named(watch.primary().await?, watch))
    }

    pub(crate) fn targets(&self) -> Vec<Option<&Node>> {
        match self {
            Self::One => vec![None],
            Self::Cluster(nodes) => nodes.iter().map(Some).collect(),
            Self::Named(primary, _) => vec![Some(primary)],
        }
    }

    /// Connects to one of the [targets](Self::targets).
    pub(crate) async fn connect(
        inner: &RedisInner,
        target: Option<&Node>,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let line = match target {
            Some(node) => Connection::One(inner.link.dedicated_at(node, config).await?),
            None => inner.link.dedicated(config).await?,
        };
        // Nothing is read over it before its server has all ends. Reads of a cluster take another way.
        if !inner.keys.are_spread() {
            inner.link.acquaint(&line).await?;
        }
        match line {
            Connection::One(line) => Ok(line),
            Connection::Cluster(_) => Err((ErrorKind::Client, "a cluster has several").into()),
        }
    }

    /// Renews the shared connection if the primary, found at `since`, may be another than the one that it
    /// leads to; `true` if so. What was read over it before may be from a primary that was replaced.
    pub(crate) fn were_found(&self, inner: &RedisInner, since: Instant) -> bool {
        matches!(self, Self::Named(primary, _) if inner.link.renew_for(primary, since))
    }

    async fn are_named(&self) -> bool {
        match self {
            Self::Named(primary, watch) => watch.primary().await.as_ref() == Some(primary),
            Self::One | Self::Cluster(_) => true,
        }
    }
}
