//! How a store tells, unasked, what happened to sessions, and the connection over which it does.

mod changes;
mod ends;
#[cfg(any(feature = "redis", feature = "postgres"))]
pub(super) mod supervised;

pub use changes::Changes;
pub use ends::{Ends, Invalidation, InvalidationSink};
