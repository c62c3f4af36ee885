//! Who a session belongs to, and what they may do: login, guards, the way back after a login.

mod csrf;
mod guard;
mod login;
mod next;
mod refusal;

pub use csrf::{Source, TokenPlace, Verdict};
pub use guard::{Access, Require};
pub use next::safe_next;
pub use refusal::{Asked, Refusal};
