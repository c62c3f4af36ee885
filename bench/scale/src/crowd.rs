//! Many requests at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Failure;
use crate::fleet::{Fleet, Random};
use crate::ladder::Op;
use crate::sample::{Samples, Spread};
use crate::stop;

/// Number of sessions in the store meanwhile.
pub(crate) const SIZE: u32 = 100_000;
/// Numbers of concurrent tasks.
pub(crate) const LEVELS: [u32; 6] = [1, 4, 16, 64, 256, 1024];

/// The throughput of a number of tasks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) rate: f64,
    pub(crate) spread: Spread,
}

/// One level: reads, then changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    pub(crate) tasks: u32,
    pub(crate) get: Load,
    pub(crate) update: Load,
}

/// Measures each level for twice as long as `each`.
pub(crate) async fn levels(fleet: &Arc<Fleet>, each: Duration) -> Result<Vec<Level>, Failure> {
    let mut levels = Vec::new();
    for tasks in LEVELS {
        levels.push(Level {
            tasks,
            get: load(fleet, Op::Get, tasks, each).await?,
            update: load(fleet, Op::Update, tasks, each).await?,
        });
    }
    Ok(levels)
}

/// Measures one operation on random sessions, by so many tasks for so long.
pub(crate) async fn load(
    fleet: &Arc<Fleet>,
    op: Op,
    tasks: u32,
    lasts: Duration,
) -> Result<Load, Failure> {
    let begin = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let fleet = Arc::clone(fleet);
            tokio::spawn(async move {
                let mut random = Random::new(u64::from(task) << 32);
                let own = fleet.size / tasks;
                let mut times = Samples::default();
                while begin.elapsed() < lasts {
                    stop::check()?;
                    // Sessions of its own, so that no two tasks change one.
                    let n = random.below(own) * tasks + task;
                    times.add(op.run(&fleet, n).await?);
                    tokio::task::consume_budget().await;
                }
                Ok::<_, Failure>(times)
            })
        })
        .collect();
    let mut all = Samples::default();
    for task in running {
        all.merge(task.await??);
    }
    let rate = all.len() as f64 / begin.elapsed().as_secs_f64();
    let spread = all.spread();
    let spread = spread.ok_or_else(|| Failure::new("nothing was measured"))?;
    Ok(Load { rate, spread })
}
