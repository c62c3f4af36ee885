//! Carries plans out against a store: the one place where decisions meet I/O.

mod change;
mod close;
mod events;
mod everybody;
mod find;
mod open;
#[cfg(feature = "inspect")]
mod operate;
mod roles;
mod secrets;
#[cfg(feature = "inspect")]
mod summary;
mod users;

use std::fmt;
use std::sync::Arc;

pub use change::Changing;
#[cfg(feature = "tower")]
pub(crate) use close::CloseStep;
pub use close::{CloseError, ResponseEffects};
#[cfg(feature = "inspect")]
pub use operate::{
    EndedSessions, FoundSession, OperatorAct, SessionFilter, SessionScan, end_sessions,
    is_as_expected,
};
#[cfg(feature = "inspect")]
pub use summary::SessionSummary;

use crate::clock::Clock;
use crate::cookie::{self, Ticket, Tickets};
#[cfg(feature = "tower")]
pub(crate) use crate::lifecycle::Plan;
use crate::observe::{Observer, Observers, TimedStore};
use crate::policy::{OnStoreError, Policy, RequestInfo};
use crate::session::{Coordinator, Session};
use crate::store::{Store, StoreError, StoreErrorKind};
use open::Opened;

/// Time for which a shutdown waits for sockets to close.
#[cfg(feature = "ws")]
const LAST_GOODBYE: std::time::Duration = std::time::Duration::from_secs(2);

/// The sessions of an application: a policy, a store, and a clock. Clones share all three.
#[derive(Clone)]
pub struct Manager(Arc<Coordinator>);

impl Manager {
    /// Creates sessions governed by `policy` and kept in `store`.
    pub fn new(policy: Policy, store: impl Store) -> Self {
        Self::with_clock(policy, Arc::new(store), Clock::System)
    }

    /// Creates sessions in a shared store, with a clock that a test may set.
    pub fn with_clock(policy: Policy, store: Arc<dyn Store>, clock: impl Into<Clock>) -> Self {
        store.set_user_keys(&policy.settings().user_keys);
        let observers = Observers::default();
        Self(Coordinator::new(policy, store, clock.into(), observers))
    }

    /// Returns the policy of these sessions.
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// Returns their store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// Adds an observer, which is told what happens to the sessions of this manager from now on, and of every
    /// operation of their store. Without one, nothing is done for it.
    ///
    /// It returns a manager of its own: call it when the manager is made, before it is cloned or used. Observers
    /// that are added later are told of the same events, in the order in which they were added.
    ///
    /// ```
    /// use cloakroom::observe::{AuditFormat, AuditObserver};
    /// # use cloakroom::{Manager, MemoryStore, Policy};
    ///
    /// # fn f(policy: Policy) -> Manager {
    /// let manager = Manager::new(policy, MemoryStore::new())
    ///     .observer(AuditObserver::new("shop", AuditFormat::Owasp));
    /// # manager }
    /// ```
    #[must_use]
    pub fn observer(self, observer: impl Observer) -> Self {
        let observer: Arc<dyn Observer> = Arc::new(observer);
        let timed = TimedStore::new(Arc::clone(&self.0.store), Arc::clone(&observer));
        Self(Coordinator::new(
            self.0.policy.clone(),
            Arc::new(timed),
            self.0.clock.clone(),
            self.0.observers.and(observer),
        ))
    }

    /// Checks that the store can be read and written now: for the readiness route of a load balancer or an
    /// orchestrator.
    ///
    /// It takes the policy's [`store_timeout`](crate::policy::PolicyBuilder::store_timeout) and two round
    /// trips at most, whatever the circuit breaker's state, and changes nothing. Use it for readiness; a
    /// process whose store is down is alive, and a restart repairs nothing.
    ///
    /// ```
    /// # use axum::extract::State;
    /// # use axum::http::StatusCode;
    /// # use cloakroom::Manager;
    /// async fn ready(State(manager): State<Manager>) -> StatusCode {
    ///     match manager.check().await {
    ///         Ok(()) => StatusCode::OK,
    ///         Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the store cannot be reached, or refuses writes.
    pub async fn check(&self) -> Result<(), StoreError> {
        let timeout = self.policy().settings().store_timeout;
        let checked = tokio::time::timeout(timeout, self.0.store.check()).await;
        checked.unwrap_or_else(|elapsed| Err(StoreError::new(StoreErrorKind::Unavailable, elapsed)))
    }

    /// Waits until no server accepts sessions that were ended before this call: for as long as cached records
    /// may be used (`store::near`), not at all without a cache.
    ///
    /// Call it after [`end_sessions_of`](Self::end_sessions_of), [`Session::end_all`] and the like, where a
    /// bound is not enough; all servers must have the same bound.
    pub async fn wait_for_caches(&self) {
        let staleness = self.0.store.staleness();
        if !staleness.is_zero() {
            tokio::time::sleep(staleness).await;
        }
    }

    /// Closes the WebSockets of this process ([`LiveUpgrade`](crate::web::LiveUpgrade)), because its server
    /// shuts down: with the code 1001, "going away", upon which clients reconnect, to another process. Those
    /// that are opened from now on are closed at once.
    ///
    /// Returns when all have closed, within two seconds. Call it with the signal that ends the server: no
    /// server waits for upgraded connections, and clients would learn of the end by a broken connection.
    ///
    /// ```no_run
    /// # async fn signal() {}
    /// # async fn f(listener: tokio::net::TcpListener, app: axum::Router, manager: cloakroom::Manager) {
    /// let ended = async move {
    ///     signal().await;
    ///     manager.close_sockets().await;
    /// };
    /// let _ = axum::serve(listener, app).with_graceful_shutdown(ended).await;
    /// # }
    /// ```
    #[cfg(feature = "ws")]
    pub async fn close_sockets(&self) {
        // A handler that keeps its socket's task is not waited for.
        let _ = tokio::time::timeout(LAST_GOODBYE, self.0.sockets.close()).await;
    }

    /// Returns their clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Returns the first valid ticket among a request's Cookie fields, if there is one. The store is not
    /// called.
    pub fn ticket<'a>(&self, cookies: impl IntoIterator<Item = &'a [u8]>) -> Option<Ticket> {
        self.tickets(cookies).map(|tickets| tickets.first)
    }

    fn tickets<'a>(&self, cookies: impl IntoIterator<Item = &'a [u8]>) -> Option<Tickets> {
        let policy = self.policy().settings();
        cookie::tickets(cookies, &policy.name, &policy.keys, &policy.id_grammar)
    }

    /// Opens the session of a request: the one that its cookie names, or a new one.
    ///
    /// One read of the store, none without a valid ticket. Where the store has no session under the id, one
    /// more read tells whether that was renewed or closed within the last minute; where two cookies of the
    /// name are valid, both are looked up.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store failed and the policy does not let such requests go on.
    pub async fn open<'a>(
        &self,
        cookies: impl IntoIterator<Item = &'a [u8]>,
        request: RequestInfo,
    ) -> Result<Session, StoreError> {
        if !self.0.observers.is_empty() {
            let cookies: Vec<&[u8]> = cookies.into_iter().collect();
            return Box::pin(self.open_observed(&cookies, request)).await;
        }
        let Some(tickets) = self.tickets(cookies) else {
            return Ok(Session::fresh(Arc::clone(&self.0), request, None));
        };
        let opened = self.load(&tickets).await;
        self.session_of(opened, tickets, request)
    }

    /// Returns the session of a request by what its tickets were found to name.
    fn session_of(
        &self,
        opened: Result<Opened, StoreError>,
        tickets: Tickets,
        request: RequestInfo,
    ) -> Result<Session, StoreError> {
        let coordinator = Arc::clone(&self.0);
        match opened {
            Ok(Opened::Live(held)) => Ok(Session::new(coordinator, request, held)),
            Ok(Opened::Unknown) => Ok(Session::fresh(coordinator, request, Some(tickets.first))),
            Ok(Opened::Foreign) => Ok(Session::fresh(coordinator, request, None)),
            Ok(Opened::Closed | Opened::Duplicate) => {
                let held = coordinator.fresh(&request, Some(tickets.first)).closed();
                Ok(Session::new(coordinator, request, Box::new(held)))
            }
            Ok(Opened::Unread(ticket)) => {
                let held = coordinator.fresh(&request, Some(ticket)).unread();
                Ok(Session::new(coordinator, request, Box::new(held)))
            }
            Err(error) => {
                self.may_go_on_without(error)?;
                let held = coordinator.fresh(&request, Some(tickets.first)).detached();
                Ok(Session::new(coordinator, request, Box::new(held)))
            }
        }
    }

    fn may_go_on_without(&self, error: StoreError) -> Result<(), StoreError> {
        match self.policy().settings().on_store_error {
            OnStoreError::Unavailable => Err(error),
            OnStoreError::Anonymous => {
                tracing::warn!(%error, "a request goes on without its session");
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("policy", self.policy())
            .finish_non_exhaustive()
    }
}
