//! Queries the store, in one task for all waiters, for as long as there are any.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::registry::{Registry, Wakeup};
use super::schedule::{Delivery, Freshness};
use super::{Waiter, Watched};
use crate::clock::{Clock, Timestamp};
use crate::id::SessionId;
use crate::store::{Ends, Invalidation, InvalidationSink, Store, StoreError, StoreErrorKind};
use crate::util::lock;

/// Interval at which due sessions are looked for.
const TICK: Duration = Duration::from_millis(250);
/// Time within which new watches are gathered into one query.
const GATHER: Duration = Duration::from_millis(10);
/// Time to wait for a reply before the query is repeated.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time to wait for a reply over a subscription, whose store can still be queried in the usual way.
const LINK_PATIENCE: Duration = Duration::from_millis(500);
/// The most ids in one question.
const BATCH: usize = 1000;

/// Watches the sessions of one store.
pub(crate) struct SessionWatch {
    store: Arc<dyn Store>,
    clock: Clock,
    registry: Mutex<Registry>,
    news: Notify,
}

impl SessionWatch {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            registry: Mutex::default(),
            news: Notify::new(),
        })
    }

    /// Notes that the store has ended `id`: its waiters are notified at once.
    pub(crate) fn is_over(&self, id: &SessionId) {
        let now = self.clock.now();
        self.change(|registry| registry.over(id, now));
    }

    /// Has `id` queried: its state is unknown.
    pub(crate) fn look_at(&self, id: &SessionId) {
        self.change(|registry| registry.look_at(id));
        self.news.notify_one();
    }

    /// Has all of them queried.
    pub(crate) fn look_at_all(&self) {
        self.change(Registry::look_at_all);
        self.news.notify_one();
    }

    pub(super) fn enter(self: &Arc<Self>, watched: &Watched) -> Waiter {
        let (waiter, runs, failed) = self.change(|registry| {
            let waiter = registry.enter(watched);
            let runs = std::mem::replace(&mut registry.running, true);
            (waiter, runs, registry.failed)
        });
        if !runs {
            tokio::spawn(run(TaskGuard {
                watch: Arc::clone(self),
                rests: failed,
                is_done: false,
            }));
        }
        self.news.notify_one();
        waiter
    }

    pub(super) fn leave(&self, id: &SessionId, number: u64) {
        self.change(|registry| registry.leave(id, number));
    }

    /// Changes the registry; waiters are notified once it is unlocked.
    fn change<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        let (result, told) = {
            let mut registry = lock(&self.registry);
            (change(&mut registry), registry.take_told())
        };
        told.into_iter().for_each(Wakeup::tell);
        result
    }

    fn hints(self: &Arc<Self>) -> InvalidationSink {
        let watch = Arc::downgrade(self);
        InvalidationSink::new(move |hint| {
            let Some(watch) = watch.upgrade() else { return };
            match hint {
                Invalidation::Of(id) => watch.look_at(id),
                Invalidation::All => watch.look_at_all(),
            }
        })
    }

    /// Queries the sessions that are due; returns `true` if the store has answered.
    async fn ask_due(&self, link: Option<&dyn Ends>) -> bool {
        let link = link.filter(|link| link.is_proven());
        let mode = link.map_or(Delivery::Polling, |_| Delivery::Push);
        let now = self.clock.now();
        let due = self.change(|registry| {
            registry.end_overdue(now);
            registry.take_due(mode, now, Instant::now())
        });
        let mut answered = true;
        for ids in due.chunks(BATCH) {
            answered = answered && self.ask(ids, link).await;
            if !answered {
                self.change(|registry| {
                    for id in ids {
                        registry.unanswered(id);
                    }
                });
            }
        }
        answered
    }

    async fn ask(&self, ids: &[SessionId], link: Option<&dyn Ends>) -> bool {
        let at = Instant::now();
        if let Some(link) = link
            && let Ok(Ok(living)) = timeout(LINK_PATIENCE, link.expiries(ids)).await
        {
            return self.answered(ids, &living, Freshness::Subscribed(at));
        }
        match self.ask_store(ids).await {
            Ok(living) => self.answered(ids, &living, Freshness::Polled(at)),
            Err(error) => {
                tracing::debug!(%error, "watched sessions cannot be queried");
                false
            }
        }
    }

    /// Queries the store; meanwhile the absolute time-outs of others may come.
    async fn ask_store(&self, ids: &[SessionId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let mut asking = std::pin::pin!(self.store.expiries(ids));
        let end = Instant::now() + PATIENCE;
        loop {
            match timeout(TICK, &mut asking).await {
                Ok(living) => return living,
                Err(_) if Instant::now() >= end => {
                    return Err(StoreErrorKind::Unavailable.into());
                }
                Err(_) => {
                    let now = self.clock.now();
                    self.change(|registry| registry.end_overdue(now));
                }
            }
        }
    }

    /// Takes the store's answers. A store that answers for fewer ids than it was asked for has not answered.
    fn answered(&self, ids: &[SessionId], living: &[Option<Timestamp>], known: Freshness) -> bool {
        if living.len() != ids.len() {
            return false;
        }
        let now = self.clock.now();
        self.change(|registry| {
            for (id, living) in ids.iter().zip(living) {
                registry.answered(id, *living, known, now);
            }
        });
        true
    }
}

async fn run(mut turn: TaskGuard) {
    let watch = Arc::clone(&turn.watch);
    if turn.rests {
        // A store that panics would be queried again at once, by all that still wait.
        sleep(TICK).await;
    }
    let link = watch.store.ends(watch.hints());
    loop {
        if !watch.ask_due(link.as_deref()).await {
            sleep(TICK).await;
        }
        // No watch comes in between: a new one sees that this runs, or starts it again.
        turn.is_done = watch.change(|registry| {
            registry.failed = false;
            registry.running = !registry.is_empty();
            !registry.running
        });
        if turn.is_done {
            return;
        }
        if timeout(TICK, watch.news.notified()).await.is_ok() {
            sleep(GATHER).await;
        }
    }
}

/// The task's hold on the watch. A runtime that ends takes the task with it; waiters in another register
/// again.
struct TaskGuard {
    watch: Arc<SessionWatch>,
    /// `true` if it begins with a pause.
    rests: bool,
    is_done: bool,
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        if !self.is_done {
            self.watch.change(|registry| {
                registry.running = false;
                registry.failed = true;
                registry.clear();
            });
        }
    }
}
