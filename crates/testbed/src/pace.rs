//! The machine's speed while a test runs: the control of tests about time.
//!
//! Tests share their machine with builds and with each other. A bound in seconds says something of the
//! code only beside what the same machine took for something known, at the same time.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Interval of the control.
const EVERY: Duration = Duration::from_millis(10);
/// Work that the other side of the control does for each message: a small request's worth.
const WORK: usize = 100_000;
/// Number of times that the work of a test passes from one thread or process to another: a request, its
/// store, the way back.
const HOPS: u32 = 10;
/// Number of measurements that are kept.
const KEPT: usize = 60_000;

/// The durations of the control, each with its start.
static SEEN: LazyLock<Mutex<Vec<(Instant, Duration)>>> = LazyLock::new(|| {
    thread::spawn(run);
    Mutex::default()
});

/// A stopwatch of a test, beside the control that runs in this process all the time: messages to another
/// thread over a socket, which computes a little and answers.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    since: Instant,
}

/// Begins to measure.
pub fn pace() -> Pace {
    Pace::since(Instant::now())
}

impl Pace {
    /// Measures what began a moment ago.
    pub fn since(since: Instant) -> Self {
        LazyLock::force(&SEEN);
        Self { since }
    }

    /// Returns the time since the start.
    pub fn took(&self) -> Duration {
        self.since.elapsed()
    }

    /// Returns `true` if it took no longer than `bound` and the delay that the control shows.
    pub fn is_within(&self, bound: Duration) -> bool {
        let took = self.took();
        took <= bound || took <= bound + self.slowness()
    }

    /// Returns the delay that this machine adds to a bound at present: the longest message of the control
    /// since then, once for each hop. Some milliseconds on an idle machine.
    pub fn slowness(&self) -> Duration {
        // A message that is under way is not in the list yet.
        thread::sleep(2 * EVERY);
        let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        let since = seen.iter().rev().take_while(|(at, _)| *at >= self.since);
        let worst = since.map(|(_, took)| *took).max();
        // Where the control has not come round at all, that is how late it is.
        worst.unwrap_or_else(|| self.took()) * HOPS
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (took, slowness) = (self.took(), self.slowness());
        write!(
            f,
            "took {took:?}, beside a control that was late by {slowness:?}"
        )
    }
}

fn run() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || answer(&listener.accept().expect("it connects").0));
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    let _ = socket.set_nodelay(true);
    loop {
        let begin = Instant::now();
        thread::sleep(EVERY);
        let mut answer = [0];
        if socket.write_all(&[1]).is_err() || socket.read_exact(&mut answer).is_err() {
            return;
        }
        let took = begin.elapsed().saturating_sub(EVERY);
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() == KEPT {
            seen.drain(..KEPT / 2);
        }
        seen.push((begin, took));
    }
}

fn answer(mut socket: &TcpStream) {
    let mut asked = [0];
    while socket.read_exact(&mut asked).is_ok() {
        let work = (0..WORK).fold(1_u64, |a, n| a.wrapping_mul(31).wrapping_add(n as u64));
        asked[0] = u8::from(std::hint::black_box(work) > 0);
        if socket.write_all(&asked).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::pace;

    #[test]
    fn a_bound_is_exceeded_unless_the_control_is_slow_too() {
        let pace = pace();
        std::thread::sleep(Duration::from_millis(300));
        assert!(pace.is_within(Duration::from_mins(1)));
        let (took, slowness) = (pace.took(), pace.slowness());
        let bound = took.saturating_sub(2 * slowness + Duration::from_millis(50));
        let is_idle = bound > Duration::ZERO;
        assert!(!is_idle || !pace.is_within(bound) || pace.slowness() > slowness);
    }
}
