//! Users of sessions and their rights as decisions: login, devices, guards, the redirect after a login.
//!
//! `manager::users` carries out what a store, or the application, has a part in.

mod accounts;
mod agent;
#[cfg(feature = "attempts")]
mod attempts;
mod csrf;
mod device;
mod devices;
mod guard;
mod impersonate;
mod login;
mod origin;
mod passport;
mod redirect;
mod rejection;
mod unseen;

pub use accounts::Accounts;
pub(crate) use accounts::LoadedUser;
#[cfg(feature = "inspect")]
pub(crate) use agent::in_words;
#[cfg(feature = "attempts")]
pub use attempts::{Attempt, Attempts, TooManyAttempts};
pub use csrf::{CsrfSecret, Decision, RequestSource, TokenPlace};
pub use device::Device;
pub(crate) use devices::{UserSession, excess, is_own, last_used_first};
pub use guard::{Access, Require};
pub(crate) use guard::{BoxError, ConditionFuture};
pub(crate) use login::{ROLES, name_of, user_value};
pub use origin::{Origin, OriginError};
pub use passport::Passport;
pub use redirect::safe_redirect_path;
pub use rejection::{Rejection, RequestContext};
