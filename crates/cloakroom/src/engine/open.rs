//! What a stored record means for a request.

use std::sync::Arc;

use super::held::Held;
use crate::clock::Timestamp;
use crate::cookie::Ticket;
use crate::record::Record;

/// The session that a request's ticket opened; `None` where it is over although the store still
/// holds it: a writer that knows no absolute time-out kept it alive.
pub(crate) fn open(
    ticket: Ticket,
    record: Arc<Record>,
    expires: Timestamp,
    now: Timestamp,
) -> Option<Box<Held>> {
    let deadline = record.stamp().and_then(|stamp| stamp.deadline());
    if deadline.is_some_and(|deadline| deadline <= now) {
        return None;
    }
    Some(Box::new(Held::stored(ticket, record, expires)))
}
