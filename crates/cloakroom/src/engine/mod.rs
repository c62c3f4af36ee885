//! The life cycle as decisions: values in, a plan out; no clock, no chance, no I/O.

mod close;
mod edit;
mod held;
mod late;
mod open;
#[cfg(test)]
mod tests;

pub(crate) use close::{CookieOp, Plan, StoreOp, close, cookie_expires, needs_id_rotation};
pub(crate) use edit::{ComputedChange, Edit, EditError, Merged, amend, merge, set_within_limit};
pub(crate) use held::{Arrival, Phase, Rotation, SessionState, WriteSnapshot};
pub(crate) use late::{
    Succession, is_late, is_shut_out, leaves_id, required, settle_predecessor, signs_in,
    signs_in_a_visitor, succession, user_before,
};
pub(crate) use open::{belongs, open, open_successor};
