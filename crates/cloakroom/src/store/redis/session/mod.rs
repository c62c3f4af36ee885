//! Sessions: read, written, replaced, and the scripts that do it.

pub(super) mod reads;
pub(super) mod replacing;
pub(super) mod replies;
pub(super) mod script_call;
pub(super) mod scripts;
mod tally;
pub(super) mod transfer;
pub(super) mod ttl;
pub(super) mod writes;
