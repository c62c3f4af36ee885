//! What a request has of its session: nothing yet, for most visitors, or all of it, under one lock.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Coordinator, Session, SessionError, SessionInner};
use crate::cookie::Ticket;
use crate::lifecycle::SessionState;
use crate::policy::RequestInfo;

pub(super) enum Lazy {
    /// Nothing was asked of a session that begins with this request; here is the valid ticket that
    /// the client showed. Most visitors' sessions never get further, and cost no more.
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

    /// A session that begins with this request.
    pub(crate) fn fresh(
        coordinator: Arc<Coordinator>,
        request: RequestInfo,
        ticket: Option<Ticket>,
    ) -> Self {
        // Functions of the application's own are not called under a lock.
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

    /// Whether it begins with this request, and nothing was asked of it.
    pub(crate) fn is_untouched(&self) -> bool {
        matches!(*self.state(), Lazy::Untouched(_))
    }

    /// Whether the client showed no valid ticket of a session of which nothing was asked.
    pub(crate) fn has_no_ticket(&self) -> bool {
        matches!(*self.state(), Lazy::Untouched(None))
    }

    /// Looks at a session, ended or not; `None` for one of which nothing was asked.
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
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a session that has not ended; `None` for one that has no data because nothing was
    /// asked of it.
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
