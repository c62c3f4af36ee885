//! Pieces that know nothing of sessions.

pub(crate) mod bounded_cache;
