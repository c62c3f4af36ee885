//! One operation at a time, in stores that grow decade by decade.
//!
//! Beside each size stands a second store of a thousand sessions, and the two are asked in turns: what
//! else the machine does meets both alike, so that their ratio can be believed where their times
//! cannot.

use std::time::{Duration, Instant};

use crate::error::Failure;
use crate::fleet::{Fleet, Random};
use crate::sample::{Samples, Spread};
use crate::stop;

/// The size that all others are compared with.
pub(crate) const SMALL: u32 = 1000;

/// The operations of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Get,
    Touch,
    Update,
    /// All that a request costs besides its server: cookie, store, record.
    Request,
}

impl Op {
    /// The operations of a store alone.
    pub(crate) const ALL: [Self; 3] = [Self::Get, Self::Touch, Self::Update];
    /// The operations of a store, and the request in which they happen.
    pub(crate) const AND_REQUEST: [Self; 4] = [Self::Get, Self::Touch, Self::Update, Self::Request];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Touch => "touch",
            Self::Update => "update",
            Self::Request => "a request that reads",
        }
    }

    /// Does it to the session `n`; how long it took.
    pub(crate) async fn run(self, fleet: &Fleet, n: u32) -> Result<Duration, Failure> {
        match self {
            Self::Get => fleet.get(n).await,
            Self::Touch => fleet.touch(n).await,
            Self::Update => fleet.update(n).await,
            Self::Request => fleet.visit(n).await,
        }
    }
}

/// The extent of a measurement: so many samples, or as many as there is time for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) samples: usize,
    pub(crate) at_most: Duration,
}

/// One size: what it took up, how fast it was filled, and each operation there and in the small store.
#[derive(Debug, Clone)]
pub(crate) struct Rung {
    pub(crate) size: u32,
    pub(crate) bytes: Option<u64>,
    /// Sessions created per second by many tasks; `None` where they came in bulk.
    pub(crate) filled: Option<f64>,
    pub(crate) ops: Vec<Pair>,
}

/// One operation in both stores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) op: Op,
    pub(crate) small: Spread,
    pub(crate) large: Spread,
}

impl Pair {
    /// Returns the factor by which the slowest of a hundred are slower in the large store.
    pub(crate) fn ratio(&self) -> f64 {
        self.large.p99.as_secs_f64() / self.small.p99.as_secs_f64().max(1e-9)
    }

    pub(crate) fn median_ratio(&self) -> f64 {
        self.large.p50.as_secs_f64() / self.small.p50.as_secs_f64().max(1e-9)
    }
}

/// Measures each operation, in turns on both.
pub(crate) async fn compare(
    ops: &[Op],
    small: &Fleet,
    large: &Fleet,
    budget: Budget,
) -> Result<Vec<Pair>, Failure> {
    let mut random = Random::new(u64::from(large.size));
    let mut pairs = Vec::new();
    for &op in ops {
        pairs.push(in_turns(op, small, large, budget, &mut random).await?);
    }
    Ok(pairs)
}

async fn in_turns(
    op: Op,
    small: &Fleet,
    large: &Fleet,
    budget: Budget,
    random: &mut Random,
) -> Result<Pair, Failure> {
    let warm_up = budget.samples / 10;
    let mut times = [Samples::default(), Samples::default()];
    let mut begin = Instant::now();
    for turn in 0..budget.samples + warm_up {
        if turn == warm_up || (turn < warm_up && begin.elapsed() > budget.at_most / 10) {
            times = [Samples::default(), Samples::default()];
            begin = Instant::now();
        }
        if turn % 64 == 0 {
            stop::check()?;
            if begin.elapsed() > budget.at_most {
                break;
            }
        }
        for (fleet, times) in [small, large].into_iter().zip(&mut times) {
            times.add(op.run(fleet, random.below(fleet.size)).await?);
        }
    }
    let [small, large] = times.map(Samples::spread);
    let (Some(small), Some(large)) = (small, large) else {
        return Err(Failure::new("nothing was measured"));
    };
    Ok(Pair { op, small, large })
}
