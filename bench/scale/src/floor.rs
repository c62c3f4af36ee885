//! The memory's own time: the least that any store of this size can take.

use std::hint::black_box;
use std::time::Instant;

use crate::error::Failure;
use crate::fleet::Random;
use crate::ladder::Budget;
use crate::sample::{Samples, Spread};
use crate::stop;

/// Reads that wait for each other: a table's control bytes, its entry, and the record.
const STEPS: usize = 3;
/// More would measure nothing else, and take memory from the store.
const LARGEST: usize = 1 << 30;

/// Measures both sizes, in turns as the stores are.
pub(crate) fn compare(small: usize, large: usize, budget: Budget) -> Result<[Spread; 2], Failure> {
    let areas = [small, large].map(|bytes| area(bytes.min(LARGEST)));
    let mut times = [Samples::default(), Samples::default()];
    let mut random = Random::new(3);
    let begin = Instant::now();
    for turn in 0..budget.samples {
        if turn % 1024 == 0 {
            stop::check()?;
            if begin.elapsed() > budget.at_most {
                break;
            }
        }
        for (area, times) in areas.iter().zip(&mut times) {
            let mut place = random.next();
            let begin = Instant::now();
            for _ in 0..STEPS {
                place = area[usize::try_from(place).unwrap_or(0) % area.len()];
            }
            black_box(place);
            times.add(begin.elapsed());
        }
    }
    let [small, large] = times.map(Samples::spread);
    match (small, large) {
        (Some(small), Some(large)) => Ok([small, large]),
        _ => Err(Failure::new("nothing was measured")),
    }
}

fn area(bytes: usize) -> Vec<u64> {
    let mut random = Random::new(4);
    (0..bytes.div_ceil(8).max(1))
        .map(|_| random.next())
        .collect()
}
