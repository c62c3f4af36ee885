//! What is measured alike on every server: round trips, and the clock.

use std::time::{Duration, Instant};

use super::facts::Facts;

/// Number of round trips that are timed.
const PINGS: u32 = 50;

/// Times some round trips of a store, and notes the median and the second longest, in microseconds.
pub(in crate::store) async fn time<F: Future<Output = bool>>(
    facts: &mut Facts,
    ping: impl Fn() -> F,
) {
    let mut best: Option<(u64, u64)> = None;
    // A machine that was busy for a moment is measured again.
    for _ in 0..3 {
        let mut taken = Vec::new();
        for _ in 0..PINGS {
            let begin = Instant::now();
            if !ping().await {
                return;
            }
            taken.push(u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        taken.sort_unstable();
        let round = (taken[taken.len() / 2], taken[taken.len() - 2]);
        best = Some(best.map_or(round, |best| (best.0.min(round.0), best.1.min(round.1))));
    }
    if let Some((median, slow)) = best {
        facts.set("ping.median_us", median);
        facts.set("ping.slow_us", slow);
    }
}

/// Notes the difference between a server's clock and this machine's, in milliseconds; the server read its own
/// about half-way.
pub(in crate::store) fn skew(facts: &mut Facts, asked: i64, took: Duration, server: i64) {
    let half = i64::try_from(took.as_millis() / 2).unwrap_or(0);
    let latest = i64::try_from(took.as_millis()).unwrap_or(0);
    let apart = server - asked - half;
    // What a slow reply explains is no skew.
    facts.set(
        "clock.skew_ms",
        if apart.abs() <= latest { 0 } else { apart },
    );
}
