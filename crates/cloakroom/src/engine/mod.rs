//! The life cycle as decisions: values in, a plan out; no clock, no chance, no I/O.

mod close;
mod edit;
mod held;
mod open;
#[cfg(test)]
mod tests;

pub(crate) use close::{CookieOp, Plan, StoreOp, close, wants_renewal};
pub(crate) use edit::{Change, Edit, EditError, Merged, amend, merge};
pub(crate) use held::{Held, Phase, Sent};
pub(crate) use open::{belongs, open};
