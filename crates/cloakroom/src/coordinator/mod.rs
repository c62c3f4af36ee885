//! Carries out decisions: a policy, a store and a clock, which sessions are read and written with.

mod circuit_breaker;
mod ids;
mod outage;
mod passive;
mod pending_ends;
mod record_cache;
mod save_queue;
mod successor;
mod time_limit;
mod writes;

use std::borrow::Cow;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use pending_ends::{EndWay, PendingEnd};
pub(crate) use save_queue::SaveError;
pub(crate) use successor::Followed;
use time_limit::TimeLimit;
pub(crate) use writes::Saved;

use crate::clock::{Clock, Timestamp};
use crate::cookie::Ticket;
use crate::id::SessionId;
use crate::lifecycle::SessionState;
use crate::observe::{EndCause, EventSubject, Observers};
use crate::policy::{Policy, RequestInfo};
use crate::record::{NewRecord, Record, RecordError, RecordText, StoredRecord};
use crate::store::{CasOutcome, Store, StoreError, StoreErrorKind, StoreFuture};
use crate::watch::SessionWatch;

/// The store of the sessions and the policy that governs them.
pub(crate) struct Coordinator {
    pub(crate) policy: Policy,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) observers: Observers,
    pub(crate) watch: Arc<SessionWatch>,
    #[cfg(any(feature = "ws", feature = "socketio"))]
    pub(crate) sockets: Arc<crate::watch::Sockets>,
    saves: save_queue::SaveQueue,
    breaker: circuit_breaker::CircuitBreaker,
    outage: outage::Outage,
    record_cache: record_cache::RecordCache,
    refused_ids: ids::RefusedIds,
    pending_ends: pending_ends::PendingEnds,
    /// A weak reference to itself, for tasks that must not keep it alive.
    own: Weak<Self>,
}

/// Factor by which an operation on many sessions may take longer.
const BULK_FACTOR: u32 = 10;
/// Time within which a failed read is retried once.
const RETRY_WITHIN: Duration = Duration::from_millis(100);

impl Coordinator {
    pub(crate) fn new(
        policy: Policy,
        store: Arc<dyn Store>,
        clock: Clock,
        observers: Observers,
    ) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            policy,
            watch: SessionWatch::new(Arc::clone(&store), clock.clone()),
            #[cfg(any(feature = "ws", feature = "socketio"))]
            sockets: Arc::default(),
            store,
            clock,
            observers,
            saves: save_queue::SaveQueue::default(),
            breaker: circuit_breaker::CircuitBreaker::default(),
            outage: outage::Outage::default(),
            record_cache: record_cache::RecordCache::default(),
            refused_ids: ids::RefusedIds::default(),
            pending_ends: pending_ends::PendingEnds::default(),
            own: Weak::clone(own),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns a session that begins with this request.
    pub(crate) fn fresh(&self, request: &RequestInfo, ticket: Option<Ticket>) -> SessionState {
        let (policy, now) = (&self.policy, self.now());
        let cookie = policy.new_cookie(request, now);
        SessionState::fresh(policy, policy.draw_id(request), cookie, ticket, now)
    }

    /// Returns the id under which the store keeps a session.
    pub(crate) fn key<'a>(&self, id: &'a SessionId) -> Cow<'a, SessionId> {
        if id.is_key() || !self.policy.settings().hash_ids_at_rest {
            return Cow::Borrowed(id);
        }
        Cow::Owned(id.hashed_at_rest())
    }

    /// Reads a session. A read that fails at once, as on a connection that broke unnoticed, is retried; no
    /// other operation is.
    pub(crate) async fn get(&self, id: &SessionId) -> Result<Option<StoredRecord>, StoreError> {
        let key = self.key(id);
        self.read(|| self.store.get(&key)).await
    }

    /// Reads a session past every cache.
    pub(crate) async fn get_uncached(
        &self,
        id: &SessionId,
    ) -> Result<Option<StoredRecord>, StoreError> {
        self.get_uncached_at(&self.key(id)).await
    }

    /// Reads a session past every cache, by the store's key.
    pub(crate) async fn get_uncached_at(
        &self,
        key: &SessionId,
    ) -> Result<Option<StoredRecord>, StoreError> {
        self.read(|| self.store.get_uncached(key)).await
    }

    async fn read<'a, T>(&self, ask: impl Fn() -> StoreFuture<'a, T>) -> Result<T, StoreError> {
        let mut limit = TimeLimit::of(self.policy.settings().store_timeout);
        let asked = self.within(&mut limit, ask(), StoreErrorKind::Unavailable);
        match asked.await {
            Err(error)
                if error.kind() == StoreErrorKind::Unavailable && limit.waited() < RETRY_WITHIN =>
            {
                Box::pin(self.in_time(ask(), StoreErrorKind::Unavailable)).await
            }
            outcome => outcome,
        }
    }

    /// Parses a record that the store returned, unless it is in the cache of parsed records.
    pub(crate) fn record(
        &self,
        id: &SessionId,
        text: RecordText,
    ) -> Result<Arc<Record>, RecordError> {
        if let Some(record) = self.record_cache.get(id, &text) {
            return Ok(record);
        }
        let limit = self.policy.settings().record_limit;
        let record = Arc::new(Record::parse(text, limit)?);
        self.record_cache.insert(id, &record);
        Ok(record)
    }

    /// Ends the session of a client that asked for it, whatever id it was renewed to meanwhile.
    ///
    /// If the cookie is cleared with it, the id is known as closed for a minute: a late response must not
    /// replace the cookie of the client's next session.
    ///
    /// If the store fails to end it, the end is retried until it succeeds, and told with its cause.
    /// Returns `true` if there was one.
    pub(crate) async fn end(&self, id: &SessionId, cause: EndCause) -> Result<bool, StoreError> {
        let way = EndWay::OfClient(id.clone());
        let asked = self.asks(self.key(id).into_owned(), way, cause);
        let outcome = self.end_once(id).await;
        asked.answered(outcome)
    }

    async fn end_once(&self, id: &SessionId) -> Result<bool, StoreError> {
        if self.end_at(&self.key(id)).await? {
            return Ok(true);
        }
        if let Followed::Successor(id, _) = self.follow(id).await? {
            return self.end_at(&self.key(&id)).await;
        }
        Ok(false)
    }

    /// Ends several; where one cannot be ended, the others end nevertheless. Returns `true` if there was one.
    pub(crate) async fn end_all(
        &self,
        ids: &[SessionId],
        cause: EndCause,
    ) -> Result<bool, StoreError> {
        // All are noted before the first is sent: the caller may disconnect in between.
        let asked = ids.iter().map(|id| {
            let way = EndWay::OfClient(id.clone());
            self.asks(self.key(id).into_owned(), way, cause)
        });
        let (mut outcome, mut has_ended) = (Ok(()), false);
        for (asked, id) in asked.collect::<Vec<_>>().into_iter().zip(ids) {
            let ended = asked.answered(self.end_once(id).await);
            has_ended |= *ended.as_ref().unwrap_or(&false);
            outcome = outcome.and(ended.map(drop));
        }
        outcome.map(|()| has_ended)
    }

    /// Tells observers that sessions have ended, if there are any of both.
    pub(crate) fn tell_ended(&self, subject: &EventSubject, cause: EndCause, sessions: u64) {
        if sessions > 0 {
            self.observers
                .tell(|observer| observer.ended(subject, cause, sessions));
        }
    }

    /// Returns the subject of an event on a session, by the store's key and its record if that is known.
    pub(crate) fn subject_of(&self, key: &SessionId, record: Option<&Record>) -> EventSubject {
        let device = record.and_then(|record| record.metadata()?.device());
        let hash = || self.policy.keys().keyed_hashes(key.expose()).swap_remove(0);
        let keys = &self.policy.settings().user_keys;
        let user = record.and_then(|record| keys.user_of(record.text()));
        EventSubject {
            handle: Some(device.map_or_else(hash, |device| device.handle)),
            user,
            ..EventSubject::unknown()
        }
    }

    async fn end_at(&self, key: &SessionId) -> Result<bool, StoreError> {
        if self.policy.settings().clear_cookie_on_destroy {
            self.ending(key, self.store.retire(key)).await
        } else {
            self.destroy_once(key).await
        }
    }

    /// Ends a session by the store's key; where the store fails, the end is retried until it succeeds.
    pub(crate) async fn destroy_at(
        &self,
        key: &SessionId,
        cause: EndCause,
    ) -> Result<bool, StoreError> {
        let asked = self.asks(key.clone(), EndWay::OfRecord, cause);
        let outcome = self.destroy_once(key).await;
        asked.answered(outcome)
    }

    async fn destroy_once(&self, key: &SessionId) -> Result<bool, StoreError> {
        self.ending(key, self.store.destroy(key)).await
    }

    /// Removes a session that is past its absolute time-out although another writer kept it alive. Its id is
    /// not closed: the client may begin another session at once.
    pub(crate) async fn remove_expired(&self, id: &SessionId, record: &Record) {
        let key = self.key(id);
        let entry = NewRecord {
            text: record.text().clone(),
            expires: Timestamp::from_millis(0),
            users: Vec::new(),
        };
        let removing = self.store.update(&key, record.text(), &entry);
        match self.in_time(removing, StoreErrorKind::Unknown).await {
            Ok(removed) => {
                self.watch.is_over(&key);
                if !self.observers.is_empty() {
                    let subject = self.subject_of(&key, Some(record));
                    let is_ended = removed == CasOutcome::Stored;
                    self.tell_ended(&subject, EndCause::Absolute, is_ended.into());
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a session past its absolute time-out stays in the store");
            }
        }
    }

    async fn ending(
        &self,
        key: &SessionId,
        destroying: StoreFuture<'_, bool>,
    ) -> Result<bool, StoreError> {
        let destroyed = self.in_time(destroying, StoreErrorKind::Unknown).await;
        match &destroyed {
            Ok(_) => self.watch.is_over(key),
            Err(_) => self.watch.look_at(key),
        }
        destroyed
    }

    /// Returns the ids of a user's live sessions, as the store has them.
    pub(crate) async fn list_by_user(&self, user: &str) -> Result<Vec<SessionId>, StoreError> {
        let name = self.policy.index_name(user);
        self.in_long_time(self.store.list_by_user(&name), StoreErrorKind::Unavailable)
            .await
    }

    /// Ends all sessions of a user except the one that the store has under `keep`.
    pub(crate) async fn destroy_by_user(
        &self,
        user: &str,
        keep: Option<&SessionId>,
        cause: EndCause,
    ) -> Result<u64, StoreError> {
        let name = self.policy.index_name(user);
        let ending = self.store.destroy_by_user(&name, keep);
        let ended = self.in_long_time(ending, StoreErrorKind::Unknown).await;
        self.watch.look_at_all();
        if ended.is_err() {
            self.end_those_later(&name, keep, cause).await;
        }
        ended
    }

    /// Notes the sessions that a user has now, where the store can list them, to end them later: those that
    /// begin afterwards are not affected.
    async fn end_those_later(&self, name: &str, keep: Option<&SessionId>, cause: EndCause) {
        let listing = self.store.list_by_user(name);
        let listed = self.in_time(listing, StoreErrorKind::Unavailable).await;
        let hashes_ids = self.policy.settings().hash_ids_at_rest;
        for key in listed.unwrap_or_default() {
            if Some(&key) != keep {
                // Hashed ids cannot be followed.
                let way = if hashes_ids {
                    EndWay::OfRecord
                } else {
                    EndWay::OfClient(key.clone())
                };
                let end = PendingEnd {
                    way,
                    cause,
                    may_be_done: false,
                };
                self.end_later(key, end);
            }
        }
    }

    /// Waits for an operation of the store up to the policy's `store_timeout`; not at all while the circuit
    /// breaker is open.
    pub(crate) async fn in_time<T>(
        &self,
        operation: StoreFuture<'_, T>,
        too_late: StoreErrorKind,
    ) -> Result<T, StoreError> {
        let mut limit = TimeLimit::of(self.policy.settings().store_timeout);
        self.within(&mut limit, operation, too_late).await
    }

    /// Waits longer, for an operation on all sessions of a user.
    pub(crate) async fn in_long_time<T>(
        &self,
        operation: StoreFuture<'_, T>,
        too_late: StoreErrorKind,
    ) -> Result<T, StoreError> {
        let mut limit = TimeLimit::of(self.policy.settings().store_timeout * BULK_FACTOR);
        self.within(&mut limit, operation, too_late).await
    }

    /// Waits for an operation that begins now, within a time of which earlier operations may have used a part.
    async fn within<T>(
        &self,
        limit: &mut TimeLimit,
        mut operation: StoreFuture<'_, T>,
        too_late: StoreErrorKind,
    ) -> Result<T, StoreError> {
        let Some(mut permit) = self.breaker.enter(Instant::now) else {
            self.tell_circuit();
            let reason = "the store did not answer others a moment ago";
            return Err(StoreError::new(StoreErrorKind::Unavailable, reason));
        };
        let outcome = if let Some(outcome) = at_once(&mut operation).await {
            outcome
        } else {
            let now = Instant::now();
            permit.waits(now);
            // Boxed, so that the futures of all requests are smaller.
            Box::pin(tokio::time::timeout_at(limit.end(now), operation))
                .await
                .unwrap_or_else(|elapsed| Err(StoreError::new(too_late, elapsed)))
        };
        let failure = outcome.as_ref().err().filter(|error| error.is_outage());
        match failure {
            Some(error) => self.outage.begin(error),
            None => self.outage.end(),
        }
        permit.end(failure.is_none());
        self.tell_circuit();
        outcome
    }

    /// Tells observers that the circuit breaker has opened or closed.
    fn tell_circuit(&self) {
        if self.observers.is_empty() {
            return;
        }
        if let Some(is_open) = self.breaker.news() {
            self.observers
                .tell(|observer| observer.circuit_changed(is_open));
        }
    }
}

/// Returns the result of an operation that is ready at once, as in memory: no timer need be set for it.
async fn at_once<T>(operation: &mut StoreFuture<'_, T>) -> Option<Result<T, StoreError>> {
    poll_fn(|context| match operation.as_mut().poll(context) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
