//! What a stored record means for a request.

use std::sync::Arc;

use super::held::Held;
use crate::clock::Timestamp;
use crate::cookie::Ticket;
use crate::policy::Policy;
use crate::record::{Record, Stamp};

/// Whether a record is one of the layer's own: of another realm, it is unknown to it, neither opened
/// nor ended, whatever store and secret the two share.
pub(crate) fn belongs(policy: &Policy, stamp: Option<&Stamp>) -> bool {
    stamp.and_then(Stamp::realm) == policy.settings().realm.as_deref()
}

/// The session that a request's ticket opened; `None` where it is over although the store still
/// holds it: a writer that knows no absolute time-out kept it alive.
pub(crate) fn open(
    policy: &Policy,
    ticket: Ticket,
    record: Arc<Record>,
    expires: Timestamp,
    now: Timestamp,
) -> Option<Box<Held>> {
    let mut held = Box::new(Held::stored(ticket, record, expires));
    held.clamp_stamp(policy, now);
    if held.deadline().is_some_and(|deadline| deadline <= now) {
        return None;
    }
    Some(held)
}
