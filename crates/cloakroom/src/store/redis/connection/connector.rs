//! The sources of connections: a server, the nodes of a cluster, the sentinels that know the primary.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_ok;
use redis::cluster::ClusterClient;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ProtocolVersion, PushInfo, PushKind,
    RedisResult, TlsCertificates,
};
use tokio::sync::Mutex;

use super::address::Address;
use super::command::Connection;
use crate::store::redis::RedisOptions;
use crate::store::redis::replay::Replay;

pub(crate) enum Connector {
    Server(Box<Client>),
    Cluster(Box<ClusterClient>),
    /// One client for each sentinel: the first that answers is believed.
    Sentinel(Vec<Mutex<SentinelClient>>),
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
                let server = SentinelNodeConnectionInfo::default()
                    .set_redis_connection_info(settings.set_protocol(ProtocolVersion::RESP3))
                    .set_tcp_settings(tcp());
                let kind = SentinelServerType::Master;
                let clients = sentinels.iter().map(|sentinel| {
                    let server = Some(server.clone());
                    SentinelClient::build(
                        vec![sentinel.clone()],
                        name.clone(),
                        server,
                        kind.clone(),
                    )
                    .map(Mutex::new)
                });
                Self::Sentinel(clients.collect::<RedisResult<_>>()?)
            }
        })
    }

    pub(crate) async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<Connection> {
        Ok(match self {
            Self::Server(client) => Connection::One(
                client
                    .get_multiplexed_async_connection_with_config(config)
                    .await?,
            ),
            Self::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
            Self::Sentinel(clients) => {
                let asked = clients.iter().map(|client| {
                    Box::pin(async move {
                        let mut client = client.lock().await;
                        client.get_async_connection_with_config(config).await
                    })
                });
                Connection::One(select_ok(asked).await?.0)
            }
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
