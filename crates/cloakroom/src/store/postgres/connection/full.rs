//! A server that grants no more connections: none is requested for a while.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::util::lock;

/// Time for which no connection is requested: others may have closed theirs by then.
const EXHAUSTED_FOR: Duration = Duration::from_millis(250);

/// The time of the last refusal, if there was one.
#[derive(Debug, Default)]
pub(crate) struct PoolExhausted(Mutex<Option<Instant>>);

impl PoolExhausted {
    pub(crate) fn note(&self) {
        *lock(&self.0) = Some(Instant::now());
    }

    /// Returns `true` if that was found a moment ago.
    pub(crate) fn is_noted(&self) -> bool {
        let noted = *lock(&self.0);
        noted.is_some_and(|noted| noted.elapsed() < EXHAUSTED_FOR)
    }
}
