//! The ids of a session during one request: the client's, the session's, that of its record.

use super::{Arrival, Rotation};
use crate::clock::Timestamp;
use crate::cookie::Ticket;
use crate::id::SessionId;

/// The ids that a request has to do with, and what became of each.
#[derive(Debug)]
pub(crate) struct SessionIdentity {
    /// The id that the session has, or will have once it is stored.
    pub(crate) id: SessionId,
    /// The id under which it is stored; `None` where it is not.
    pub(crate) stored: Option<SessionId>,
    /// The store's expiry of that record.
    pub(crate) stored_expires: Timestamp,
    /// The valid ticket that the client showed, whatever became of its session.
    pub(crate) ticket: Option<Ticket>,
    /// The id by which the client came to it.
    pub(crate) arrival: Arrival,
    /// The id that a record replaces which this request creates: the client's own, under which there is none.
    pub(crate) superseded: Option<SessionId>,
    /// `true` if the client's id names a record that cannot be read.
    pub(crate) is_unread: bool,
    /// The id of such a record, which is to end before this session is stored again.
    pub(crate) left: Option<SessionId>,
    /// The reason for which this request gave the session another id, if it did.
    pub(crate) rotation: Option<Rotation>,
}

impl SessionIdentity {
    /// Returns the identity of a session that is not stored, for a client that showed `ticket`.
    pub(super) fn fresh(id: SessionId, ticket: Option<Ticket>, now: Timestamp) -> Self {
        Self {
            superseded: ticket.as_ref().map(|ticket| ticket.id.clone()),
            ..Self::new(id, ticket, now)
        }
    }

    /// Returns the identity of a session that is stored under `id`.
    pub(super) fn stored(id: SessionId, ticket: Ticket, expires: Timestamp) -> Self {
        Self {
            stored: Some(id.clone()),
            ..Self::new(id, Some(ticket), expires)
        }
    }

    fn new(id: SessionId, ticket: Option<Ticket>, expires: Timestamp) -> Self {
        Self {
            id,
            stored: None,
            stored_expires: expires,
            ticket,
            arrival: Arrival::Current,
            superseded: None,
            is_unread: false,
            left: None,
            rotation: None,
        }
    }

    /// Returns `true` if the session is stored under its present id.
    #[inline]
    pub(crate) fn is_stored(&self) -> bool {
        self.stored.as_ref() == Some(&self.id)
    }

    /// Returns `true` if the client did not come with this session.
    #[inline]
    pub(super) fn is_new(&self) -> bool {
        if self.arrival == Arrival::Predecessor {
            return self.rotation.is_some();
        }
        self.ticket
            .as_ref()
            .is_none_or(|ticket| ticket.id != self.id)
    }

    /// Returns the id that the client showed.
    pub(super) fn shown(&self) -> Option<&SessionId> {
        self.ticket.as_ref().map(|ticket| &ticket.id)
    }

    /// Gives the session another id.
    pub(super) fn rotate(&mut self, id: SessionId, why: Option<Rotation>) {
        self.take_unread();
        self.id = id;
        self.rotation = why;
    }

    /// Takes the place of a record that could not be read, so that it ends when this one is stored; under
    /// another id where this session is stored already.
    fn take_unread(&mut self) {
        if !std::mem::take(&mut self.is_unread) {
            return;
        }
        let unread = self.shown().cloned();
        if self.stored.is_none() {
            self.stored = unread;
        } else {
            self.left = unread;
        }
    }

    /// Forgets the client's former records: the session that begins after this one has no predecessor.
    pub(super) fn forget_predecessors(&mut self) {
        self.superseded = None;
        self.is_unread = false;
        self.left = None;
    }

    /// Takes back a change of the id.
    pub(super) fn keep_id(&mut self) {
        if let Some(stored) = &self.stored {
            self.id = stored.clone();
            self.rotation = None;
        }
    }

    /// Leaves an id that was closed while this request ran.
    pub(super) fn leave_closed(&mut self) {
        self.arrival = Arrival::Closed;
        self.stored = None;
        self.superseded = None;
    }

    /// Follows the session to the id that another request renewed it to.
    pub(super) fn follow(&mut self, id: &SessionId) {
        if self.is_stored() {
            self.id = id.clone();
        }
        self.stored = Some(id.clone());
        self.arrival = Arrival::Predecessor;
    }
}
