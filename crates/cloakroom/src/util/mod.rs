//! Utilities that are independent of sessions.

mod backoff;
pub(crate) mod bounded_cache;
mod lock;
#[cfg(feature = "attempts")]
mod turn_lock;

pub(crate) use backoff::Backoff;
pub(crate) use lock::lock;
#[cfg(feature = "attempts")]
pub(crate) use turn_lock::{Turn, TurnLock};
