//! The one connection that all share: made when it is needed, given up when it fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use futures_util::future::select_ok;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, RedisError, RedisResult, TlsCertificates, Value,
};
use tokio::sync::Mutex;

use super::RedisOptions;
use super::address::Address;
use super::failure::{Effect, Remedy, is_safe, remedy, told, unreachable};
use super::request::{Connection, Form, Node, Request};
use crate::store::{StoreError, StoreErrorKind};

/// How often a command that a server refused for the moment is sent again.
const RETRIES: u32 = 8;
/// How long to wait before that, at first.
const PAUSE: Duration = Duration::from_millis(10);
/// An answer that is later than this while nothing else arrives makes a connection suspect.
const SILENCE: Duration = Duration::from_millis(250);

/// A connection, and whether it has failed.
struct Line {
    connection: Connection,
    /// Since when requests are out and nothing has arrived, in milliseconds since `made`; 0 where
    /// something has.
    silent: AtomicU64,
    made: Instant,
    /// Also set by the connection itself, as soon as it ends.
    broken: Arc<AtomicBool>,
}

enum Source {
    Server(Box<Client>),
    Cluster(Box<ClusterClient>),
    /// One for each sentinel: the first that answers is believed.
    Sentinel(Vec<Mutex<SentinelClient>>),
}

/// Makes connections and keeps the latest.
pub(super) struct Link {
    shared: Arc<Shared>,
    /// A node of the cluster, for its settings.
    seed: Option<(ConnectionInfo, Option<TlsCertificates>)>,
    /// Where a slot that is on its way was last asked for.
    aside: Mutex<Option<(Node, MultiplexedConnection)>>,
}

/// What outlives a caller that hangs up while it connects.
struct Shared {
    source: Source,
    config: AsyncConnectionConfig,
    timeout: Duration,
    line: ArcSwapOption<Line>,
    /// Held by whoever connects: the others wait for what comes of it.
    connecting: Arc<Mutex<()>>,
    /// How often it came to nothing.
    failures: AtomicU64,
}

/// What is known of a server once it was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// It has `SET … IFEQ`.
    pub(super) compares: bool,
    /// It removes sessions that have time left when memory is short.
    pub(super) may_evict: bool,
    /// It lacks what the index needs.
    pub(super) too_old: bool,
}

impl Facts {
    /// From the text of `INFO`.
    fn of(info: &str) -> Self {
        let field = |name: &str| {
            let line = |line: &'_ str| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned());
            info.lines().find_map(line)
        };
        let version = |name: &str| field(name).as_deref().and_then(version);
        let at_least = |name: &str, wanted| version(name).is_some_and(|has| has >= wanted);
        let evicts = field("maxmemory_policy").is_some_and(|policy| policy.trim() != "noeviction");
        Self {
            compares: at_least("valkey_version", (8, 1)) || at_least("redis_version", (8, 4)),
            may_evict: evicts && field("maxmemory").is_some_and(|bytes| bytes.trim() != "0"),
            too_old: version("redis_version").is_some_and(|has| has < (7, 0)),
        }
    }
}

impl Link {
    pub(super) async fn open(
        address: &Address,
        options: &RedisOptions,
    ) -> Result<Self, StoreError> {
        let source = source(address, options).map_err(|error| unreachable(&error))?;
        let shared = Shared {
            source,
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(options.connect_timeout))
                .set_response_timeout(Some(options.response_timeout)),
            timeout: options.connect_timeout,
            line: ArcSwapOption::empty(),
            connecting: Arc::default(),
            failures: AtomicU64::new(0),
        };
        let seed = match address {
            Address::Cluster(nodes) => nodes.first().cloned(),
            _ => None,
        };
        let link = Self {
            shared: Arc::new(shared),
            seed: seed.map(|seed| (seed, options.certificates.clone())),
            aside: Mutex::new(None),
        };
        link.line().await?;
        Ok(link)
    }

    pub(super) async fn facts(&self) -> Result<Facts, StoreError> {
        let asked = Request::Anywhere(redis::cmd("INFO"));
        let info = match self.send(&asked, Effect::Read).await {
            Ok(Value::BulkString(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Ok(Value::VerbatimString { text, .. }) => text,
            // A user may not ask; then nothing is known.
            _ => String::new(),
        };
        Ok(Facts::of(&info))
    }

    /// Sends a request and returns the answer; again where that is safe and of use.
    pub(super) async fn send(
        &self,
        request: &Request<'_>,
        effect: Effect,
    ) -> Result<Value, StoreError> {
        let mut attempt = 0;
        let mut form = Form::Plain;
        loop {
            let line = self.line().await?;
            let watch = Watch::over(&line);
            let outcome = match &form {
                Form::Asking(node) => match self.aside(node).await {
                    Ok(one) => request.send(Connection::One(one), &form).await,
                    Err(error) => return Err(unreachable(&error)),
                },
                _ => request.send(line.connection.clone(), &form).await,
            };
            watch.answered(!outcome.as_ref().is_err_and(RedisError::is_io_error));
            let error = match outcome {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let remedy = remedy(&error);
            if remedy == Remedy::Reconnect {
                if !line.broken.swap(true, Ordering::Relaxed) {
                    tracing::warn!("the connection to Redis is given up");
                }
                *self.aside.lock().await = None;
            }
            let again = match remedy {
                // Once, as the next connection has to do; and not after a wait for nothing.
                Remedy::Reconnect => attempt == 0 && is_safe(&error, effect),
                Remedy::Retry | Remedy::Ask | Remedy::Load => attempt < RETRIES,
                Remedy::Nothing => false,
            };
            if !again {
                return Err(told(&error, effect));
            }
            form = match remedy {
                Remedy::Load => Form::Whole,
                Remedy::Ask => Form::asked(&error),
                _ => Form::Plain,
            };
            attempt += 1;
            if form == Form::Plain {
                tokio::time::sleep(PAUSE * attempt).await;
            }
        }
    }

    /// A connection to a node that is about to own a slot: it may own none yet, and the cluster's
    /// client then does not know it.
    async fn aside(&self, node: &Node) -> RedisResult<MultiplexedConnection> {
        let mut aside = self.aside.lock().await;
        if let Some((of, one)) = &*aside
            && of == node
        {
            return Ok(one.clone());
        }
        let Some((seed, certificates)) = &self.seed else {
            return Err((redis::ErrorKind::ClusterConnectionNotFound, "no cluster").into());
        };
        let (host, port) = (node.host.clone(), node.port);
        let address = match seed.addr().clone() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure,
                tls_params,
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        let one = client(seed.clone().set_addr(address), certificates.clone())?
            .get_multiplexed_async_connection_with_config(&self.shared.config)
            .await?;
        *aside = Some((node.clone(), one.clone()));
        Ok(one)
    }

    async fn line(&self) -> Result<Arc<Line>, StoreError> {
        if let Some(line) = self.shared.working() {
            return Ok(line);
        }
        let failures = self.shared.failures.load(Ordering::Relaxed);
        let turn = Arc::clone(&self.shared.connecting).lock_owned().await;
        if let Some(line) = self.shared.working() {
            return Ok(line);
        }
        if self.shared.failures.load(Ordering::Relaxed) != failures {
            let why = "cannot connect: others have just tried";
            return Err(StoreError::new(StoreErrorKind::Unavailable, why));
        }
        // A task of its own: a caller of little patience leaves a connection to the next.
        let shared = Arc::clone(&self.shared);
        let connecting = tokio::spawn(async move {
            let _turn = turn;
            shared.connect_in_time().await
        });
        connecting
            .await
            .unwrap_or_else(|_| Err(StoreErrorKind::Unavailable.into()))
    }
}

impl Shared {
    fn working(&self) -> Option<Arc<Line>> {
        let line = self.line.load_full()?;
        (!line.broken.load(Ordering::Relaxed)).then_some(line)
    }

    async fn connect_in_time(&self) -> Result<Arc<Line>, StoreError> {
        let broken = Arc::new(AtomicBool::new(false));
        let connected = match tokio::time::timeout(self.timeout, self.connect(&broken)).await {
            Ok(connected) => connected.map_err(|error| unreachable(&error)),
            Err(_) => Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "cannot connect: no answer in time",
            )),
        };
        let connection = connected.inspect_err(|error| {
            self.failures.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(source = ?std::error::Error::source(error), "no connection to Redis");
        })?;
        let line = Arc::new(Line {
            connection,
            silent: AtomicU64::new(0),
            made: Instant::now(),
            broken,
        });
        if self.line.swap(Some(Arc::clone(&line))).is_some() {
            tracing::info!("connected to Redis again");
        }
        Ok(line)
    }

    async fn connect(&self, broken: &Arc<AtomicBool>) -> RedisResult<Connection> {
        let broken = Arc::clone(broken);
        let config = self.config.clone().set_push_sender(move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                broken.store(true, Ordering::Relaxed);
            }
            Ok::<_, std::convert::Infallible>(())
        });
        Ok(match &self.source {
            Source::Server(client) => Connection::One(
                client
                    .get_multiplexed_async_connection_with_config(&config)
                    .await?,
            ),
            Source::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
            Source::Sentinel(clients) => {
                let asked = clients.iter().map(|client| {
                    let config = &config;
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

/// Notices a connection on which nothing arrives, also where nobody waits any more: a request's
/// own time may be up before the connection's.
struct Watch<'a> {
    line: &'a Line,
    begin: Instant,
    answered: bool,
}

impl<'a> Watch<'a> {
    fn over(line: &'a Line) -> Self {
        let now = millis(line.made.elapsed()).max(1);
        let _ = line
            .silent
            .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        Self {
            line,
            begin: Instant::now(),
            answered: false,
        }
    }

    fn answered(mut self, answered: bool) {
        self.answered = true;
        if answered {
            self.line.silent.store(0, Ordering::Relaxed);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let since = self.line.silent.load(Ordering::Relaxed);
        let silent =
            since != 0 && millis(self.line.made.elapsed()).saturating_sub(since) >= millis(SILENCE);
        // A caller of little patience does not see all of the silence itself.
        if !self.answered && silent && self.begin.elapsed() >= SILENCE / 5 {
            self.line.broken.store(true, Ordering::Relaxed);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn source(address: &Address, options: &RedisOptions) -> RedisResult<Source> {
    let certificates = options.certificates.clone();
    Ok(match address {
        Address::Server(info) => Source::Server(Box::new(client(info.clone(), certificates)?)),
        Address::Cluster(nodes) => {
            // What a server has refused is tried again here, what may have been done is not.
            let mut builder = ClusterClient::builder(nodes.clone())
                .retries(0)
                .tcp_settings(tcp())
                // Its nodes are connected to in two rounds, and one that hangs must not use up the time.
                .connection_timeout(options.connect_timeout / 3)
                .response_timeout(options.response_timeout);
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            Source::Cluster(Box::new(builder.build()?))
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
                SentinelClient::build(vec![sentinel.clone()], name.clone(), server, kind.clone())
                    .map(Mutex::new)
            });
            Source::Sentinel(clients.collect::<RedisResult<_>>()?)
        }
    })
}

fn client(info: ConnectionInfo, certificates: Option<TlsCertificates>) -> RedisResult<Client> {
    // RESP3: the connection itself tells when it ends.
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

/// Small requests leave at once, and a peer that is gone is noticed.
fn tcp() -> TcpSettings {
    let tcp = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(Duration::from_secs(5));
    tcp
}

#[cfg(test)]
mod tests {
    use super::Facts;

    #[test]
    fn a_server_says_what_it_can() {
        let facts = |compares, may_evict, too_old| Facts {
            compares,
            may_evict,
            too_old,
        };
        let table = [
            (
                "redis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru",
                facts(false, false, false),
            ),
            (
                "redis_version:8.4.0\r\nmaxmemory:1000\r\nmaxmemory_policy:volatile-ttl",
                facts(true, true, false),
            ),
            (
                "redis_version:7.2.4\r\nvalkey_version:8.1.0\r\nmaxmemory:1000\r\nmaxmemory_policy:noeviction",
                facts(true, false, false),
            ),
            (
                "redis_version:7.2.4\r\nvalkey_version:8.0.9",
                facts(false, false, false),
            ),
            ("redis_version:6.2.1", facts(false, false, true)),
            ("", facts(false, false, false)),
        ];
        for (info, expected) in table {
            assert_eq!(Facts::of(info), expected, "{info}");
        }
    }
}
