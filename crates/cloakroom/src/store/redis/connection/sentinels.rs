//! The primary according to the sentinels: one that was replaced may run for some seconds more, answer the
//! clients that are connected to it, and have no change to report.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, Pipeline, RedisResult};

use super::address::Address;
use super::command::Node;

/// Time for a reply of one sentinel. The others make up for one that hangs.
const REPLY_TIMEOUT: Duration = Duration::from_millis(250);

/// The addresses of the sentinels, and their name for the primary.
pub(crate) struct Sentinels {
    each: Vec<ConnectionInfo>,
    name: String,
}

impl Sentinels {
    pub(crate) fn of(address: &Address) -> Option<Self> {
        let Address::Sentinel {
            sentinels, name, ..
        } = address
        else {
            return None;
        };
        Some(Self::new(sentinels.clone(), name.clone()))
    }

    pub(crate) fn new(each: Vec<ConnectionInfo>, name: String) -> Self {
        Self { each, name }
    }

    /// Connects to those that are reachable.
    pub(crate) async fn watch(&self) -> SentinelConnections {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(REPLY_TIMEOUT))
            .set_response_timeout(Some(REPLY_TIMEOUT));
        let each = self.each.iter().map(|info| connect(info, &config));
        SentinelConnections {
            each: join_all(each).await.into_iter().map(Result::ok).collect(),
            name: self.name.clone(),
        }
    }
}

async fn connect(
    info: &ConnectionInfo,
    config: &AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let client = Client::open(info.clone())?;
    client
        .get_multiplexed_async_connection_with_config(config)
        .await
}

/// Connections to the sentinels; `None` for one that was not reachable.
pub(crate) struct SentinelConnections {
    each: Vec<Option<MultiplexedConnection>>,
    name: String,
}

impl SentinelConnections {
    /// Returns the primary that they name.
    pub(crate) async fn primary(&self) -> Option<Node> {
        let said = self.each.iter().map(async |line| {
            let said: RedisResult<(HashMap<String, String>, (String, u16))> =
                self.question().query_async(&mut line.clone()?).await;
            let (about, (host, port)) = said.ok()?;
            Some(NamedPrimary {
                epoch: about.get("config-epoch")?.parse().ok()?,
                node: Node { host, port },
            })
        });
        elected(&join_all(said).await)
    }

    /// Asks for the epoch first: with a primary that was named since, it is a contradiction at most.
    fn question(&self) -> Pipeline {
        let mut asked = redis::pipe();
        asked.cmd("SENTINEL").arg("MASTER").arg(&self.name);
        asked
            .cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.name);
        asked
    }
}

/// The primary that a sentinel names, and the election by which it came to be.
#[derive(Clone, Debug)]
struct NamedPrimary {
    node: Node,
    /// Number of the election, greater for each; a majority of the sentinels has voted in it.
    epoch: u64,
}

/// Returns the primary of the latest election that is known, if most sentinels reply: the one that was
/// elected to lead a failover is the only one to know of the new primary for up to two seconds, and those who
/// do not reply may know of another.
fn elected(said: &[Option<NamedPrimary>]) -> Option<Node> {
    let replies = said.iter().flatten();
    let latest = replies.clone().map(|named| named.epoch).max()?;
    let mut of_latest = replies.clone().filter(|named| named.epoch == latest);
    let first = of_latest.next()?;
    let alike = of_latest.all(|other| other.node == first.node);
    (alike && replies.count() > said.len() / 2).then(|| first.node.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primary_is_that_of_the_latest_election_that_a_majority_may_know_of() {
        #[rustfmt::skip]
        let table = [
            // the epoch and the port that each names, 0 for none; the port that is believed
            (&[(1, 1), (1, 1), (1, 1)][..], 1),
            (&[(1, 1), (0, 0), (1, 1)], 1),
            (&[(0, 0), (1, 1), (1, 1)], 1),
            (&[(0, 0), (0, 0), (1, 1)], 0), // the others may know another
            (&[(1, 1), (1, 1), (2, 2)], 2), // its leader is the first to know
            (&[(2, 2), (1, 1), (1, 1)], 2),
            (&[(2, 2), (0, 0), (1, 1)], 2),
            (&[(1, 1), (1, 1), (1, 2)], 0), // of one election there is one primary
            (&[(2, 1), (2, 1), (1, 2)], 1), // one that was away
            (&[(0, 0), (0, 0), (0, 0)], 0),
            (&[(0, 1)], 1),
            (&[(1, 1), (0, 0)], 0),
            (&[], 0),
        ];
        let named = |(epoch, port): (u64, u16)| {
            let host = "host".to_owned();
            let node = Node { host, port };
            (port > 0).then_some(NamedPrimary { node, epoch })
        };
        for (said, believed) in table {
            let said: Vec<Option<NamedPrimary>> = said.iter().copied().map(named).collect();
            let found = elected(&said).map_or(0, |node| node.port);
            assert_eq!(found, believed, "{said:?}");
        }
    }
}
