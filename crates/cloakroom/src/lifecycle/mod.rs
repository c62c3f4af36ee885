//! The life cycle as decisions: values in, a plan out; no clock, no randomness, no I/O.

mod close;
mod expiry;
mod late;
mod merge;
mod open;
mod session_state;
#[cfg(test)]
mod tests;

pub(crate) use close::{CookieOp, Plan, StoreOp, close, cookie_expires, needs_id_rotation};
pub(crate) use late::{
    Succession, is_late, is_shut_out, leaves_id, required, settle_predecessor, signs_in,
    signs_in_a_visitor, succession, user_before, user_now,
};
pub(crate) use merge::{ComputedChange, Edit, EditError, Merged, amend, merge, set_within_limit};
pub(crate) use open::{belongs, open, open_successor};
pub(crate) use session_state::{Arrival, Phase, Rotation, SessionState, WriteSnapshot};
