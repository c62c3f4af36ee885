//! The state of a session during one request: as it was read, its changes, the client's cookie.
//!
//! Each part has its fields in a file of its own, with the value that they begin with and what becomes of
//! them when another session begins; here is what concerns several parts.

mod data;
mod identity;
mod progress;
mod snapshot;
mod tracked_cookie;
mod tracked_metadata;

use std::sync::Arc;
use std::time::Duration;

use data::TrackedData;
use identity::SessionIdentity;
pub(crate) use progress::Phase;
use progress::Progress;
pub(crate) use snapshot::WriteSnapshot;
use tracked_cookie::TrackedCookie;
use tracked_metadata::TrackedMetadata;

use super::expiry::{expiry_of, new_deadline, new_metadata};
use crate::clock::Timestamp;
use crate::cookie::Ticket;
use crate::id::SessionId;
use crate::policy::Policy;
use crate::record::{CookieState, LoginDevice, Record};

/// The id by which the client came to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The session's own id, or none that is known.
    Current,
    /// The id that it had before a renewal within the last minute.
    Predecessor,
    /// An id that was closed within the last minute: the session is anonymous.
    Closed,
}

/// The reason for which a request gives its session another id; the greatest one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rotation {
    /// The policy's renewal time-out.
    Renewal,
    /// The application asked for it.
    Regenerated,
    /// A login, or another session in the place of this one.
    Handover,
}

#[derive(Debug)]
pub(crate) struct SessionState {
    pub(crate) identity: SessionIdentity,
    pub(crate) data: TrackedData,
    pub(crate) cookie: TrackedCookie,
    pub(crate) metadata: TrackedMetadata,
    pub(crate) progress: Progress,
}

impl SessionState {
    /// Returns a session that begins now, in memory only.
    pub(crate) fn fresh(
        policy: &Policy,
        id: SessionId,
        cookie: CookieState,
        ticket: Option<Ticket>,
        now: Timestamp,
    ) -> Self {
        Self {
            identity: SessionIdentity::fresh(id, ticket, now),
            data: TrackedData::default(),
            cookie: TrackedCookie::unchanged(cookie),
            metadata: TrackedMetadata::new(new_metadata(policy, now)),
            progress: Progress::default(),
        }
    }

    pub(super) fn stored(ticket: Ticket, record: Arc<Record>, expires: Timestamp) -> Self {
        let identity = SessionIdentity::stored(ticket.id.clone(), ticket, expires);
        Self::found(identity, record)
    }

    /// Returns the session of a client that came by an id which was renewed to another.
    pub(super) fn successor(
        ticket: Ticket,
        id: SessionId,
        record: Arc<Record>,
        expires: Timestamp,
    ) -> Self {
        let identity = SessionIdentity {
            arrival: Arrival::Predecessor,
            ..SessionIdentity::stored(id, ticket, expires)
        };
        Self::found(identity, record)
    }

    fn found(identity: SessionIdentity, record: Arc<Record>) -> Self {
        Self {
            identity,
            cookie: TrackedCookie::unchanged(record.cookie().clone()),
            metadata: TrackedMetadata::of(&record),
            data: TrackedData::found(record),
            progress: Progress::default(),
        }
    }

    /// Returns the session of a client whose id was closed within the last minute: anonymous, and not stored.
    pub(crate) fn closed(mut self) -> Self {
        self.identity.arrival = Arrival::Closed;
        self.identity.superseded = None;
        self
    }

    /// Returns the session of a client whose id names a record that cannot be read. The record stays until
    /// this request ends it, or gives its session another id.
    pub(crate) fn unread(mut self) -> Self {
        self.identity.is_unread = true;
        self.identity.superseded = None;
        self
    }

    /// Returns a session for a request that has to do without the store.
    pub(crate) fn detached(mut self) -> Self {
        self.progress.phase = Phase::Detached;
        self
    }

    /// Returns `true` if the handler has neither unset nor destroyed it.
    #[inline]
    pub(crate) fn is_live(&self) -> bool {
        self.progress.is_live()
    }

    /// Returns `true` if the client did not come with this session.
    #[inline]
    pub(crate) fn is_new(&self) -> bool {
        self.identity.is_new()
    }

    /// Returns the ids of the records that end with the session: its own, and that of the client's unreadable
    /// record.
    pub(crate) fn to_end(&self) -> Vec<SessionId> {
        let identity = &self.identity;
        let is_unread = self.progress.phase == Phase::Detached || identity.is_unread;
        let unread = identity.shown().filter(|_| is_unread);
        let unread = unread.or(identity.left.as_ref());
        identity.stored.iter().chain(unread).cloned().collect()
    }

    /// Notes that the handler ends it, and returns the ids of the records that end with it.
    pub(crate) fn destroy(&mut self) -> Vec<SessionId> {
        let ids = self.to_end();
        self.progress.phase = Phase::Destroyed;
        self.identity.forget_predecessors();
        ids
    }

    /// Notes that the store has refused to end it.
    pub(crate) fn was_not_ended(&mut self) {
        if self.progress.phase == Phase::Destroyed {
            self.progress.phase = Phase::NotEnded;
        }
    }

    /// Drops it, as the policy's `unset` says; of one that the store did not return, the client's record.
    pub(crate) fn unset(&mut self) {
        if self.progress.phase == Phase::Detached {
            self.identity.left = self.identity.shown().cloned();
        }
        if self.is_live() {
            self.progress.phase = Phase::Unset;
        }
    }

    pub(crate) fn client_has_ticket(&self) -> bool {
        self.identity.ticket.is_some()
    }

    /// Returns the JSON text of a key's present value.
    #[inline]
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.data.get(key)
    }

    /// Returns `true` if there is something to write: the data differs from what was read or saved last.
    #[inline]
    pub(crate) fn is_dirty(&self) -> bool {
        self.data.is_dirty()
    }

    /// Returns `true` if the data, or the id, differs from what this request found.
    pub(crate) fn is_modified(&self) -> bool {
        self.identity.rotation.is_some() || self.data.is_modified()
    }

    /// Gives the session another id and keeps its data.
    pub(crate) fn change_id(&mut self, id: SessionId, why: Rotation, now: Timestamp) {
        let why = self.identity.rotation.max(Some(why));
        self.identity.rotate(id, why);
        self.metadata.renew(now);
    }

    /// Leaves an id that was closed while this request ran, and all data that was read under it: what this
    /// request itself set is stored under an id of its own.
    pub(crate) fn leave_closed(&mut self) {
        self.identity.leave_closed();
        self.data.base = None;
    }

    /// Takes back a change of the id: a client that does not have the session's present id must not change
    /// it.
    pub(super) fn keep_id(&mut self) {
        self.identity.keep_id();
    }

    /// Follows the session to the id that another request renewed it to.
    pub(crate) fn follow(&mut self, id: &SessionId) {
        self.identity.follow(id);
    }

    /// Returns the id under which a session ends that `reset` began in another's place, for a client that
    /// will not be given the new id.
    pub(crate) fn lost_id(&self) -> Option<SessionId> {
        let identity = &self.identity;
        let is_reset = self.data.base.is_none() && identity.rotation == Some(Rotation::Handover);
        let is_late = identity.arrival == Arrival::Predecessor && !self.progress.is_login;
        let stored = identity.stored.clone();
        stored.filter(|_| is_reset && is_late && !identity.is_stored())
    }

    /// Notes that the user has signed in now, which starts the lifetimes again; even under a policy that
    /// stores no other metadata.
    pub(crate) fn note_login(
        &mut self,
        policy: &Policy,
        now: Timestamp,
        device: Option<&LoginDevice>,
        fingerprint: Option<String>,
    ) {
        let deadline = new_deadline(policy, now);
        let metadata = self.metadata.change(policy, now);
        metadata.begin(now, deadline);
        metadata.note_login(now, device);
        metadata.note_last(fingerprint);
        self.progress.is_login = true;
        self.progress.is_login_told = false;
        self.progress.is_handed = false;
    }

    /// Notes the impersonator who acts as the user, with a proof; `None` removes the note.
    pub(crate) fn note_by(
        &mut self,
        policy: &Policy,
        now: Timestamp,
        by: Option<(String, String)>,
    ) {
        self.metadata.change(policy, now).note_by(by);
        self.progress.is_handed = true;
    }

    /// Bounds metadata that another writer may have changed.
    #[inline]
    pub(crate) fn clamp_metadata(&mut self, policy: &Policy, now: Timestamp) {
        self.metadata.clamp(policy, now);
    }

    /// Begins another session in the place of this one; the old record is deleted when the new one is stored.
    pub(crate) fn reset(
        &mut self,
        policy: &Policy,
        id: SessionId,
        cookie: CookieState,
        now: Timestamp,
    ) {
        self.identity.rotate(id, Some(Rotation::Handover));
        self.metadata = TrackedMetadata::new(new_metadata(policy, now));
        self.data.discard();
        self.cookie = TrackedCookie::unchanged(cookie);
        self.progress.restart();
    }

    /// Discards all data, that of other requests as well; attributes of the cookie that this request set
    /// stay. For the same user, so does the metadata: the session must not outlive its deadline.
    pub(crate) fn discard_data(
        &mut self,
        policy: &Policy,
        cookie: CookieState,
        is_same_user: bool,
        now: Timestamp,
    ) {
        let remembered = self.metadata.remembered();
        let remembered = remembered.filter(|_| self.progress.remembers);
        let metadata = self.metadata.value.take().filter(|_| is_same_user);
        let is_set = self.cookie.is_set;
        let own_cookie = self.cookie.changed.then(|| self.cookie.value.clone());
        let id = self.identity.id.clone();
        self.reset(policy, id, own_cookie.unwrap_or(cookie), now);
        self.cookie.is_set = is_set;
        if metadata.is_some() {
            self.metadata = TrackedMetadata::new(metadata);
        }
        if let Some(timeout) = remembered {
            self.remember(policy, timeout, now);
        }
    }

    /// Gives the session a time-out of its own, absolute and idle.
    pub(crate) fn remember(&mut self, policy: &Policy, timeout: Duration, now: Timestamp) {
        self.metadata.change(policy, now).remember(timeout);
        self.cookie.set_max_age(Some(timeout), now);
        self.progress.remembers = true;
    }

    /// Returns the session to the policy's time-outs where another request had it remembered: the user who
    /// signs in now did not ask for it.
    pub(crate) fn forget(&mut self, policy: &Policy, now: Timestamp) {
        if self.progress.remembers || self.metadata.remembered().is_none() {
            return;
        }
        self.metadata.change(policy, now).forget();
        self.cookie.set_max_age(policy.settings().idle_timeout, now);
    }

    /// Returns the expiry of the record if this request is the last.
    pub(crate) fn expires(&self, policy: &Policy, now: Timestamp) -> Timestamp {
        if self.keeps_expiry() && self.identity.is_stored() {
            let stored = self.identity.stored_expires;
            return expiry_of(policy, Some(stored), self.deadline(), now);
        }
        let expires = self.cookie.value.expires_if_touched(now);
        expiry_of(policy, expires, self.deadline(), now)
    }

    /// Returns `true` if its expiry is not moved.
    #[inline]
    pub(crate) fn keeps_expiry(&self) -> bool {
        self.progress.is_passive && !self.progress.touched && !self.cookie.changed
    }

    /// Returns the deadline that this request found.
    pub(super) fn found_deadline(&self) -> Option<Timestamp> {
        self.data.original.as_ref()?.metadata()?.deadline()
    }

    /// Returns the instant from which the session is over, however often it is touched.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.metadata.deadline()
    }
}
