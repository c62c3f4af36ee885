//! The one connection that all share: made when it is needed, given up when it fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use redis::cluster::ClusterClient;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ProtocolVersion, PushInfo, PushKind, RedisError,
    RedisResult, TlsCertificates, Value,
};
use tokio::sync::Mutex;

use super::RedisOptions;
use super::address::Address;
use super::failure::{Effect, Remedy, is_safe, remedy, told, unreachable};
use super::request::{Connection, Form, Request};
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
    /// When an answer came last, in milliseconds since `made`.
    heard: AtomicU64,
    made: Instant,
    /// Also set by the connection itself, as soon as it ends.
    broken: Arc<AtomicBool>,
}

enum Source {
    Server(Box<Client>),
    Cluster(Box<ClusterClient>),
    Sentinel(Box<Mutex<SentinelClient>>),
}

/// Makes connections and keeps the latest.
pub(super) struct Link {
    source: Source,
    config: AsyncConnectionConfig,
    timeout: Duration,
    line: ArcSwapOption<Line>,
    /// Held by whoever connects: the others wait for what comes of it.
    connecting: Mutex<()>,
}

/// What is known of a server once it was asked.
pub(super) struct Facts {
    /// It has `SET … IFEQ`.
    pub(super) compares: bool,
    /// It removes sessions that have time left when memory is short.
    pub(super) may_evict: bool,
}

impl Link {
    pub(super) async fn open(
        address: &Address,
        options: &RedisOptions,
    ) -> Result<Self, StoreError> {
        let source = source(address, options).map_err(|error| unreachable(&error))?;
        let link = Self {
            source,
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(options.connect_timeout))
                .set_response_timeout(Some(options.response_timeout)),
            timeout: options.connect_timeout,
            line: ArcSwapOption::empty(),
            connecting: Mutex::new(()),
        };
        link.line().await?;
        Ok(link)
    }

    pub(super) async fn facts(&self) -> Result<Facts, StoreError> {
        let said = self.send(&redis::cmd("INFO").into(), Effect::Read).await;
        let info = match said {
            Ok(Value::BulkString(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Ok(Value::VerbatimString { text, .. }) => text,
            // A cluster answers once for each node, and all are alike; a user may not ask.
            _ => String::new(),
        };
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        let at_least = |name: &str, wanted: (u32, u32)| {
            field(name)
                .and_then(version)
                .is_some_and(|has| has >= wanted)
        };
        Ok(Facts {
            compares: at_least("valkey_version", (8, 1)) || at_least("redis_version", (8, 4)),
            may_evict: field("maxmemory_policy")
                .is_some_and(|policy| policy.starts_with("allkeys"))
                && field("maxmemory").is_some_and(|bytes| bytes != "0"),
        })
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
            let outcome = request.send(line.connection.clone(), &form).await;
            watch.answered(!outcome.as_ref().is_err_and(RedisError::is_io_error));
            let error = match outcome {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let remedy = remedy(&error);
            if remedy == Remedy::Reconnect {
                line.broken.store(true, Ordering::Relaxed);
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

    async fn line(&self) -> Result<Arc<Line>, StoreError> {
        if let Some(line) = self.working() {
            return Ok(line);
        }
        let _turn = self.connecting.lock().await;
        if let Some(line) = self.working() {
            return Ok(line);
        }
        let broken = Arc::new(AtomicBool::new(false));
        let connecting = tokio::time::timeout(self.timeout, self.connect(&broken));
        let connection = connecting
            .await
            .map_err(|_| {
                StoreError::new(
                    StoreErrorKind::Unavailable,
                    "cannot connect: no answer in time",
                )
            })?
            .map_err(|error| unreachable(&error))?;
        let line = Arc::new(Line {
            connection,
            heard: AtomicU64::new(0),
            made: Instant::now(),
            broken,
        });
        self.line.store(Some(Arc::clone(&line)));
        Ok(line)
    }

    fn working(&self) -> Option<Arc<Line>> {
        let line = self.line.load_full()?;
        (!line.broken.load(Ordering::Relaxed)).then_some(line)
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
            Source::Sentinel(client) => Connection::One(
                client
                    .lock()
                    .await
                    .get_async_connection_with_config(&config)
                    .await?,
            ),
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
        Self {
            line,
            begin: Instant::now(),
            answered: false,
        }
    }

    fn answered(mut self, answered: bool) {
        self.answered = true;
        if answered {
            let heard = millis(self.line.made.elapsed());
            self.line.heard.fetch_max(heard, Ordering::Relaxed);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let since = millis(self.begin.duration_since(self.line.made));
        let silent = self.line.heard.load(Ordering::Relaxed) <= since;
        if !self.answered && silent && self.begin.elapsed() >= SILENCE {
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
                .connection_timeout(options.connect_timeout)
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
            let (sentinels, kind) = (sentinels.clone(), SentinelServerType::Master);
            let client = SentinelClient::build(sentinels, name.clone(), Some(server), kind)?;
            Source::Sentinel(Box::new(Mutex::new(client)))
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
