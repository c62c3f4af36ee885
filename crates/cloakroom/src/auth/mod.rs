//! Users of sessions and their rights: login, devices, guards, the redirect after a login.

mod accounts;
mod agent;
#[cfg(feature = "attempts")]
mod attempts;
mod csrf;
mod device;
pub(crate) mod devices;
mod guard;
mod impersonate;
mod login;
mod origin;
mod passport;
mod redirect;
mod rejection;
mod unseen;

pub use accounts::Accounts;
#[cfg(feature = "inspect")]
pub(crate) use agent::in_words;
#[cfg(feature = "attempts")]
pub use attempts::{Attempt, Attempts, TooManyAttempts};
pub use csrf::{CsrfSecret, Decision, RequestSource, TokenPlace};
pub use device::Device;
pub use guard::{Access, Require};
pub(crate) use login::ROLES;
pub use origin::{Origin, OriginError};
pub use passport::Passport;
pub use redirect::safe_redirect_path;
pub use rejection::{Rejection, RequestContext};
