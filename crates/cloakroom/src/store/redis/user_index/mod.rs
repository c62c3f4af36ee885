//! The index of each user's sessions.

pub(super) mod index_cache;
pub(super) mod index_sweep;
pub(super) mod users;
