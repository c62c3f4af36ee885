//! Opens sessions as [`Manager::open`] does, and tells observers of it.

use std::sync::Arc;

use super::Manager;
use super::open::Opened;
use crate::cookie::{self, CookieFault, Ticket};
use crate::observe::{EventSubject, RefusalCause};
use crate::policy::RequestInfo;
use crate::session::Session;
use crate::store::StoreError;

impl Opened {
    /// Returns the cause for which the request's cookie opened no session.
    fn refusal(&self) -> Option<RefusalCause> {
        match self {
            Self::Live(_) | Self::Unread(_) => None,
            Self::Unknown | Self::Foreign => Some(RefusalCause::Unknown),
            Self::Closed => Some(RefusalCause::Retired),
            Self::Duplicate => Some(RefusalCause::Duplicate),
        }
    }
}

impl Manager {
    pub(super) async fn open_observed(
        &self,
        cookies: &[&[u8]],
        request: RequestInfo,
    ) -> Result<Session, StoreError> {
        let client = EventSubject {
            address: request.address,
            user_agent: request.user_agent.clone(),
            ..EventSubject::unknown()
        };
        let Some(tickets) = self.tickets(cookies.iter().copied()) else {
            if let Some(cause) = self.fault_of(cookies) {
                self.tell_refused(&client, cause);
            }
            return Ok(Session::fresh(Arc::clone(&self.0), request, None));
        };
        let opened = self.load(&tickets).await;
        if let Some(cause) = opened.as_ref().ok().and_then(Opened::refusal) {
            self.tell_refused(&client, cause);
        }
        let is_live = matches!(opened, Ok(Opened::Live(_)));
        let session = self.session_of(opened, tickets, request)?;
        if is_live {
            self.tell_opened(&session);
        }
        Ok(session)
    }

    fn tell_opened(&self, session: &Session) {
        let subject = session.observed_subject();
        let is_old = session.look(|held| {
            held.identity
                .ticket
                .as_ref()
                .is_some_and(Ticket::is_outdated)
        });
        self.0.observers.tell(|observer| {
            observer.opened(&subject);
            if is_old == Some(true) {
                observer.opened_by_old_key(&subject);
            }
        });
    }

    fn tell_refused(&self, client: &EventSubject, cause: RefusalCause) {
        self.0
            .observers
            .tell(|observer| observer.refused(client, cause));
    }

    /// Returns the fault of the cookies of a request without a valid ticket; `None` if it has none of the name.
    fn fault_of(&self, cookies: &[&[u8]]) -> Option<RefusalCause> {
        let policy = self.policy().settings();
        let fault = cookie::fault_of(cookies, &policy.name, &policy.keys, &policy.id_grammar)?;
        Some(match fault {
            CookieFault::Signature => RefusalCause::Signature,
            CookieFault::Grammar => RefusalCause::Grammar,
            CookieFault::Prefix => RefusalCause::Prefix,
        })
    }

    /// Tells observers that a request of another site was refused.
    #[cfg(any(feature = "axum", feature = "actix"))]
    pub(crate) fn tell_csrf_refused(&self, session: Option<&Session>) {
        if self.0.observers.is_empty() {
            return;
        }
        let client = session.map_or_else(EventSubject::unknown, Session::event_subject);
        self.0
            .observers
            .tell(|observer| observer.csrf_refused(&client));
    }
}
