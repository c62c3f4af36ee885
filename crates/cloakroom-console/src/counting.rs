//! Counts in the background while somebody looks: all sessions one by one, at a rate that the store does
//! not feel, and their number.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use cloakroom::manager::{FoundSession, SessionFilter};
use cloakroom::store::StoreError;

use crate::console::{Console, Inner, LOOKED_FOR};
use crate::inventory::{Counted, Gone, Stock};
use crate::tally::Tally;

/// Time between two looks at what is due.
const TICK: Duration = Duration::from_millis(500);

impl Inner {
    /// Notes that somebody looks, and begins to count if nobody did before.
    pub(crate) fn looked_at(self: &Arc<Self>) {
        if self.note_look() {
            start(self);
        }
    }
}

impl Console {
    /// Returns the number of live sessions at the last pass over the store, and when that ended; `None` before the
    /// first. For metrics: as long as it is asked for, passes go on.
    pub fn counted(&self) -> Option<(u64, SystemTime)> {
        self.0.looked_at();
        let stock = self.0.inventory.stock()?;
        Some((stock.value.tally.live, stock.at))
    }
}

/// Starts both counts, which end with the console.
fn start(console: &Arc<Inner>) {
    tokio::spawn(keep(Arc::downgrade(console), count));
    tokio::spawn(keep(Arc::downgrade(console), take));
}

/// Repeats a count for as long as somebody looks; a pause is as long as its count took, many times over.
async fn keep<F: Future<Output = Duration>>(console: Weak<Inner>, count: fn(Arc<Inner>) -> F) {
    let mut due = Instant::now();
    loop {
        let Some(console) = console.upgrade() else {
            return;
        };
        if Instant::now() >= due && console.was_looked_at(LOOKED_FOR) {
            let pause = count(console).await;
            due = Instant::now() + pause;
        } else {
            drop(console);
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn count(console: Arc<Inner>) -> Duration {
    let begun = Instant::now();
    let counted = console.store.count().await;
    let took = begun.elapsed();
    if let Some(value) = console.inventory.note(counted) {
        console.inventory.set_live(Counted {
            value,
            at: SystemTime::now(),
            took,
        });
    }
    pause_after(took, Duration::from_secs(2), 20)
}

async fn take(console: Arc<Inner>) -> Duration {
    let begun = Instant::now();
    let before = console.inventory.stock();
    let counted = scan(&console, before.as_deref()).await;
    console.inventory.set_seen(0);
    let took = begun.elapsed();
    if let Some(tally) = console.inventory.note(counted) {
        let gone = before.and_then(|before| gone(&tally, &before));
        let stock = Counted {
            value: Stock { tally, gone },
            at: SystemTime::now(),
            took,
        };
        console.inventory.set_stock(stock);
    }
    pause_after(took, Duration::from_secs(15), 4)
}

/// Returns the pause after a count that took so long: `times` as long, and no less than `least`.
fn pause_after(took: Duration, least: Duration, times: u32) -> Duration {
    took.saturating_mul(times).max(least)
}

fn gone(tally: &Tally, before: &Counted<Stock>) -> Option<Gone> {
    let sessions = tally.gone_since(&before.value.tally)?;
    let within = SystemTime::now()
        .duration_since(before.at)
        .unwrap_or_default();
    Some(Gone { sessions, within })
}

async fn scan(console: &Inner, before: Option<&Counted<Stock>>) -> Result<Tally, StoreError> {
    let mut tally = Tally::after(before.map(|before| &before.value.tally));
    let mut scan = console.scan(SessionFilter::default());
    loop {
        let begun = Instant::now();
        let Some(found) = scan.page().await? else {
            return Ok(tally);
        };
        add(&mut tally, &found);
        console.inventory.set_seen(tally.live);
        tokio::time::sleep(rest(found.len(), console.rate, begun.elapsed())).await;
    }
}

fn add(tally: &mut Tally, found: &[FoundSession]) {
    let now = SystemTime::now();
    for session in found {
        tally.add(session, now);
    }
}

/// Returns the time to wait after a page, so that no more than `rate` sessions are read in a second.
fn rest(sessions: usize, rate: u32, took: Duration) -> Duration {
    let sessions = u32::try_from(sessions).unwrap_or(u32::MAX);
    let due = Duration::from_secs(1).saturating_mul(sessions) / rate.max(1);
    due.saturating_sub(took)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{pause_after, rest};

    #[test]
    fn a_scan_keeps_to_its_rate() {
        let ms = Duration::from_millis;
        for (sessions, rate, took, expected) in [
            (500, 5_000, ms(0), ms(100)),
            (500, 5_000, ms(30), ms(70)),
            (500, 5_000, ms(200), ms(0)),
            (0, 5_000, ms(0), ms(0)),
            (1, 0, ms(0), ms(1000)),
        ] {
            assert_eq!(rest(sessions, rate, took), expected);
        }
    }

    #[test]
    fn a_count_that_is_dear_is_rare() {
        let s = Duration::from_secs;
        assert_eq!(pause_after(s(0), s(2), 20), s(2));
        assert_eq!(pause_after(s(3), s(2), 20), s(60));
        assert_eq!(pause_after(Duration::MAX, s(2), 20), Duration::MAX);
    }
}
