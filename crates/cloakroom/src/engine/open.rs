//! What a stored record, or the lack of one, means for a request.

use std::sync::Arc;

use super::held::Held;
use crate::clock::Timestamp;
use crate::cookie::Ticket;
use crate::policy::Policy;
use crate::record::{Record, RecordError, Stored};

/// What a request's ticket opened.
pub(crate) enum Opened {
    Live(Box<Held>),
    /// The store has no such session. Its id is never adopted.
    Unknown,
    /// The session is over although the store still holds it: a writer that knows no absolute
    /// time-out kept it alive.
    Over,
    /// What is stored is no record; whoever owns it starts anew rather than being locked out.
    Unreadable(RecordError),
}

pub(crate) fn open(
    policy: &Policy,
    ticket: &Ticket,
    stored: Option<Stored>,
    now: Timestamp,
) -> Opened {
    let Some(stored) = stored else {
        return Opened::Unknown;
    };
    let record = match Record::parse(stored.text, policy.settings().record_limit) {
        Ok(record) => Arc::new(record),
        Err(error) => return Opened::Unreadable(error),
    };
    let held = Held::stored(ticket.clone(), record, stored.expires);
    match held.deadline() {
        Some(deadline) if deadline <= now => Opened::Over,
        _ => Opened::Live(Box::new(held)),
    }
}
