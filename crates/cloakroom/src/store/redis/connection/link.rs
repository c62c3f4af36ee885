//! The shared connection: made when it is needed, given up when it fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, RedisError, RedisResult,
    TlsCertificates, Value,
};
use tokio::sync::Mutex;

use super::address::Address;
use super::command::{Connection, Node, Request, SendMode};
use super::connector::client;
use super::driver::Driver;
use super::error::{Idempotency, RetryAction, is_safe, retry_action, to_store_error, unreachable};
use super::sentinels::Sentinels;
use super::shared::Shared;
use super::shared_connection::SharedConnection;
use super::waiting::Waiting;
use crate::store::redis::RedisOptions;
use crate::store::redis::replay::{End, Generation, Replay};
use crate::store::redis::session::replies::corrupt;
use crate::store::{StoreError, StoreErrorKind};

/// Number of times that a command which a server refused for the moment is sent again.
const RETRIES: u32 = 8;
/// Pause before the first of them.
const RETRY_BACKOFF: Duration = Duration::from_millis(10);

/// Makes connections and keeps the latest.
pub(crate) struct Link {
    shared: Arc<Shared>,
    /// The connection for writes that must reach replicas, too.
    waiting: Option<Waiting>,
    /// The sentinels that know the primary, if it can change.
    pub(crate) sentinels: Option<Sentinels>,
    /// A node of the cluster, or the server that sentinels watch, for its settings.
    seed: Option<(ConnectionInfo, Option<TlsCertificates>)>,
    /// The connection to the node that a migrating slot was last asked for at.
    aside: Mutex<Option<AskConnection>>,
}

/// A connection to a node that is importing a slot.
struct AskConnection {
    node: Node,
    connection: MultiplexedConnection,
    driver: Driver,
}

/// The reply of a server to a write.
pub(crate) struct WriteReply {
    pub(crate) value: Value,
    /// The server that sent it.
    by: Generation,
    /// `true` if it is on as many replicas as required.
    is_kept: bool,
}

impl WriteReply {
    /// Checks that replicas have the write.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unknown`] if it is on too few replicas.
    pub(crate) fn kept(&self) -> Result<(), StoreError> {
        if self.is_kept {
            return Ok(());
        }
        let why = "fewer replicas than wait_replicas asks for have it";
        Err(StoreError::new(StoreErrorKind::Unknown, why))
    }
}

impl Link {
    pub(crate) async fn open(
        address: &Address,
        options: &RedisOptions,
        replay: Arc<Replay>,
    ) -> Result<Self, StoreError> {
        let shared = || Shared::of(address, options, Arc::clone(&replay));
        let waiting = (options.wait_replicas > 0).then(shared).transpose();
        let waiting = waiting.map_err(|error| unreachable(&error))?;
        let seed = match address {
            Address::Cluster(nodes) => nodes.first().cloned(),
            Address::Sentinel { server, .. } => Some(server.clone()),
            Address::Server(_) => None,
        };
        let link = Self {
            shared: Arc::new(shared().map_err(|error| unreachable(&error))?),
            waiting: waiting.map(|shared| Waiting::of(options, shared)),
            sentinels: Sentinels::of(address),
            seed: seed.map(|seed| (seed, options.certificates.clone())),
            aside: Mutex::new(None),
        };
        link.shared.line().await?;
        Ok(link)
    }

    /// Returns the log of ends of this process.
    pub(crate) fn replay(&self) -> &Replay {
        &self.shared.replay
    }

    /// Opens a dedicated connection.
    pub(crate) async fn dedicated(
        &self,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<Connection> {
        self.shared.source.connect(config).await
    }

    /// Opens a dedicated connection to one node of a cluster or to the primary that sentinels name.
    pub(crate) async fn dedicated_at(
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

    /// Replaces the shared connection if connecting began before `since`: there may be another primary.
    pub(crate) fn renew(&self, since: Instant) {
        self.shared.renewed.store(Some(Arc::new(since)));
    }

    /// Replaces the shared connection if it may lead to another server than the primary that was found at
    /// `since`; `true` if so.
    pub(crate) fn renew_for(&self, primary: &Node, since: Instant) -> bool {
        let is_elsewhere = self.shared.source.leads_elsewhere(primary);
        if is_elsewhere {
            self.renew(since);
        }
        is_elsewhere
    }

    /// Sends a request once, and follows no redirection.
    pub(crate) async fn send_once(&self, request: &Request<'_>) -> Result<Value, StoreError> {
        let line = self.shared.line().await?;
        let said = request.send(&line.connection, &SendMode::EvalSha).await;
        said.map_err(|error| to_store_error(&error, Idempotency::Idempotent))
    }

    /// Sends a request once, and returns the driver's result.
    pub(crate) async fn try_send(&self, request: &Request<'_>) -> RedisResult<Value> {
        let line = self.shared.line().await;
        let line = line.map_err(|_| RedisError::from((redis::ErrorKind::Io, "no connection")))?;
        line.send(request, &line.connection, &SendMode::EvalSha)
            .await
    }

    /// Sends a request and returns the reply; retries where that is safe and useful.
    pub(crate) async fn send(
        &self,
        request: &Request<'_>,
        effect: Idempotency,
    ) -> Result<Value, StoreError> {
        let (value, _) = self.send_over(&self.shared, request, effect).await?;
        Ok(value)
    }

    /// Sends a write.
    pub(crate) async fn write(&self, request: &Request<'_>) -> Result<WriteReply, StoreError> {
        match self.waiting.as_ref().filter(|waiting| waiting.writes) {
            Some(waiting) => Box::pin(self.send_waiting(waiting, request)).await,
            None => self.send_write(request).await,
        }
    }

    /// Sends a request that ends a session.
    pub(crate) async fn end(&self, request: &Request<'_>) -> Result<WriteReply, StoreError> {
        match &self.waiting {
            Some(waiting) => Box::pin(self.send_waiting(waiting, request)).await,
            None => self.send_write(request).await,
        }
    }

    async fn send_write(&self, request: &Request<'_>) -> Result<WriteReply, StoreError> {
        let (value, by) = self
            .send_over(&self.shared, request, Idempotency::NotIdempotent)
            .await?;
        let is_kept = true;
        Ok(WriteReply { value, by, is_kept })
    }

    async fn send_waiting(
        &self,
        waiting: &Waiting,
        request: &Request<'_>,
    ) -> Result<WriteReply, StoreError> {
        let waited = Request::Waited(request, waiting.command());
        let (said, by) = self
            .send_over(&waiting.shared, &waited, Idempotency::NotIdempotent)
            .await?;
        let Value::Array(mut values) = said else {
            return Err(corrupt());
        };
        let Some(Value::Int(replicas)) = values.pop() else {
            return Err(corrupt());
        };
        let value = match request {
            Request::Pipeline(_) => Value::Array(values),
            _ => values.pop().ok_or_else(corrupt)?,
        };
        let is_kept = waiting.heard(replicas);
        Ok(WriteReply { value, by, is_kept })
    }

    /// Logs a session that was ended.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unknown`] if another server has taken over without it, or it is not on as many
    /// replicas as required.
    pub(crate) async fn ended(&self, end: End, answer: &WriteReply) -> Result<(), StoreError> {
        let holds =
            self.replay().acknowledge(end, answer.by) || Box::pin(self.shared.settle()).await;
        if !holds {
            let why = "another server has taken over, and has not acknowledged this end yet";
            return Err(StoreError::new(StoreErrorKind::Unknown, why));
        }
        answer.kept()
    }

    /// Repeats the ends that the server behind a dedicated connection may lack.
    pub(crate) async fn acquaint(&self, connection: &Connection) -> RedisResult<()> {
        let look = self.replay().look();
        let (generation, _) = self.replay().greet(connection).await?;
        self.replay().tell(connection, generation, look).await;
        Ok(())
    }

    /// Sends a request over one of the connections, and returns the reply with the server that sent it.
    async fn send_over(
        &self,
        shared: &Arc<Shared>,
        request: &Request<'_>,
        effect: Idempotency,
    ) -> Result<(Value, Generation), StoreError> {
        // Rarely needed futures are boxed: this one is a part of every request's.
        let line = match shared.working() {
            Some(line) => line,
            None => shared.line().await?,
        };
        let by = self.generation(&line);
        match line
            .send(request, &line.connection, &SendMode::EvalSha)
            .await
        {
            Ok(value) => Ok((value, by)),
            Err(error) => Box::pin(self.send_again((shared, request, effect), line, error)).await,
        }
    }

    /// Returns the server that a connection leads to; one of a cluster's may be lost at any moment.
    fn generation(&self, line: &SharedConnection) -> Generation {
        if line.is_of_cluster() {
            self.replay().now()
        } else {
            line.generation
        }
    }

    /// Sends a request again after it has failed.
    async fn send_again(
        &self,
        (shared, request, effect): (&Arc<Shared>, &Request<'_>, Idempotency),
        mut line: Arc<SharedConnection>,
        mut error: RedisError,
    ) -> Result<(Value, Generation), StoreError> {
        let mut attempt = 0;
        loop {
            let retry_action = retry_action(&error);
            if retry_action == RetryAction::Reconnect {
                self.give_up(&line).await;
            }
            if line.is_of_cluster()
                && matches!(retry_action, RetryAction::Reconnect | RetryAction::Retry)
            {
                self.replay().suspect();
            }
            let again = match retry_action {
                // Once, as the next connection has to work; and not after a time-out.
                RetryAction::Reconnect => attempt == 0 && is_safe(&error, effect),
                RetryAction::Retry | RetryAction::Ask | RetryAction::Load => attempt < RETRIES,
                RetryAction::Nothing => false,
            };
            if !again {
                return Err(to_store_error(&error, effect));
            }
            let form = match retry_action {
                RetryAction::Load => SendMode::Eval,
                RetryAction::Ask => SendMode::asked(&error),
                _ => SendMode::EvalSha,
            };
            attempt += 1;
            if form == SendMode::EvalSha {
                tokio::time::sleep(RETRY_BACKOFF * attempt).await;
            }
            line = shared.line().await?;
            let aside = match &form {
                SendMode::Asking(node) => {
                    let aside = self.aside(node).await;
                    Some(Connection::One(aside.map_err(|error| unreachable(&error))?))
                }
                _ => None,
            };
            let (connection, by) = (
                aside.as_ref().unwrap_or(&line.connection),
                self.generation(&line),
            );
            match line.send(request, connection, &form).await {
                Ok(value) => return Ok((value, by)),
                Err(failure) => error = failure,
            }
        }
    }

    async fn give_up(&self, line: &SharedConnection) {
        if !line.broken.swap(true, Ordering::Relaxed) {
            tracing::warn!("the connection to Redis is given up");
        }
        *self.aside.lock().await = None;
    }

    /// Connects to a node that is importing a slot: it may own none yet, and the cluster's client then does
    /// not know it.
    async fn aside(&self, node: &Node) -> RedisResult<MultiplexedConnection> {
        let mut aside = self.aside.lock().await;
        if let Some(known) = &*aside
            && known.node == *node
            && !known.driver.is_gone()
        {
            return Ok(known.connection.clone());
        }
        let connection = self.dedicated_at(node, &self.shared.config).await?;
        *aside = Some(AskConnection {
            node: node.clone(),
            connection: connection.clone(),
            driver: Driver::watched(Arc::default()),
        });
        Ok(connection)
    }
}
