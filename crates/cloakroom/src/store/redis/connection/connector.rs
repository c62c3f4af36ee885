//! The sources of connections: a server, the nodes of a cluster, the sentinels that know the primary.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::select_ok;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, RedisResult, TlsCertificates,
};
use tokio::sync::Mutex;

use super::address::Address;
use super::command::{Connection, Node};
use super::sentinels::Sentinels;
use crate::store::redis::RedisOptions;
use crate::store::redis::replay::Replay;

pub(crate) enum Connector {
    Server(Box<Client>),
    Cluster(Box<ClusterClient>),
    Sentinel(Box<ByName>),
}

/// The server that sentinels call by a name.
pub(crate) struct ByName {
    sentinels: Sentinels,
    /// The settings of its connections; the sentinels supply its address.
    server: ConnectionInfo,
    /// One client for each sentinel, for when too few of them reply to tell which election was the latest: then
    /// the first that answers is believed.
    each: Vec<Mutex<SentinelClient>>,
    /// The primary that the latest connection leads to.
    latest: ArcSwapOption<Node>,
}

impl ByName {
    /// Connects to the primary of the latest election: for up to two seconds some sentinels still name the one
    /// that was replaced.
    async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
        let primary = self.sentinels.watch().await.primary().await;
        self.latest.store(primary.clone().map(Arc::new));
        if let Some(Node { host, port }) = primary {
            let server = self.server.clone();
            let server = server.set_addr(ConnectionAddr::Tcp(host, port));
            return client(server, None)?
                .get_multiplexed_async_connection_with_config(config)
                .await;
        }
        let asked = self.each.iter().map(|client| {
            Box::pin(async move {
                let mut client = client.lock().await;
                client.get_async_connection_with_config(config).await
            })
        });
        Ok(select_ok(asked).await?.0)
    }
}

impl Connector {
    pub(crate) fn of(
        address: &Address,
        options: &RedisOptions,
        replay: &Arc<Replay>,
    ) -> RedisResult<Self> {
        let certificates = options.certificates.clone();
        Ok(match address {
            Address::Server(info) => Self::Server(Box::new(client(info.clone(), certificates)?)),
            Address::Cluster(nodes) => {
                // No retries in the client: this store sends again what a server has refused, and not what
                // may have been executed.
                let mut builder = ClusterClient::builder(nodes.clone())
                .retries(0)
                .tcp_settings(tcp())
                // RESP3, so that the loss of a node is reported, which the client repairs by itself.
                .use_protocol(ProtocolVersion::RESP3)
                .push_sender(told_to(replay))
                // Nodes are connected to in two rounds, and one that hangs must not use up the time.
                .connection_timeout(options.connect_timeout / 3)
                .response_timeout(options.response_timeout);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                Self::Cluster(Box::new(builder.build()?))
            }
            Address::Sentinel {
                sentinels,
                name,
                server,
            } => {
                let settings = server.redis_settings().clone();
                let node = SentinelNodeConnectionInfo::default()
                    .set_redis_connection_info(settings.set_protocol(ProtocolVersion::RESP3))
                    .set_tcp_settings(tcp());
                let kind = SentinelServerType::Master;
                let clients = sentinels.iter().map(|sentinel| {
                    let server = Some(node.clone());
                    SentinelClient::build(
                        vec![sentinel.clone()],
                        name.clone(),
                        server,
                        kind.clone(),
                    )
                    .map(Mutex::new)
                });
                Self::Sentinel(Box::new(ByName {
                    sentinels: Sentinels::new(sentinels.clone(), name.clone()),
                    server: server.clone(),
                    each: clients.collect::<RedisResult<_>>()?,
                    latest: ArcSwapOption::empty(),
                }))
            }
        })
    }

    /// Returns `true` if the latest connection may lead to another server than this one.
    pub(crate) fn leads_elsewhere(&self, primary: &Node) -> bool {
        let Self::Sentinel(server) = self else {
            return false;
        };
        server.latest.load().as_deref() != Some(primary)
    }

    pub(crate) async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<Connection> {
        Ok(match self {
            Self::Server(client) => Connection::One(
                client
                    .get_multiplexed_async_connection_with_config(config)
                    .await?,
            ),
            Self::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
            Self::Sentinel(server) => Connection::One(server.connect(config).await?),
        })
    }
}

/// Returns a listener that reports lost nodes.
fn told_to(replay: &Arc<Replay>) -> impl Fn(PushInfo) -> Result<(), Infallible> + use<> {
    let replay = Arc::clone(replay);
    move |push| {
        if push.kind == PushKind::Disconnection {
            replay.suspect();
        }
        Ok(())
    }
}

pub(crate) fn client(
    info: ConnectionInfo,
    certificates: Option<TlsCertificates>,
) -> RedisResult<Client> {
    // RESP3: the connection itself reports its end.
    let settings = info
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3);
    let info = info.set_tcp_settings(tcp()).set_redis_settings(settings);
    match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    }
}

/// Sends small requests at once, and notices a dead peer.
fn tcp() -> TcpSettings {
    let tcp = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(Duration::from_secs(5));
    tcp
}
