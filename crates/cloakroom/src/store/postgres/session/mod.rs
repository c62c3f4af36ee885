//! Sessions: read, written, pruned, and the statements that do it.

pub(super) mod params;
pub(super) mod prune;
pub(super) mod reads;
pub(super) mod retired;
pub(super) mod rows;
pub(super) mod sid;
pub(super) mod sql;
pub(super) mod time;
pub(super) mod transfer;
pub(super) mod writes;
