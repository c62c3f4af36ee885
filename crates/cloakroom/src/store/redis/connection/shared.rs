//! Makes the shared connection, and keeps the latest; before it is used, ends that its server may lack are
//! repeated.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisResult};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::address::Address;
use super::command::Connection;
use super::connector::Connector;
use super::error::unreachable;
use super::shared_connection::{SharedConnection, TaskOwner};
use crate::store::redis::RedisOptions;
use crate::store::redis::replay::{Generation, Inspection, Replay};
use crate::store::{StoreError, StoreErrorKind, StoreFuture};
use crate::util::Backoff;

/// Pause before ends are sent again to a server that failed to take them, at first and at most.
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));

/// The state that outlives a caller that disconnects while it connects.
pub(crate) struct Shared {
    pub(crate) source: Connector,
    pub(crate) config: AsyncConnectionConfig,
    timeout: Duration,
    line: ArcSwapOption<SharedConnection>,
    /// The time of the latest renewal: a connection begun before is not used any more.
    pub(crate) renewed: ArcSwapOption<Instant>,
    /// Held by the caller that connects: the others wait for its result.
    connecting: Arc<Mutex<()>>,
    /// Number of failed attempts.
    failures: AtomicU64,
    pub(crate) replay: Arc<Replay>,
}

impl Shared {
    pub(crate) fn of(
        address: &Address,
        options: &RedisOptions,
        replay: Arc<Replay>,
    ) -> RedisResult<Self> {
        Ok(Self {
            source: Connector::of(address, options, &replay)?,
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(options.connect_timeout))
                .set_response_timeout(Some(options.response_timeout)),
            timeout: options.connect_timeout,
            line: ArcSwapOption::empty(),
            renewed: ArcSwapOption::empty(),
            connecting: Arc::default(),
            failures: AtomicU64::new(0),
            replay,
        })
    }

    pub(crate) fn working(&self) -> Option<Arc<SharedConnection>> {
        let line = self.line.load_full()?;
        let renewed = self.renewed.load();
        let is_late = renewed
            .as_ref()
            .is_none_or(|renewed| line.begun >= **renewed);
        // The client of a cluster reconnects to its nodes itself.
        let leads_there = line.is_of_cluster() || line.generation == self.replay.now();
        (is_late && leads_there && !line.broken.load(Ordering::Relaxed)).then_some(line)
    }

    async fn connect_in_time(self: &Arc<Self>) -> Result<Arc<SharedConnection>, StoreError> {
        let (begun, broken) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let connected = self.connect(&broken).await.inspect_err(|error| {
            self.failures.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(source = ?std::error::Error::source(error), "no connection to Redis");
        });
        let (connection, look, generation, is_whole) = connected?;
        let telling = self.replay.tell(&connection, generation, look);
        let told = timeout(self.timeout, telling).await;
        let keeper = tokio::spawn(keep(Arc::downgrade(self), Arc::clone(&self.replay)));
        let keeper = TaskOwner(keeper.abort_handle());
        let line = Arc::new(SharedConnection::new(
            connection, generation, begun, broken, keeper,
        ));
        if self.line.swap(Some(Arc::clone(&line))).is_some() {
            tracing::info!("connected to Redis again");
        }
        if told == Ok(true) && is_whole {
            self.replay.looked_into(look);
        } else {
            self.replay.suspect();
        }
        Ok(line)
    }

    /// Connects, and identifies the server.
    async fn connect(
        &self,
        broken: &Arc<AtomicBool>,
    ) -> Result<(Connection, Inspection, Generation, bool), StoreError> {
        let late = || StoreError::unanswered("cannot connect: no answer in time");
        let (broken, replay) = (Arc::clone(broken), Arc::clone(&self.replay));
        let config = self.config.clone().set_push_sender(move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                broken.store(true, Ordering::Relaxed);
                replay.suspect();
            }
            Ok::<_, std::convert::Infallible>(())
        });
        let connecting = timeout(self.timeout, self.source.connect(&config)).await;
        let connection = connecting
            .map_err(|_| late())?
            .map_err(|error| unreachable(&error))?;
        let look = self.replay.look();
        let (generation, is_whole) = match timeout(self.timeout, self.replay.greet(&connection))
            .await
        {
            Ok(met) => met.map_err(|error| unreachable(&error))?,
            // One node that hangs does not block the others.
            Err(_) if matches!(connection, Connection::Cluster(_)) => (self.replay.now(), false),
            Err(_) => return Err(late()),
        };
        Ok((connection, look, generation, is_whole))
    }

    /// Repeats ends until the server has them all; returns `true` if it has.
    pub(crate) async fn settle(self: &Arc<Self>) -> bool {
        let look = self.replay.look();
        let Ok(line) = self.line().await else {
            return false;
        };
        let (generation, is_whole) = if line.is_of_cluster() {
            match timeout(self.timeout, self.replay.greet(&line.connection)).await {
                Ok(Ok(met)) => met,
                _ => return false,
            }
        } else {
            (line.generation, true)
        };
        let knows = self.replay.tell(&line.connection, generation, look).await && is_whole;
        if knows {
            self.replay.looked_into(look);
        }
        knows
    }

    /// Returns the working connection, or a new one.
    pub(crate) fn line(self: &Arc<Self>) -> StoreFuture<'_, Arc<SharedConnection>> {
        Box::pin(self.line_in_turn())
    }

    async fn line_in_turn(self: &Arc<Self>) -> Result<Arc<SharedConnection>, StoreError> {
        if let Some(line) = self.working() {
            return Ok(line);
        }
        let failures = self.failures.load(Ordering::Relaxed);
        let turn = Arc::clone(&self.connecting).lock_owned().await;
        if let Some(line) = self.working() {
            return Ok(line);
        }
        if self.failures.load(Ordering::Relaxed) != failures {
            let why = "cannot connect: others have just tried";
            return Err(StoreError::new(StoreErrorKind::Unavailable, why));
        }
        // In a task of its own: a caller that times out leaves a connection to the next.
        let shared = Arc::clone(self);
        let connecting = tokio::spawn(async move {
            let _turn = turn;
            shared.connect_in_time().await
        });
        connecting
            .await
            .unwrap_or_else(|_| Err(StoreErrorKind::Unavailable.into()))
    }
}

/// Repeats ends whenever the server may be another, until it has them all.
async fn keep(shared: Weak<Shared>, replay: Arc<Replay>) {
    loop {
        // Subscribed before the check, so that nothing is missed in between. A keeper that ended in the
        // middle has left the suspicion as it was.
        let trouble = replay.trouble.notified();
        if !replay.is_suspicious() {
            trouble.await;
        }
        let mut backoff = RETRY_BACKOFF;
        loop {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            if shared.settle().await && !replay.is_suspicious() {
                break;
            }
            drop(shared);
            sleep(backoff.pause()).await;
            backoff.failed();
        }
    }
}
