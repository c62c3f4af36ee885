//! The one connection that all share: made when it is needed, given up when it fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, PushInfo, PushKind, RedisError,
    RedisResult, TlsCertificates, Value,
};
use tokio::sync::Mutex;

use super::RedisOptions;
use super::address::Address;
use super::driver::Driver;
use super::facts::Facts;
use super::failure::{Effect, Remedy, is_denied, is_safe, remedy, told, unreachable};
use super::request::{Connection, Form, Node, Request};
use super::sentinels::Sentinels;
use super::source::{Source, client};
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
    /// When it was begun to be made: it leads to what was the server then.
    begun: Instant,
    /// Also set by the connection itself as soon as it ends, and with the runtime that drives it.
    broken: Arc<AtomicBool>,
    _driver: Driver,
}

/// Makes connections and keeps the latest.
pub(super) struct Link {
    shared: Arc<Shared>,
    /// Who knows the primary, where it is not always the same.
    pub(super) sentinels: Option<Sentinels>,
    /// A node of the cluster, or what sentinels watch, for its settings.
    seed: Option<(ConnectionInfo, Option<TlsCertificates>)>,
    /// Where a slot that is on its way was last asked for.
    aside: Mutex<Option<Aside>>,
}

/// A connection to a node that is about to own a slot.
struct Aside {
    node: Node,
    connection: MultiplexedConnection,
    driver: Driver,
}

/// What outlives a caller that hangs up while it connects.
struct Shared {
    source: Source,
    config: AsyncConnectionConfig,
    timeout: Duration,
    line: ArcSwapOption<Line>,
    /// What was begun before is not used any more.
    renewed: ArcSwapOption<Instant>,
    /// Held by whoever connects: the others wait for what comes of it.
    connecting: Arc<Mutex<()>>,
    /// How often it came to nothing.
    failures: AtomicU64,
}

impl Link {
    pub(super) async fn open(
        address: &Address,
        options: &RedisOptions,
    ) -> Result<Self, StoreError> {
        let source = Source::of(address, options).map_err(|error| unreachable(&error))?;
        let shared = Shared {
            source,
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(options.connect_timeout))
                .set_response_timeout(Some(options.response_timeout)),
            timeout: options.connect_timeout,
            line: ArcSwapOption::empty(),
            renewed: ArcSwapOption::empty(),
            connecting: Arc::default(),
            failures: AtomicU64::new(0),
        };
        let seed = match address {
            Address::Cluster(nodes) => nodes.first().cloned(),
            Address::Sentinel { server, .. } => Some(server.clone()),
            Address::Server(_) => None,
        };
        let link = Self {
            shared: Arc::new(shared),
            sentinels: Sentinels::of(address),
            seed: seed.map(|seed| (seed, options.certificates.clone())),
            aside: Mutex::new(None),
        };
        link.line().await?;
        Ok(link)
    }

    pub(super) async fn facts(&self) -> Facts {
        let asked = Request::Anywhere(redis::cmd("INFO"));
        let info = match self.send(&asked, Effect::Read).await {
            Ok(Value::BulkString(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Ok(Value::VerbatimString { text, .. }) => text,
            // A user may not ask; then nothing is known.
            _ => String::new(),
        };
        Facts::of(&info)
    }

    /// Whether scripts may use a key, by the rights of the connection's user.
    pub(super) async fn may_use(&self, key: &str) -> bool {
        let mut script = redis::cmd("EVAL");
        script.arg("return 1").arg(1).arg(key);
        let said = self.send(&script.into(), Effect::Read).await;
        // Where it is not known, the first request that needs it says so.
        !said.is_err_and(|error| is_denied(&error))
    }

    /// Another connection, which nobody shares.
    pub(super) async fn apart(&self, config: &AsyncConnectionConfig) -> RedisResult<Connection> {
        self.shared.source.connect(config).await
    }

    /// The same, to one node of a cluster or to the primary that sentinels name.
    pub(super) async fn apart_at(
        &self,
        node: &Node,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
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
        client(seed.clone().set_addr(address), certificates.clone())?
            .get_multiplexed_async_connection_with_config(config)
            .await
    }

    /// Has the connection made anew that was begun before `since`: there is another primary, it may be.
    pub(super) fn renew(&self, since: Instant) {
        self.shared.renewed.store(Some(Arc::new(since)));
    }

    /// Sends a request once, and follows no server's word to another.
    pub(super) async fn send_once(&self, request: &Request<'_>) -> Result<Value, StoreError> {
        let line = self.line().await?;
        let said = request.send(&line.connection, &Form::Plain).await;
        said.map_err(|error| told(&error, Effect::Read))
    }

    /// Sends a request and returns the answer; again where that is safe and of use.
    pub(super) async fn send(
        &self,
        request: &Request<'_>,
        effect: Effect,
    ) -> Result<Value, StoreError> {
        // What is seldom needed has a box of its own: this future is a part of every request's.
        let line = match self.shared.working() {
            Some(line) => line,
            None => Box::pin(self.line()).await?,
        };
        match line.send(request, &line.connection, &Form::Plain).await {
            Ok(value) => Ok(value),
            Err(error) => Box::pin(self.send_again(request, effect, line, error)).await,
        }
    }

    /// The same after it has failed.
    async fn send_again(
        &self,
        request: &Request<'_>,
        effect: Effect,
        mut line: Arc<Line>,
        mut error: RedisError,
    ) -> Result<Value, StoreError> {
        let mut attempt = 0;
        loop {
            let remedy = remedy(&error);
            if remedy == Remedy::Reconnect {
                self.give_up(&line).await;
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
            let form = match remedy {
                Remedy::Load => Form::Whole,
                Remedy::Ask => Form::asked(&error),
                _ => Form::Plain,
            };
            attempt += 1;
            if form == Form::Plain {
                tokio::time::sleep(PAUSE * attempt).await;
            }
            line = self.line().await?;
            let aside = match &form {
                Form::Asking(node) => {
                    let aside = self.aside(node).await;
                    Some(Connection::One(aside.map_err(|error| unreachable(&error))?))
                }
                _ => None,
            };
            let connection = aside.as_ref().unwrap_or(&line.connection);
            match line.send(request, connection, &form).await {
                Ok(value) => return Ok(value),
                Err(failure) => error = failure,
            }
        }
    }

    async fn give_up(&self, line: &Line) {
        if !line.broken.swap(true, Ordering::Relaxed) {
            tracing::warn!("the connection to Redis is given up");
        }
        *self.aside.lock().await = None;
    }

    /// A connection to a node that is about to own a slot: it may own none yet, and the cluster's
    /// client then does not know it.
    async fn aside(&self, node: &Node) -> RedisResult<MultiplexedConnection> {
        let mut aside = self.aside.lock().await;
        if let Some(known) = &*aside
            && known.node == *node
            && !known.driver.is_gone()
        {
            return Ok(known.connection.clone());
        }
        let connection = self.apart_at(node, &self.shared.config).await?;
        *aside = Some(Aside {
            node: node.clone(),
            connection: connection.clone(),
            driver: Driver::watched(Arc::default()),
        });
        Ok(connection)
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

impl Line {
    /// Sends a request, over this connection or over one beside it, and notices silence.
    async fn send(
        &self,
        request: &Request<'_>,
        connection: &Connection,
        form: &Form,
    ) -> RedisResult<Value> {
        let watch = Watch::over(self);
        let outcome = request.send(connection, form).await;
        watch.answered(!outcome.as_ref().is_err_and(RedisError::is_io_error));
        outcome
    }
}

impl Shared {
    fn working(&self) -> Option<Arc<Line>> {
        let line = self.line.load_full()?;
        let renewed = self.renewed.load();
        let is_late = renewed
            .as_ref()
            .is_none_or(|renewed| line.begun >= **renewed);
        (is_late && !line.broken.load(Ordering::Relaxed)).then_some(line)
    }

    async fn connect_in_time(&self) -> Result<Arc<Line>, StoreError> {
        let (begun, broken) = (Instant::now(), Arc::new(AtomicBool::new(false)));
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
            begun,
            _driver: Driver::watched(Arc::clone(&broken)),
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
        self.source.connect(&config).await
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
        let begin = Instant::now();
        let since = millis(begin.duration_since(line.made)).max(1);
        let _ = line
            .silent
            .compare_exchange(0, since, Ordering::Relaxed, Ordering::Relaxed);
        Self {
            line,
            begin,
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
        if self.answered {
            return;
        }
        let since = self.line.silent.load(Ordering::Relaxed);
        let now = Instant::now();
        let silent = since != 0
            && millis(now.duration_since(self.line.made)).saturating_sub(since) >= millis(SILENCE);
        // A caller of little patience does not see all of the silence itself.
        if silent && now.duration_since(self.begin) >= SILENCE / 5 {
            self.line.broken.store(true, Ordering::Relaxed);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
