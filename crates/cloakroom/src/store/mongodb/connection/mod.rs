//! The connection to the server, its clock and its errors.

pub(super) mod concern;
pub(super) mod connect;
pub(super) mod error;
pub(super) mod time;
