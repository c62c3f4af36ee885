//! The primary according to the sentinels, for a cache: one that was replaced may run for some seconds more,
//! answer the clients that are connected to it, and have no change to report.

use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisResult};

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
        Some(Self {
            each: sentinels.clone(),
            name: name.clone(),
        })
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
    /// Returns the primary that they agree on.
    pub(crate) async fn primary(&self) -> Option<Node> {
        let said = self.each.iter().map(async |line| {
            let mut asked = redis::cmd("SENTINEL");
            asked.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
            let said: RedisResult<(String, u16)> = asked.query_async(&mut line.clone()?).await;
            said.ok().map(|(host, port)| Node { host, port })
        });
        agreed(&join_all(said).await)
    }
}

/// Returns the primary that most of them name, if none names another: the first to know of a new primary may
/// be the only one for a while.
fn agreed(said: &[Option<Node>]) -> Option<Node> {
    let mut answers = said.iter().flatten();
    let first = answers.next()?;
    let alike = answers.clone().all(|other| other == first);
    let many = 1 + answers.count();
    (alike && many > said.len() / 2).then(|| first.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primary_needs_a_majority_and_no_contradiction() {
        let table = [
            // the port that each names, 0 for none; the port that is believed
            (&[1, 1, 1][..], 1),
            (&[1, 0, 1], 1),
            (&[0, 1, 1], 1),
            (&[0, 0, 1], 0), // the others may know another
            (&[1, 1, 2], 0), // one has just learnt of it
            (&[2, 0, 1], 0),
            (&[0, 0, 0], 0),
            (&[1], 1),
            (&[1, 0], 0),
            (&[], 0),
        ];
        let node = |port: u16| {
            let host = "host".to_owned();
            (port > 0).then_some(Node { host, port })
        };
        for (said, believed) in table {
            let said: Vec<Option<Node>> = said.iter().copied().map(node).collect();
            assert_eq!(agreed(&said), node(believed), "{said:?}");
        }
    }
}
