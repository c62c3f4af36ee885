//! The cookies of a browser: storage, sending and expiry (RFC 6265bis §5.7 and §5.8).

mod context;
mod cookie;
mod jar;

pub use context::{Context, Initiator};
pub use cookie::{Cookie, Rejected, SameSite, default_path, domain_match, path_match};
pub use jar::Jar;
