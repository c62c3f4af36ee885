//! What the server reports while it happens: ends for open connections, changes for a cache.

pub(super) mod changes;
pub(super) mod ends;
