//! CPU time of a server per operation: the figure that determines the number of servers a fleet needs,
//! however busy this machine is.

use std::sync::Arc;
use std::time::Duration;

use crate::crowd;
use crate::error::Failure;
use crate::fleet::Fleet;
use crate::ladder::Op;

/// Number of tasks that keep a server busy.
const TASKS: u32 = 64;

/// Processor time of the server for each operation, in the order of [`Op::ALL`].
pub(crate) async fn of_server(
    fleet: &Arc<Fleet>,
    each: Duration,
    used: impl Fn() -> Result<Duration, Failure>,
) -> Result<Vec<(Op, Duration)>, Failure> {
    let mut costs = Vec::new();
    for op in Op::ALL {
        let before = used()?;
        let load = crowd::load(fleet, op, TASKS, each).await?;
        let spent = used()?.saturating_sub(before);
        let count = u32::try_from(load.spread.count).unwrap_or(u32::MAX);
        costs.push((op, spent / count.max(1)));
    }
    Ok(costs)
}
