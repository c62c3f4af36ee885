//! Decides what a stored record means for a request.

use std::sync::Arc;

use super::session_state::SessionState;
use crate::clock::Timestamp;
use crate::cookie::Ticket;
use crate::id::SessionId;
use crate::policy::Policy;
use crate::record::{Metadata, Record};

/// Returns `true` if a record is of the layer's realm: one of another realm is unknown to it, neither opened
/// nor ended, whatever store and secret the two share.
pub(crate) fn belongs(policy: &Policy, metadata: Option<&Metadata>) -> bool {
    metadata.and_then(Metadata::realm) == policy.settings().realm.as_deref()
}

/// Opens the session that a request's ticket names; returns `None` where it is over although the store still
/// holds it: a writer without an absolute time-out kept it alive.
pub(crate) fn open(
    policy: &Policy,
    ticket: Ticket,
    record: Arc<Record>,
    expires: Timestamp,
    now: Timestamp,
) -> Option<Box<SessionState>> {
    live(policy, SessionState::stored(ticket, record, expires), now)
}

/// Opens the session that the ticket's id was renewed to.
pub(crate) fn open_successor(
    policy: &Policy,
    ticket: Ticket,
    id: SessionId,
    record: Arc<Record>,
    expires: Timestamp,
    now: Timestamp,
) -> Option<Box<SessionState>> {
    live(
        policy,
        SessionState::successor(ticket, id, record, expires),
        now,
    )
}

fn live(policy: &Policy, held: SessionState, now: Timestamp) -> Option<Box<SessionState>> {
    let mut held = Box::new(held);
    held.clamp_metadata(policy, now);
    let is_over = held.deadline().is_some_and(|deadline| deadline <= now);
    (!is_over).then_some(held)
}
