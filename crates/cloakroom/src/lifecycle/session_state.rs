//! The state of a session during one request: as it was read, its changes, the client's cookie.

use std::sync::Arc;
use std::time::Duration;

use super::expiry::{expiry_of, new_deadline, new_metadata};
use crate::clock::Timestamp;
use crate::cookie::Ticket;
use crate::id::SessionId;
use crate::policy::Policy;
use crate::record::{COOKIE, CookieState, LoginDevice, METADATA_KEY, Metadata, Patch, Record};

/// The availability of the session to the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Live,
    /// The handler unset it.
    Unset,
    /// The handler destroyed it, and so has the store.
    Destroyed,
    /// The handler destroyed it, and the store refused: the session is still stored.
    NotEnded,
    /// The store failed, and the policy lets the request go on without it: nothing of this session is ever
    /// saved.
    Detached,
}

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
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each read by name"
)]
pub(crate) struct SessionState {
    pub(crate) phase: Phase,
    /// The id that the session has, or will have once it is stored.
    pub(crate) id: SessionId,
    /// The id under which it is stored; `None` where it is not.
    pub(crate) stored: Option<SessionId>,
    /// The store's expiry of that record.
    pub(crate) stored_expires: Timestamp,
    /// The record that was read or saved last, to which the patch is applied.
    pub(crate) base: Option<Arc<Record>>,
    /// The record that this request found.
    original: Option<Arc<Record>>,
    pub(crate) patch: Patch,
    pub(crate) cookie: CookieState,
    /// `true` if this request set attributes of the cookie.
    pub(crate) sets_cookie: bool,
    /// `true` while they are still to be stored.
    pub(crate) cookie_changed: bool,
    pub(crate) metadata: Option<Arc<Metadata>>,
    /// `true` if the record's metadata is still to be stored.
    pub(crate) metadata_changed: bool,
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
    /// `true` if this request proved the user's identity.
    pub(crate) is_login: bool,
    /// `true` once observers were told of it.
    pub(crate) is_login_told: bool,
    /// `true` if this request began or ended an impersonation.
    pub(crate) is_handed: bool,
    /// `true` if this request asked for "remember me".
    remembers: bool,
    /// `true` once this request has stored it.
    pub(crate) saved: bool,
    /// `true` if the handler asked for its expiry to be moved.
    pub(crate) touched: bool,
    /// `true` if this request is passive: it does not count as use of the session.
    pub(crate) is_passive: bool,
    /// Number of times that this request has begun another session.
    resets: u32,
}

/// The state that a write includes, to recognise changes that were made while it was under way.
pub(crate) struct WriteSnapshot {
    pub(crate) id: SessionId,
    resets: u32,
    patch: Patch,
    cookie: CookieState,
    sets_cookie: bool,
    metadata: Option<Arc<Metadata>>,
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
        let metadata = new_metadata(policy, now);
        let superseded = ticket.as_ref().map(|ticket| ticket.id.clone());
        Self {
            phase: Phase::Live,
            id,
            arrival: Arrival::Current,
            superseded,
            is_unread: false,
            left: None,
            rotation: None,
            is_login: false,
            is_login_told: false,
            is_handed: false,
            remembers: false,
            stored: None,
            stored_expires: now,
            base: None,
            original: None,
            patch: Patch::default(),
            cookie,
            sets_cookie: false,
            cookie_changed: false,
            metadata_changed: metadata.is_some(),
            metadata,
            ticket,
            saved: false,
            touched: false,
            is_passive: false,
            resets: 0,
        }
    }

    pub(super) fn stored(ticket: Ticket, record: Arc<Record>, expires: Timestamp) -> Self {
        Self {
            phase: Phase::Live,
            id: ticket.id.clone(),
            stored: Some(ticket.id.clone()),
            stored_expires: expires,
            cookie: record.cookie().clone(),
            original: Some(Arc::clone(&record)),
            metadata: record.metadata().cloned(),
            base: Some(record),
            patch: Patch::default(),
            sets_cookie: false,
            cookie_changed: false,
            metadata_changed: false,
            ticket: Some(ticket),
            arrival: Arrival::Current,
            superseded: None,
            is_unread: false,
            left: None,
            rotation: None,
            is_login: false,
            is_login_told: false,
            is_handed: false,
            remembers: false,
            saved: false,
            touched: false,
            is_passive: false,
            resets: 0,
        }
    }

    /// Returns the session of a client whose id was closed within the last minute: anonymous, and not stored.
    pub(crate) fn closed(mut self) -> Self {
        self.arrival = Arrival::Closed;
        self.superseded = None;
        self
    }

    /// Returns the session of a client whose id names a record that cannot be read. The record stays until
    /// this request ends it, or gives its session another id.
    pub(crate) fn unread(mut self) -> Self {
        self.is_unread = true;
        self.superseded = None;
        self
    }

    /// Returns the session of a client that came by an id which was renewed to another.
    pub(super) fn successor(
        ticket: Ticket,
        id: SessionId,
        record: Arc<Record>,
        expires: Timestamp,
    ) -> Self {
        Self {
            arrival: Arrival::Predecessor,
            id: id.clone(),
            stored: Some(id),
            ..Self::stored(ticket, record, expires)
        }
    }

    /// Returns a session for a request that has to do without the store.
    pub(crate) fn detached(mut self) -> Self {
        self.phase = Phase::Detached;
        self
    }

    /// Returns `true` if the handler has neither unset nor destroyed it.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live | Phase::Detached)
    }

    /// Returns `true` if the client did not come with this session.
    pub(crate) fn is_new(&self) -> bool {
        if self.arrival == Arrival::Predecessor {
            return self.rotation.is_some();
        }
        self.ticket
            .as_ref()
            .is_none_or(|ticket| ticket.id != self.id)
    }

    /// Returns the ids of the records that end with the session: its own, and that of the client's unreadable
    /// record.
    pub(crate) fn to_end(&self) -> Vec<SessionId> {
        let unread = self.phase == Phase::Detached || self.is_unread;
        let ticket = self.ticket.as_ref().filter(|_| unread);
        let unread = ticket.map(|ticket| &ticket.id).or(self.left.as_ref());
        self.stored.iter().chain(unread).cloned().collect()
    }

    /// Notes that the store has refused to end it.
    pub(crate) fn was_not_ended(&mut self) {
        if self.phase == Phase::Destroyed {
            self.phase = Phase::NotEnded;
        }
    }

    /// Drops it, as the policy's `unset` says; of one that the store did not return, the client's record.
    pub(crate) fn unset(&mut self) {
        if self.phase == Phase::Detached {
            self.left = self.ticket.as_ref().map(|ticket| ticket.id.clone());
        }
        if self.is_live() {
            self.phase = Phase::Unset;
        }
    }

    pub(crate) fn client_has_ticket(&self) -> bool {
        self.ticket.is_some()
    }

    /// Returns the JSON text of a key's present value.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        match self.patch.get(key) {
            Some(change) => change,
            None => self.base.as_ref()?.get(key),
        }
    }

    /// Returns the JSON text of a key's present value, if an application may have that key.
    pub(crate) fn data(&self, key: &str) -> Option<&str> {
        self.get(key)
            .filter(|_| key != COOKIE && key != METADATA_KEY)
    }

    /// Returns the record that this request found or, after a save, left.
    pub(crate) fn found(&self) -> Option<&Record> {
        self.base.as_deref().or(self.original.as_deref())
    }

    /// Returns `true` if there is something to write: the data differs from what was read or saved last.
    pub(crate) fn is_dirty(&self) -> bool {
        self.patch.changes(self.base.as_deref())
            || self
                .base
                .as_ref()
                .is_some_and(|base| base.has_reserved_keys())
    }

    /// Returns `true` if the data, or the id, differs from what this request found.
    pub(crate) fn is_modified(&self) -> bool {
        let has_reserved_keys = self
            .original
            .as_ref()
            .is_some_and(|original| original.has_reserved_keys());
        self.rotation.is_some() || has_reserved_keys || self.data_differs()
    }

    fn data_differs(&self) -> bool {
        let same_base = match (&self.base, &self.original) {
            (Some(base), Some(original)) => Arc::ptr_eq(base, original),
            (None, None) => true,
            _ => false,
        };
        if same_base {
            return self.patch.changes(self.base.as_deref());
        }
        let nothing = Patch::default();
        self.patch.data(self.base.as_deref()) != nothing.data(self.original.as_deref())
    }

    /// Gives the session another id and keeps its data.
    pub(crate) fn change_id(&mut self, id: SessionId, why: Rotation, now: Timestamp) {
        self.take_unread();
        self.id = id;
        self.rotation = self.rotation.max(Some(why));
        if let Some(metadata) = &mut self.metadata {
            Arc::make_mut(metadata).renew(now);
            self.metadata_changed = true;
        }
    }

    /// Takes the place of a record that could not be read, so that it ends when this one is stored; under
    /// another id where this session is stored already.
    fn take_unread(&mut self) {
        if !std::mem::take(&mut self.is_unread) {
            return;
        }
        let unread = self.ticket.as_ref().map(|ticket| ticket.id.clone());
        if self.stored.is_none() {
            self.stored = unread;
        } else {
            self.left = unread;
        }
    }

    /// Leaves an id that was closed while this request ran, and all data that was read under it: what this
    /// request itself set is stored under an id of its own.
    pub(crate) fn leave_closed(&mut self) {
        self.arrival = Arrival::Closed;
        self.stored = None;
        self.superseded = None;
        self.base = None;
    }

    /// Takes back a change of the id: a client that does not have the session's present id must not change
    /// it.
    pub(super) fn keep_id(&mut self) {
        if let Some(stored) = &self.stored {
            self.id = stored.clone();
            self.rotation = None;
        }
    }

    /// Returns the id under which a session ends that `reset` began in another's place, for a client that
    /// will not be given the new id.
    pub(crate) fn lost_id(&self) -> Option<SessionId> {
        let is_reset = self.base.is_none() && self.rotation == Some(Rotation::Handover);
        let is_lost = self.arrival == Arrival::Predecessor && is_reset && !self.is_login;
        self.stored
            .clone()
            .filter(|stored| is_lost && *stored != self.id)
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
        let metadata = self.metadata_mut(policy, now);
        metadata.begin(now, deadline);
        metadata.note_login(now, device);
        metadata.note_last(fingerprint);
        self.is_login = true;
        self.is_login_told = false;
        self.is_handed = false;
    }

    /// Notes the impersonator who acts as the user, with a proof; `None` removes the note.
    pub(crate) fn note_by(
        &mut self,
        policy: &Policy,
        now: Timestamp,
        by: Option<(String, String)>,
    ) {
        self.metadata_mut(policy, now).note_by(by);
        self.is_handed = true;
    }

    fn metadata_mut(&mut self, policy: &Policy, now: Timestamp) -> &mut Metadata {
        self.metadata_changed = true;
        let realm = policy.settings().realm.as_deref();
        let new = || Arc::new(Metadata::new(now, None, realm));
        Arc::make_mut(self.metadata.get_or_insert_with(new))
    }

    /// Bounds metadata that another writer may have changed.
    pub(crate) fn clamp_metadata(&mut self, policy: &Policy, now: Timestamp) {
        let clamped = self.metadata.as_ref();
        if let Some(clamped) = clamped.and_then(|metadata| metadata.clamped(policy.times(), now)) {
            self.metadata = Some(Arc::new(clamped));
            self.metadata_changed = true;
        }
    }

    /// Begins another session in the place of this one; the old record is deleted when the new one is stored.
    pub(crate) fn reset(
        &mut self,
        policy: &Policy,
        id: SessionId,
        cookie: CookieState,
        now: Timestamp,
    ) {
        self.take_unread();
        self.metadata = new_metadata(policy, now);
        self.metadata_changed = self.metadata.is_some();
        self.phase = Phase::Live;
        self.id = id;
        self.rotation = Some(Rotation::Handover);
        self.is_login = false;
        self.is_handed = false;
        self.remembers = false;
        self.base = None;
        self.patch = Patch::default();
        self.cookie = cookie;
        self.sets_cookie = false;
        self.cookie_changed = false;
        self.touched = false;
        self.resets = self.resets.wrapping_add(1);
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
        let remembered = self.remembered_now();
        let metadata = self.metadata.take().filter(|_| is_same_user);
        let sets_cookie = self.sets_cookie;
        let own_cookie = self.cookie_changed.then(|| self.cookie.clone());
        self.reset(policy, self.id.clone(), own_cookie.unwrap_or(cookie), now);
        self.sets_cookie = sets_cookie;
        if metadata.is_some() {
            self.metadata = metadata;
            self.metadata_changed = true;
        }
        if let Some(timeout) = remembered {
            self.remember(policy, timeout, now);
        }
    }

    /// Returns the time for which this request asked the session to be remembered.
    fn remembered_now(&self) -> Option<Duration> {
        let metadata = self.metadata.as_ref().filter(|_| self.remembers)?;
        metadata.remembered()
    }

    /// Gives the session a time-out of its own, absolute and idle.
    pub(crate) fn remember(&mut self, policy: &Policy, timeout: Duration, now: Timestamp) {
        self.metadata_mut(policy, now).remember(timeout);
        self.set_idle_timeout(Some(timeout), now);
        self.remembers = true;
    }

    /// Returns the session to the policy's time-outs where another request had it remembered: the user who
    /// signs in now did not ask for it.
    pub(crate) fn forget(&mut self, policy: &Policy, now: Timestamp) {
        let is_remembered = |metadata: &Arc<Metadata>| metadata.remembered().is_some();
        if self.remembers || !self.metadata.as_ref().is_some_and(is_remembered) {
            return;
        }
        self.metadata_mut(policy, now).forget();
        self.set_idle_timeout(policy.settings().idle_timeout, now);
    }

    fn set_idle_timeout(&mut self, timeout: Option<Duration>, now: Timestamp) {
        self.cookie.set_max_age(timeout, now);
        self.sets_cookie = true;
        self.cookie_changed = true;
    }

    /// Returns the state that a write which begins now includes.
    pub(crate) fn sent(&self) -> WriteSnapshot {
        WriteSnapshot {
            id: self.id.clone(),
            resets: self.resets,
            patch: self.patch.clone(),
            cookie: self.cookie.clone(),
            sets_cookie: self.cookie_changed,
            metadata: self.metadata.clone(),
        }
    }

    /// Notes that a record is stored, under this id. What was changed while the write was under way is still
    /// to be written: data, attributes, another id.
    pub(crate) fn apply_saved(
        &mut self,
        id: SessionId,
        record: Arc<Record>,
        expires: Timestamp,
        sent: &WriteSnapshot,
    ) {
        self.stored = Some(id.clone());
        self.stored_expires = expires;
        if self.resets != sent.resets {
            // Another session has begun in its place, and takes nothing of it.
            return;
        }
        if self.id == sent.id {
            self.id = id;
        }
        self.superseded = None;
        self.cookie_changed &= self.cookie != sent.cookie;
        // A record cannot hold a date that JavaScript cannot; what this request set, it keeps.
        if !self.cookie_changed && self.base.is_some() && !sent.sets_cookie {
            self.cookie = record.cookie().clone();
        }
        self.metadata_changed = self.metadata != sent.metadata;
        if !self.metadata_changed {
            self.metadata = record.metadata().cloned();
        }
        self.base = Some(record);
        self.patch.subtract(&sent.patch);
        self.saved = true;
    }

    /// Follows the session to the id that another request renewed it to.
    pub(crate) fn follow(&mut self, id: &SessionId) {
        if self.stored.as_ref() == Some(&self.id) {
            self.id = id.clone();
        }
        self.stored = Some(id.clone());
        self.arrival = Arrival::Predecessor;
    }

    /// Takes the record that another request stored meanwhile; changes of this one are discarded. Another id
    /// that it was given is still to be stored.
    pub(crate) fn apply_reload(&mut self, record: Arc<Record>, expires: Timestamp) {
        self.stored_expires = expires;
        self.cookie = record.cookie().clone();
        self.cookie_changed = false;
        self.metadata = record.metadata().cloned();
        self.metadata_changed = false;
        self.base = Some(record);
        self.patch = Patch::default();
    }

    /// Replaces the record from a cache with the stored one; changes of this request stay.
    pub(crate) fn refresh_base(&mut self, record: Arc<Record>, expires: Timestamp) {
        self.stored_expires = expires;
        if self
            .base
            .as_ref()
            .is_none_or(|base| base.text() == record.text())
        {
            return;
        }
        if !self.cookie_changed {
            self.cookie = record.cookie().clone();
        }
        if !self.metadata_changed {
            self.metadata = record.metadata().cloned();
        }
        self.base = Some(record);
    }

    /// Returns the expiry of the record if this request is the last.
    pub(crate) fn expires(&self, policy: &Policy, now: Timestamp) -> Timestamp {
        if self.keeps_expiry() && self.stored.as_ref() == Some(&self.id) {
            return expiry_of(policy, Some(self.stored_expires), self.deadline(), now);
        }
        let expires = self.cookie.expires_if_touched(now);
        expiry_of(policy, expires, self.deadline(), now)
    }

    /// Returns `true` if its expiry is not moved.
    pub(crate) fn keeps_expiry(&self) -> bool {
        self.is_passive && !self.touched && !self.cookie_changed
    }

    /// Returns the deadline that this request found.
    pub(super) fn found_deadline(&self) -> Option<Timestamp> {
        self.original.as_ref()?.metadata()?.deadline()
    }

    /// Returns the instant from which the session is over, however often it is touched.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.metadata.as_ref()?.deadline()
    }
}
