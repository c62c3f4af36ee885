//! Headers in, headers out: adapters for web frameworks.

#[cfg(feature = "actix")]
pub mod actix;
mod answer;
#[cfg(feature = "axum")]
mod axum;
mod cache;
#[cfg(any(feature = "axum", feature = "actix"))]
mod csrf;
mod guard;
mod handle;
mod head;
mod keep_expiry;
#[cfg(any(feature = "axum", feature = "actix", feature = "socketio"))]
mod origin;
#[cfg(any(feature = "axum", feature = "actix"))]
mod rejection;
mod reply;
#[cfg(feature = "socketio")]
pub mod socketio;
#[cfg(feature = "tower")]
mod tower;
#[cfg(feature = "ws")]
mod ws;

#[cfg(all(feature = "axum", feature = "testing"))]
pub use self::axum::{Client, ClientAnswer, TestedRouter};
#[cfg(feature = "axum")]
pub use self::axum::{CsrfFuture, CsrfService};
#[cfg(any(feature = "axum", feature = "actix"))]
pub use self::csrf::Csrf;
pub use self::guard::Guard;
pub use self::handle::{SessionHandle, Tls};
pub use self::keep_expiry::KeepExpiry;
#[cfg(any(feature = "axum", feature = "actix"))]
pub use self::rejection::{CurrentUser, LoggedIn, Named, SessionName, SessionRejection};
pub use self::reply::{Cause, Refused, Reply};
#[cfg(feature = "tower")]
pub use self::tower::{
    FinishingFuture, FinishingLayer, FinishingService, GuardFuture, GuardService,
    KeepExpiryService, SessionBody, SessionFuture, SessionLayer, SessionService,
};
#[cfg(feature = "ws")]
pub use self::ws::{LiveSocket, LiveUpgrade, UpgradeRejection};
