//! Utilities that are independent of sessions.

pub(crate) mod bounded_cache;
