//! Utilities that are independent of sessions.

pub(crate) mod bounded_cache;
#[cfg(feature = "attempts")]
mod turn_lock;

#[cfg(feature = "attempts")]
pub(crate) use turn_lock::{Turn, TurnLock};
