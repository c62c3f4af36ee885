//! A million sessions expire and are deleted while others are served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::error::Failure;
use crate::fleet::{Fleet, Random};
use crate::ladder::Op;
use crate::sample::{Samples, Spread};
use crate::stop;

/// Time for which the store is watched before.
const BEFORE: Duration = Duration::from_secs(2);

/// Reads and changes of live sessions, one of each at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    pub(crate) get: Spread,
    pub(crate) update: Spread,
}

/// The results of a purge, and its effect on others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purge {
    pub(crate) before: Served,
    pub(crate) meanwhile: Served,
    pub(crate) took: Duration,
    pub(crate) gone: u64,
}

/// The sessions that stay: every `step`th of so many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live {
    pub(crate) count: u32,
    pub(crate) step: u32,
}

/// Lets sessions `expire`, and the store purge them.
pub(crate) async fn measure(
    fleet: &Arc<Fleet>,
    live: Live,
    expire: impl FnOnce(),
) -> Result<Purge, Failure> {
    let over = Arc::new(AtomicBool::new(false));
    let watching = watch(fleet, live, &over);
    tokio::time::sleep(BEFORE).await;
    over.store(true, Ordering::Relaxed);
    let before = served(watching).await?;
    expire();
    let over = Arc::new(AtomicBool::new(false));
    let watching = watch(fleet, live, &over);
    let store = Arc::clone(&fleet.store);
    // A store may purge without ever waiting: it has a thread of its own for it.
    let purging = tokio::task::spawn_blocking(move || {
        let begin = Instant::now();
        let gone = Handle::current().block_on(store.prune());
        (gone, begin.elapsed())
    });
    while !purging.is_finished() && stop::check().is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    over.store(true, Ordering::Relaxed);
    let meanwhile = served(watching).await?;
    stop::check()?;
    let (gone, took) = purging.await?;
    Ok(Purge {
        before,
        meanwhile,
        took,
        gone: gone?,
    })
}

type Watching = [JoinHandle<Result<Samples, Failure>>; 2];

/// Starts one visitor that reads, and one that writes.
fn watch(fleet: &Arc<Fleet>, live: Live, over: &Arc<AtomicBool>) -> Watching {
    [Op::Get, Op::Update].map(|op| {
        let (fleet, over) = (Arc::clone(fleet), Arc::clone(over));
        tokio::spawn(async move {
            let mut random = Random::new(5);
            let mut times = Samples::default();
            while !over.load(Ordering::Relaxed) {
                stop::check()?;
                let n = random.below(live.count) * live.step;
                times.add(op.run(&fleet, n).await?);
                tokio::task::consume_budget().await;
            }
            Ok(times)
        })
    })
}

async fn served([gets, updates]: Watching) -> Result<Served, Failure> {
    match (gets.await??.spread(), updates.await??.spread()) {
        (Some(get), Some(update)) => Ok(Served { get, update }),
        _ => Err(Failure::new("nothing was measured")),
    }
}
