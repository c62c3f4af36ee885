//! The lazily loaded state of a session: nothing yet, for most clients, or all of it, under one lock.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Coordinator, Session, SessionError, SessionInner};
use crate::cookie::Ticket;
use crate::lifecycle::SessionState;
use crate::policy::RequestInfo;
use crate::util::lock;

pub(super) enum Lazy {
    /// The handler has not accessed a session that begins with this request; the field is the client's valid
    /// ticket. Most clients' sessions stay in this state, and cost no more.
    Untouched(Option<Ticket>),
    Loaded(Box<SessionState>),
}

impl Session {
    pub(crate) fn new(
        coordinator: Arc<Coordinator>,
        request: RequestInfo,
        held: Box<SessionState>,
    ) -> Self {
        Self::of(coordinator, request, Lazy::Loaded(held))
    }

    /// Returns a session that begins with this request.
    pub(crate) fn fresh(
        coordinator: Arc<Coordinator>,
        request: RequestInfo,
        ticket: Option<Ticket>,
    ) -> Self {
        // The application's functions are not called under a lock.
        if coordinator.policy.wants_request() {
            let held = Box::new(coordinator.fresh(&request, ticket));
            return Self::new(coordinator, request, held);
        }
        Self::of(coordinator, request, Lazy::Untouched(ticket))
    }

    fn of(coordinator: Arc<Coordinator>, request: RequestInfo, state: Lazy) -> Self {
        Self(Arc::new(SessionInner {
            coordinator,
            request,
            state: Mutex::new(state),
            head_sent: AtomicBool::new(false),
            late: AtomicBool::new(false),
            memo: super::Memo::default(),
        }))
    }

    /// Returns `true` if it begins with this request, and was not accessed.
    pub(crate) fn is_untouched(&self) -> bool {
        matches!(*self.state(), Lazy::Untouched(_))
    }

    /// Returns `true` if the client showed no valid ticket, and the session was not accessed.
    pub(crate) fn has_no_ticket(&self) -> bool {
        matches!(*self.state(), Lazy::Untouched(None))
    }

    /// Reads a session, ended or not; `None` for one that was not accessed.
    pub(crate) fn look<R>(&self, with: impl FnOnce(&SessionState) -> R) -> Option<R> {
        match &*self.state() {
            Lazy::Untouched(_) => None,
            Lazy::Loaded(held) => Some(with(held)),
        }
    }

    pub(crate) fn lock<R>(&self, with: impl FnOnce(&mut SessionState) -> R) -> R {
        let mut state = self.state();
        if let Lazy::Untouched(ticket) = &mut *state {
            let held = self.0.coordinator.fresh(&self.0.request, ticket.take());
            *state = Lazy::Loaded(Box::new(held));
        }
        match &mut *state {
            Lazy::Loaded(held) => with(held),
            Lazy::Untouched(_) => unreachable!("it was just begun"),
        }
    }

    fn state(&self) -> MutexGuard<'_, Lazy> {
        lock(&self.0.state)
    }

    /// Reads a session that has not ended; `None` for one that has no data because it was not accessed.
    pub(super) fn peek<R>(
        &self,
        with: impl FnOnce(&SessionState) -> R,
    ) -> Result<Option<R>, SessionError> {
        match &*self.state() {
            Lazy::Untouched(_) => Ok(None),
            Lazy::Loaded(held) if held.is_live() => Ok(Some(with(held))),
            Lazy::Loaded(_) => Err(SessionError::Ended),
        }
    }

    pub(super) fn live<R>(
        &self,
        with: impl FnOnce(&mut SessionState) -> R,
    ) -> Result<R, SessionError> {
        self.lock(|held| {
            if held.is_live() {
                Ok(with(held))
            } else {
                Err(SessionError::Ended)
            }
        })
    }
}
