//! What a stored record means for a request.

use std::sync::Arc;

use super::held::Held;
use crate::clock::Timestamp;
use crate::cookie::Ticket;
use crate::id::SessionId;
use crate::record::Record;

/// Opens the session that a request's ticket names; `None` where it is over although the store still
/// holds it: a writer that knows no absolute time-out kept it alive.
pub(crate) fn open(
    ticket: Ticket,
    record: Arc<Record>,
    expires: Timestamp,
    now: Timestamp,
) -> Option<Box<Held>> {
    is_live(&record, now).then(|| Box::new(Held::stored(ticket, record, expires)))
}

/// Opens the session that the ticket's id was renewed to.
pub(crate) fn open_successor(
    ticket: Ticket,
    id: SessionId,
    record: Arc<Record>,
    expires: Timestamp,
    now: Timestamp,
) -> Option<Box<Held>> {
    is_live(&record, now).then(|| Box::new(Held::successor(ticket, id, record, expires)))
}

fn is_live(record: &Record, now: Timestamp) -> bool {
    let deadline = record.stamp().and_then(|stamp| stamp.deadline());
    deadline.is_none_or(|deadline| deadline > now)
}
