//! A million sessions expire and go, while others are served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::error::Failure;
use crate::fleet::{Fleet, Random};
use crate::ladder::Op;
use crate::sample::{Samples, Spread};
use crate::stop;

/// How long the store is watched before.
const BEFORE: Duration = Duration::from_secs(2);

/// Reads and changes of live sessions, in turns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    pub(crate) get: Spread,
    pub(crate) update: Spread,
}

/// What a purge did, and to whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purge {
    pub(crate) before: Served,
    pub(crate) meanwhile: Served,
    pub(crate) took: Duration,
    pub(crate) gone: u64,
}

/// Lets sessions `expire`, and the store purge them; `live` draws one that lives on.
pub(crate) async fn measure(
    fleet: &Fleet,
    live: impl Fn(&mut Random) -> u32,
    expire: impl FnOnce(),
) -> Result<Purge, Failure> {
    let mut random = Random::new(5);
    let begin = Instant::now();
    let before = serve(fleet, &live, &mut random, || begin.elapsed() >= BEFORE).await?;
    expire();
    let store = Arc::clone(&fleet.store);
    // A store may purge without ever waiting: it has a thread of its own for it.
    let purging = tokio::task::spawn_blocking(move || {
        let begin = Instant::now();
        let gone = Handle::current().block_on(store.prune());
        (gone, begin.elapsed())
    });
    let meanwhile = serve(fleet, &live, &mut random, || purging.is_finished()).await?;
    let (gone, took) = purging.await?;
    Ok(Purge {
        before,
        meanwhile,
        took,
        gone: gone?,
    })
}

async fn serve(
    fleet: &Fleet,
    live: &impl Fn(&mut Random) -> u32,
    random: &mut Random,
    is_over: impl Fn() -> bool,
) -> Result<Served, Failure> {
    let mut times = [Samples::default(), Samples::default()];
    loop {
        for (op, times) in [Op::Get, Op::Update].into_iter().zip(&mut times) {
            times.add(op.run(fleet, live(random)).await?);
        }
        if is_over() {
            break;
        }
        stop::check()?;
    }
    let [get, update] = times.map(Samples::spread);
    match (get, update) {
        (Some(get), Some(update)) => Ok(Served { get, update }),
        _ => Err(Failure::new("nothing was measured")),
    }
}
