//! A supervised connection for subscriptions, kept open and pinged: in Redis's and PostgreSQL's stores.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::store::{Invalidation, InvalidationSink, StoreError, StoreErrorKind};
use crate::util::Backoff;

/// Interval of pings.
const PING_INTERVAL: Duration = Duration::from_millis(150);
/// Time that an answered ping is good for. With a tick of the watching task it leaves a quarter of the
/// promised second for the read itself.
const LIVENESS_WINDOW: Duration = Duration::from_millis(500);
/// Time to wait for a reply before the connection is given up.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause before the next attempt to connect, at first and at most.
const RECONNECT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// A connection over which invalidations arrive.
pub(in crate::store) trait Pingable: Send + Sync + 'static {
    /// Returns `true` if the server answers. All that it sent before has arrived by then.
    fn ping(&self) -> impl Future<Output = bool> + Send;
}

/// A connection, and a flag that is set when it ends; `None` if none could be made.
pub(in crate::store) type Connected<L> = Option<(L, Arc<AtomicBool>)>;

/// A connection that is renewed until this is dropped.
pub(in crate::store) struct Supervised<L> {
    pulse: Arc<ConnectionCell<L>>,
    task: AbortHandle,
}

impl<L: Pingable> Supervised<L> {
    pub(in crate::store) fn start<F>(
        hints: InvalidationSink,
        connect: impl Fn() -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Connected<L>> + Send + 'static,
    {
        let pulse = ConnectionCell::new();
        let task = tokio::spawn(Arc::clone(&pulse).keep(hints, connect));
        Self {
            pulse,
            task: task.abort_handle(),
        }
    }
}

impl<L> Deref for Supervised<L> {
    type Target = ConnectionCell<L>;

    fn deref(&self) -> &ConnectionCell<L> {
        &self.pulse
    }
}

impl<L> Drop for Supervised<L> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The latest connection, and the time at which the server answered over it.
pub(in crate::store) struct ConnectionCell<L>(ArcSwapOption<LiveConnection<L>>);

struct LiveConnection<L> {
    line: L,
    made: Instant,
    /// Time of the latest ping that was answered, in milliseconds since `made`.
    proven: AtomicU64,
    broken: Arc<AtomicBool>,
}

impl<L: Pingable> ConnectionCell<L> {
    fn new() -> Arc<Self> {
        Arc::new(Self(ArcSwapOption::empty()))
    }

    pub(in crate::store) fn is_proven(&self) -> bool {
        self.0.load().as_ref().is_some_and(|line| {
            let since =
                millis(line.made.elapsed()).saturating_sub(line.proven.load(Ordering::SeqCst));
            !line.broken.load(Ordering::SeqCst) && since <= millis(LIVENESS_WINDOW)
        })
    }

    /// Returns the time of the latest ping that was answered; `None` without a connection.
    pub(in crate::store) fn proven(&self) -> Option<std::time::Instant> {
        let beating = self.0.load_full()?;
        let since = Duration::from_millis(beating.proven.load(Ordering::SeqCst));
        (!beating.broken.load(Ordering::SeqCst)).then(|| (beating.made + since).into_std())
    }

    /// Pings now.
    pub(in crate::store) async fn catch_up(&self) -> Result<(), StoreError> {
        let beating = self.0.load_full().ok_or(StoreErrorKind::Unavailable)?;
        let beats = timeout(REPLY_TIMEOUT, beating.line.ping()).await == Ok(true);
        if beats && !beating.broken.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err(StoreErrorKind::Unavailable.into())
        }
    }

    /// Calls `with` with the connection, if there is one.
    #[cfg(feature = "redis")]
    pub(in crate::store) fn with<T>(&self, with: impl FnOnce(&L) -> T) -> Option<T> {
        self.0.load().as_ref().map(|beating| with(&beating.line))
    }

    async fn keep<F>(self: Arc<Self>, hints: InvalidationSink, connect: impl Fn() -> F)
    where
        F: Future<Output = Connected<L>>,
    {
        let mut backoff = RECONNECT_BACKOFF;
        loop {
            match timeout(REPLY_TIMEOUT, connect()).await.ok().flatten() {
                Some((line, broken)) => {
                    backoff.succeeded();
                    let beating = Arc::new(LiveConnection {
                        line,
                        made: Instant::now(),
                        proven: AtomicU64::new(0),
                        broken,
                    });
                    self.0.store(Some(Arc::clone(&beating)));
                    // Earlier changes are not reported.
                    hints.send(Invalidation::All);
                    beating.last().await;
                    self.0.store(None);
                    hints.send(Invalidation::All);
                }
                None => backoff.failed(),
            }
            sleep(backoff.pause()).await;
        }
    }
}

impl<L: Pingable> LiveConnection<L> {
    /// Waits until the connection fails.
    async fn last(&self) {
        loop {
            sleep(PING_INTERVAL).await;
            let begin = millis(self.made.elapsed());
            let beats = timeout(REPLY_TIMEOUT, self.line.ping()).await;
            if beats != Ok(true) || self.broken.load(Ordering::SeqCst) {
                return;
            }
            self.proven.store(begin, Ordering::SeqCst);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A server that answers until it is made to hang.
    struct Fake(Arc<AtomicBool>);

    impl Pingable for Fake {
        async fn ping(&self) -> bool {
            if self.0.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            true
        }
    }

    #[tokio::test(start_paused = true)]
    async fn frozen_connection_is_not_proven_and_is_renewed() {
        let (hangs, hinted) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(0)));
        let count = Arc::clone(&hinted);
        let hints = InvalidationSink::new(move |hint| {
            assert_eq!(hint, Invalidation::All);
            *count.lock().unwrap() += 1;
        });
        let pulse = ConnectionCell::new();
        assert!(!pulse.is_proven());
        let line = Arc::clone(&hangs);
        let connect = move || {
            let line = Fake(Arc::clone(&line));
            async { Some((line, Arc::default())) }
        };
        tokio::spawn(Arc::clone(&pulse).keep(hints, connect));
        sleep(Duration::from_mins(1)).await;
        assert!(pulse.is_proven());
        assert_eq!(*hinted.lock().unwrap(), 1);
        hangs.store(true, Ordering::SeqCst);
        sleep(LIVENESS_WINDOW + Duration::from_millis(10)).await;
        assert!(!pulse.is_proven(), "nothing has come for half a second");
        hangs.store(false, Ordering::SeqCst);
        sleep(REPLY_TIMEOUT + 2 * PING_INTERVAL).await;
        assert!(pulse.is_proven(), "there is another");
        // One for the lost connection, one for the new one.
        assert_eq!(*hinted.lock().unwrap(), 3);
    }
}
