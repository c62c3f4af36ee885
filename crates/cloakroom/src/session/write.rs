//! Operations of a session that reach the store before the request is over.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::events::Placement;
use super::{SaveError, Session, SessionError, parse, read};
use crate::clock::Timestamp;
use crate::coordinator::{Followed, Saved};
use crate::id::SessionId;
use crate::lifecycle::{
    Arrival, ComputedChange, Edit, EditError, Phase, SessionState, WriteSnapshot, belongs, is_late,
    is_shut_out, required, settle_predecessor, signs_in, signs_in_a_visitor, user_before,
};
use crate::observe::{EndCause, EventSubject};
use crate::record::{Record, StoredRecord, ValueError, is_reserved, stringify};
use crate::store::{StoreError, StoreErrorKind};

/// Time for which a session is observed that may be about to be refused.
const SETTLING: Duration = Duration::from_millis(100);

/// The place where a session's record is to be written.
enum WriteTarget {
    /// A new record, in the place of the client's own id, under which there is none.
    New(Option<SessionId>),
    Same(Arc<Record>),
    Moved {
        old: SessionId,
        base: Option<Arc<Record>>,
    },
}

impl Session {
    /// Writes the session now instead of at the end of the request.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] where it ended elsewhere meanwhile, [`SessionError::Conflict`],
    /// [`SessionError::TooLarge`], [`SessionError::Ended`]; [`SessionError::HeadersSent`] for a session that
    /// the client cannot be given any more; [`SessionError::Store`] where the store failed: only
    /// with the kind `Unknown` it may have written.
    pub async fn save(&self) -> Result<(), SessionError> {
        self.live(|_| ())?;
        self.must_be_attached()?;
        self.must_be_with_client()?;
        Ok(self.write(self.now()).await?)
    }

    /// Reads the session again, past every cache; changes of this request that were not saved are
    /// discarded.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotStored`] for a session that was never saved, [`SessionError::Gone`] for
    /// one that ended meanwhile, [`SessionError::Store`], [`SessionError::Ended`].
    pub async fn reload(&self) -> Result<(), SessionError> {
        // One that `reset` has begun is not stored, although the one before it is.
        let id = self
            .live(|held| {
                held.identity
                    .stored
                    .clone()
                    .filter(|_| held.data.base.is_some())
            })?
            .ok_or(SessionError::NotStored)?;
        let stored = self.read_or_follow(&id).await?.ok_or(SessionError::Gone)?;
        let limit = self.0.coordinator.policy.settings().record_limit;
        let record = Record::parse(stored.text, limit)
            .map_err(|error| StoreError::new(StoreErrorKind::Corrupt, error))?;
        self.live(|held| {
            held.apply_reload(Arc::new(record), stored.expires);
            held.clamp_metadata(&self.0.coordinator.policy, self.now());
        })
    }

    /// Re-reads the session past every cache; returns `true` if it still exists. Changes of this request are
    /// then applied to the stored record. Without a cache the store is not queried.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed: a user whose rights are not known passes no guard.
    pub async fn confirm(&self) -> Result<bool, StoreError> {
        let coordinator = &self.0.coordinator;
        let stored = self.look(|held| held.identity.stored.clone()).flatten();
        let (Some(id), false) = (stored, coordinator.store.staleness().is_zero()) else {
            return Ok(true);
        };
        let stored = match self.read_or_follow(&id).await {
            Err(error) if error.kind() == StoreErrorKind::Corrupt => None,
            stored => stored?,
        };
        let limit = coordinator.policy.settings().record_limit;
        let read = stored.and_then(|stored| {
            let record = Record::parse(stored.text, limit).ok()?;
            Some((record, stored.expires))
        });
        // A record that cannot be read is of as little use as one that does not exist.
        let Some((record, expires)) = read else {
            return Ok(false);
        };
        if !belongs(&coordinator.policy, record.metadata().map(AsRef::as_ref)) {
            return Ok(false);
        }
        self.lock(|held| {
            held.refresh_base(Arc::new(record), expires);
            held.clamp_metadata(&coordinator.policy, coordinator.now());
        });
        Ok(true)
    }

    /// Ends the session, here and for every request that still runs with it; also one that the store failed
    /// to return to this request.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] where the store failed: report it, and the end is retried in the background
    /// until it succeeds, as long as this process lives, and by the next request that shows the cookie.
    /// Nothing of the session is saved all the same. The client keeps its cookie where the store has
    /// certainly refused, and can try again; where the outcome is
    /// [unknown](crate::store::StoreErrorKind::Unknown) it is cleared.
    pub async fn destroy(&self) -> Result<(), SessionError> {
        self.destroy_for(EndCause::Logout).await
    }

    /// Ends the session, for a cause that observers are told.
    pub(crate) async fn destroy_for(&self, cause: EndCause) -> Result<(), SessionError> {
        let before = self.subject_if_observed();
        let ids = self.live(SessionState::destroy)?;
        let ended = self.0.coordinator.end_all(&ids, cause).await;
        if ended
            .as_ref()
            .is_err_and(|error| error.kind() != StoreErrorKind::Unknown)
        {
            self.lock(SessionState::was_not_ended);
        }
        if ended? {
            self.tell_ended(before, cause);
        }
        Ok(())
    }

    /// Reads the session past every cache; where it was renewed meanwhile, under its present id.
    pub(super) async fn read_or_follow(
        &self,
        id: &SessionId,
    ) -> Result<Option<StoredRecord>, StoreError> {
        let coordinator = &self.0.coordinator;
        if let Some(stored) = coordinator.get_uncached(id).await? {
            return Ok(Some(stored));
        }
        let Followed::Successor(id, stored) = coordinator.follow(id).await? else {
            return Ok(None);
        };
        self.lock(|held| held.follow(&id));
        Ok(Some(stored))
    }

    /// Changes one key by its present value, so that no update of another request is lost, on this server or
    /// another: at once in the store, together with the other changes.
    ///
    /// `change` may be called several times, each time with the value that is stored by then; `null` is
    /// `None`.
    ///
    /// ```
    /// # use cloakroom::session::{Session, SessionError};
    /// # async fn f(session: Session) -> Result<(), SessionError> {
    /// let hits = session.update("hits", |hits: Option<u64>| hits.unwrap_or(0) + 1).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`save`](Self::save) and [`insert`](Self::insert). After an unknown outcome the update may have
    /// been made: read before it is made again.
    pub async fn update<T, F>(&self, key: &str, mut change: F) -> Result<T, SessionError>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> T + Send + 'static,
    {
        if is_reserved(key) {
            return Err(SessionError::ReservedKey(key.to_owned()));
        }
        let own_key = key.to_owned();
        let function = move |current: Option<&str>| {
            let current = current.map(|json| read(&own_key, json)).transpose();
            let next = change(current.map_err(EditError::Value)?.flatten());
            stringify(&next)
                .map(Some)
                .map_err(|error| EditError::Value(ValueError::write::<T>(&own_key, error)))
        };
        let change = ComputedChange {
            key: key.to_owned(),
            function: Box::new(function),
        };
        let value = self.apply(change).await?;
        parse(&value).map_err(|error| ValueError::read::<T>(key, error).into())
    }

    pub(super) async fn apply(&self, mut change: ComputedChange) -> Result<String, SessionError> {
        self.live(|_| ())?;
        if self.is_shut_out() {
            return Err(SessionError::Gone);
        }
        self.must_be_with_client()?;
        let (target, sent, mut edit) = self.to_send(self.now());
        match target {
            WriteTarget::New(_) | WriteTarget::Moved { base: None, .. } => {
                self.apply_in_memory(&mut change)
            }
            WriteTarget::Moved { .. } => {
                self.write(self.now()).await?;
                Box::pin(self.apply(change)).await
            }
            WriteTarget::Same(base) => {
                edit.add(change);
                let saved = self.0.coordinator.save(&sent.id, base, edit).await;
                if self.is_observed() {
                    self.tell_saved(saved.as_ref().map(|saved| saved.is_merged));
                }
                let mut saved = saved.map_err(SessionError::from)?;
                let value = saved.value.take().unwrap_or_else(|| "null".into());
                let id = self.saved_id(sent.id.clone(), &mut saved);
                self.apply_saved(id, saved, &sent);
                Ok(value)
            }
        }
    }

    /// Applies a change to a record that was never stored, which no other request can know.
    fn apply_in_memory(&self, change: &mut ComputedChange) -> Result<String, SessionError> {
        // The function is the application's, and may use the session.
        let current = self.lock(|held| held.get(&change.key).map(str::to_owned));
        let next = (change.function)(current.as_deref()).map_err(SaveError::from)?;
        match &next {
            Some(next) => self.insert_raw(&change.key, next)?,
            None => self.remove(&change.key)?,
        }
        Ok(next.unwrap_or_else(|| "null".into()))
    }

    /// Writes the record to its place.
    ///
    /// If the id was closed while this request ran, a request that itself signs a user in stores what it
    /// set under an id of its own; every other is refused.
    pub(crate) async fn write(&self, now: Timestamp) -> Result<(), SaveError> {
        let written = self.write_untold(now).await;
        if self.is_observed() {
            self.tell_saved(written.as_ref().copied());
        }
        written.map(drop)
    }

    /// Writes the record as [`write`](Self::write) does; returns `true` if it was merged with others' changes.
    async fn write_untold(&self, now: Timestamp) -> Result<bool, SaveError> {
        let coordinator = &self.0.coordinator;
        // No client would ever have its id.
        if self.lock(|held| held.identity.stored.is_none() && is_late(&coordinator.policy, held)) {
            return Err(SaveError::Gone);
        }
        self.settle_predecessor(now);
        self.end_left().await?;
        // Once it is stored, the session state does not show any more that this request signed a user in.
        self.lock(|held| held.progress.is_login |= signs_in(&coordinator.policy, held));
        if let Some(id) = self.lock(|held| held.lost_id()) {
            // No client would ever have the id that it is to get.
            let before = self.subject_if_observed();
            self.lock(|held| held.progress.phase = Phase::Destroyed);
            if coordinator.end(&id, EndCause::Renewed).await? {
                self.tell_ended(before, EndCause::Renewed);
            }
            return Err(SaveError::Gone);
        }
        match self.write_once(now).await {
            // An impersonator has proved nothing.
            Err(SaveError::Closed) if self.lock(|held| held.progress.is_handed) => {
                Err(SaveError::Closed)
            }
            Err(SaveError::Closed) if self.signs_in() => Box::pin(self.write_apart(now)).await,
            Err(SaveError::Gone) if self.signs_in_a_visitor() => {
                Box::pin(self.write_apart(now)).await
            }
            outcome => outcome,
        }
    }

    /// Stores what a request that signs in has set under an id of its own, because the one that it came by
    /// was closed while it ran.
    ///
    /// If the user was signed in under that id, either another sign-in closed it, whose session exists; or
    /// all sessions of the user were ended, which the request must not outlive.
    async fn write_apart(&self, now: Timestamp) -> Result<bool, SaveError> {
        let coordinator = &self.0.coordinator;
        let before = self.lock(|held| user_before(&coordinator.policy, held));
        self.lock(SessionState::leave_closed);
        let is_merged = self.write_once(now).await?;
        let (Some(user), Some(id)) = (before, self.stored_id()) else {
            return Ok(is_merged);
        };
        let own = coordinator.key(&id).into_owned();
        if self.has_another(&user, &own).await? {
            return Ok(is_merged);
        }
        let subject = self.subject_if_observed();
        self.lock(|held| held.progress.phase = Phase::Destroyed);
        if coordinator.destroy_at(&own, EndCause::Everywhere).await? {
            self.tell_ended(subject, EndCause::Everywhere);
        }
        Err(SaveError::Gone)
    }

    /// Returns `true` if the user has another session, which exists for a while: in some stores one that is
    /// about to be refused can be seen for a moment.
    async fn has_another(&self, user: &str, own: &SessionId) -> Result<bool, SaveError> {
        let coordinator = &self.0.coordinator;
        let mut others = coordinator.list_by_user(user).await?;
        others.retain(|key| key != own);
        if others.is_empty() {
            return Ok(false);
        }
        tokio::time::sleep(SETTLING).await;
        let still = coordinator.list_by_user(user).await?;
        Ok(others.iter().any(|key| still.contains(key)))
    }

    /// Ends the record that could not be read, where this request has stored a session of its own before it
    /// signed a user in or gave it another id.
    async fn end_left(&self) -> Result<(), StoreError> {
        let left = self.lock(|held| held.identity.left.clone());
        if let Some(left) = left {
            let cause = EndCause::Unreadable;
            let has_ended = Box::pin(self.0.coordinator.end(&left, cause)).await?;
            self.lock(|held| held.identity.left = None);
            if has_ended && self.is_observed() {
                let coordinator = &self.0.coordinator;
                let subject = coordinator.subject_of(&coordinator.key(&left), None);
                coordinator.tell_ended(&subject, cause, 1);
            }
        }
        Ok(())
    }

    /// Returns `true` if nothing of this session may be stored.
    pub(crate) fn is_shut_out(&self) -> bool {
        self.lock(|held| is_shut_out(&self.0.coordinator.policy, held))
    }

    fn signs_in_a_visitor(&self) -> bool {
        self.lock(|held| signs_in_a_visitor(&self.0.coordinator.policy, held))
    }

    fn signs_in(&self) -> bool {
        self.lock(|held| signs_in(&self.0.coordinator.policy, held))
    }

    /// Decides the final id of a session whose client came by an earlier one.
    pub(crate) fn settle_predecessor(&self, now: Timestamp) {
        if self.lock(|held| held.identity.arrival != Arrival::Predecessor) {
            return;
        }
        // The application's functions are not called under a lock.
        let (policy, id) = (&self.0.coordinator.policy, self.draw_id());
        self.lock(|held| settle_predecessor(policy, held, id, now));
    }

    async fn write_once(&self, now: Timestamp) -> Result<bool, SaveError> {
        let coordinator = &self.0.coordinator;
        let (target, sent, edit) = self.to_send(now);
        let placed = self.is_observed().then(|| self.placement(&target));
        let mut id = sent.id.clone();
        let draw = || self.draw_id();
        let mut saved = match target {
            WriteTarget::Same(base) => coordinator.save(&id, base, edit).await,
            WriteTarget::New(None) => coordinator.create(&mut id, draw, edit).await,
            WriteTarget::New(Some(old)) => {
                coordinator.replace(&old, &mut id, draw, None, edit).await
            }
            WriteTarget::Moved { old, base } => {
                coordinator.replace(&old, &mut id, draw, base, edit).await
            }
        }?;
        let (is_merged, stays) = (saved.is_merged, saved.successor.is_some());
        let id = self.saved_id(id, &mut saved);
        self.apply_saved(id, saved, &sent);
        if let Some(Some((placement, before))) = placed.filter(|_| !stays) {
            self.tell_placed(placement, &before);
        }
        Ok(is_merged)
    }

    /// Returns the way in which a write comes under a new id, and the session before it; `None` if it keeps its
    /// own.
    fn placement(&self, target: &WriteTarget) -> Option<(Placement, EventSubject)> {
        let coordinator = &self.0.coordinator;
        match target {
            WriteTarget::Same(_) => None,
            WriteTarget::New(_) => Some((Placement::Created, EventSubject::unknown())),
            WriteTarget::Moved { base: Some(_), .. } => {
                Some((Placement::Renewed, EventSubject::unknown()))
            }
            WriteTarget::Moved { old, base: None } => {
                let key = coordinator.key(old).into_owned();
                // One that could not be read is replaced because of that.
                let (before, was_read) = self.lock(|held| {
                    let record = held.data.last_record();
                    (coordinator.subject_of(&key, record), record.is_some())
                });
                let cause = if was_read {
                    EndCause::Renewed
                } else {
                    EndCause::Unreadable
                };
                Some((Placement::Reset(cause), before))
            }
        }
    }

    /// Returns the id under which a record was stored that was meant for `id`.
    fn saved_id(&self, id: SessionId, saved: &mut Saved) -> SessionId {
        let Some(successor) = saved.successor.take() else {
            return id;
        };
        self.lock(|held| {
            held.identity.arrival = Arrival::Predecessor;
            held.identity.rotation = held.identity.rotation.filter(|_| held.progress.is_login);
        });
        successor
    }

    pub(crate) async fn touch_now(&self, now: Timestamp) -> Result<(), SaveError> {
        let (WriteTarget::Same(base), sent, edit) = self.to_send(now) else {
            return Ok(());
        };
        let found = self.0.coordinator.touch(&sent.id, &base, edit).await?;
        if found { Ok(()) } else { Err(SaveError::Gone) }
    }

    /// Returns what a write that begins now writes, and where: all as of one instant.
    fn to_send(&self, now: Timestamp) -> (WriteTarget, WriteSnapshot, Box<Edit>) {
        self.lock(|held| {
            let target = match (&held.identity.stored, &held.data.base) {
                (Some(stored), base) if *stored != held.identity.id => WriteTarget::Moved {
                    old: stored.clone(),
                    base: base.clone(),
                },
                (Some(_), Some(base)) => WriteTarget::Same(Arc::clone(base)),
                _ => WriteTarget::New(held.identity.superseded.clone()),
            };
            let edit = Edit::of(held, now).requiring(required(&self.0.coordinator.policy, held));
            // Boxed, because the futures that carry it out each hold it several times.
            (target, held.sent(), Box::new(edit))
        })
    }

    fn apply_saved(&self, id: SessionId, saved: Saved, sent: &WriteSnapshot) {
        self.lock(|held| held.apply_saved(id, saved.record, saved.expires, sent));
    }
}
