//! Headers in, headers out: what a web framework has to do with sessions.

#[cfg(feature = "axum")]
mod axum;
mod cache;
mod guard;
mod tower;

#[cfg(feature = "axum")]
pub use self::axum::{LoggedIn, Named, SessionName, SessionRejection};
pub use self::guard::{Guard, GuardFuture, GuardService};
pub use self::tower::{SessionFuture, SessionHandle, SessionLayer, SessionService, Tls};
