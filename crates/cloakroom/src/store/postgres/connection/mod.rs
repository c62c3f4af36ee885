//! The connections to the server: the URL, the pool, a pooler, statements and their errors.

pub(super) mod connect;
pub(super) mod error;
pub(super) mod full;
pub(super) mod pooler;
pub(super) mod query;
pub(super) mod url;
