//! Headers in, headers out: what a web framework has to do with sessions.

#[cfg(feature = "axum")]
mod axum;
mod cache;
#[cfg(feature = "axum")]
mod csrf;
mod guard;
#[cfg(any(feature = "axum", feature = "socketio"))]
mod origin;
#[cfg(feature = "socketio")]
pub mod socketio;
mod tower;
#[cfg(feature = "ws")]
mod ws;

#[cfg(feature = "axum")]
pub use self::axum::{LoggedIn, Named, SessionName, SessionRejection};
#[cfg(feature = "axum")]
pub use self::csrf::{Csrf, CsrfFuture, CsrfService};
pub use self::guard::{Guard, GuardFuture, GuardService};
pub use self::tower::{SessionFuture, SessionHandle, SessionLayer, SessionService, Tls};
#[cfg(feature = "ws")]
pub use self::ws::{LiveSocket, LiveUpgrade, UpgradeRejection};
