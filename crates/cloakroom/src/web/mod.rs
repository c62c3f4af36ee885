//! Headers in, headers out: what a web framework has to do with sessions.

#[cfg(feature = "axum")]
mod axum;
mod cache;
mod tower;

#[cfg(feature = "axum")]
pub use self::axum::{Named, SessionName, SessionRejection};
pub use self::tower::{SessionFuture, SessionHandle, SessionLayer, SessionService, Tls};
