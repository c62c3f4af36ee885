//! Subscriptions to changes and ends of sessions, and the connection that they share.

mod changes;
mod ends;
#[cfg(any(feature = "redis", feature = "postgres"))]
pub(super) mod supervised;

pub use changes::Changes;
pub use ends::{Ends, Invalidation, InvalidationSink};
