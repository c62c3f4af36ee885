//! Sessions: read, written, ended, and the ids that were.

pub(super) mod bson_cache;
pub(super) mod ends;
pub(super) mod reads;
pub(super) mod retired;
pub(super) mod tombstones;
pub(super) mod transfer;
pub(super) mod writes;
