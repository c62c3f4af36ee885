//! What a request has of its session: nothing yet, for most visitors, or all of it, under one lock.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Backend, Inner, Session, SessionError};
use crate::cookie::Ticket;
use crate::engine::Held;
use crate::policy::RequestInfo;

pub(super) enum State {
    /// Nothing was asked of a session that begins with this request; here is the valid ticket that
    /// the client showed. Most visitors' sessions never get further, and cost no more.
    Fresh(Option<Ticket>),
    Held(Box<Held>),
}

impl Session {
    pub(crate) fn new(backend: Arc<Backend>, request: RequestInfo, held: Box<Held>) -> Self {
        Self::of(backend, request, State::Held(held))
    }

    /// A session that begins with this request.
    pub(crate) fn fresh(
        backend: Arc<Backend>,
        request: RequestInfo,
        ticket: Option<Ticket>,
    ) -> Self {
        // Functions of the application's own are not called under a lock.
        if backend.policy.wants_request() {
            let held = Box::new(backend.fresh(&request, ticket));
            return Self::new(backend, request, held);
        }
        Self::of(backend, request, State::Fresh(ticket))
    }

    fn of(backend: Arc<Backend>, request: RequestInfo, state: State) -> Self {
        Self(Arc::new(Inner {
            backend,
            request,
            state: Mutex::new(state),
            head_sent: AtomicBool::new(false),
            late: AtomicBool::new(false),
        }))
    }

    /// Whether it begins with this request, and nothing was asked of it.
    pub(crate) fn is_untouched(&self) -> bool {
        matches!(*self.state(), State::Fresh(_))
    }

    pub(crate) fn lock<R>(&self, with: impl FnOnce(&mut Held) -> R) -> R {
        let mut state = self.state();
        if let State::Fresh(ticket) = &mut *state {
            let held = self.0.backend.fresh(&self.0.request, ticket.take());
            *state = State::Held(Box::new(held));
        }
        match &mut *state {
            State::Held(held) => with(held),
            State::Fresh(_) => unreachable!("it was just begun"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a session that has not ended; `None` for one that has no data because nothing was
    /// asked of it.
    pub(super) fn peek<R>(&self, with: impl FnOnce(&Held) -> R) -> Result<Option<R>, SessionError> {
        match &*self.state() {
            State::Fresh(_) => Ok(None),
            State::Held(held) if held.is_live() => Ok(Some(with(held))),
            State::Held(_) => Err(SessionError::Ended),
        }
    }

    pub(super) fn live<R>(&self, with: impl FnOnce(&mut Held) -> R) -> Result<R, SessionError> {
        self.lock(|held| {
            if held.is_live() {
                Ok(with(held))
            } else {
                Err(SessionError::Ended)
            }
        })
    }
}
