//! Reads the records of a request's tickets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Manager;
use crate::cookie::{Ticket, Tickets};
use crate::id::SessionId;
use crate::lifecycle::{self, SessionState};
use crate::policy::DuplicateCookies;
use crate::session::Followed;
use crate::store::{StoreError, StoreErrorKind, StoredRecord};

/// The result of looking up a request's tickets.
pub(super) enum Opened {
    Live(Box<SessionState>),
    /// The store has nothing under their ids.
    Unknown,
    /// An id was closed within the last minute: the request is late, and anonymous.
    Closed,
    /// Two cookies name live sessions, and the policy accepts neither.
    Duplicate,
    /// There is a record that cannot be read.
    Unread(Ticket),
    /// There is a session of another realm, which this one neither opens nor ends.
    Foreign,
}

impl Manager {
    /// Looks a request's tickets up: the first that names a live session opens it.
    pub(super) async fn load(&self, tickets: &Tickets) -> Result<Opened, StoreError> {
        let first = self.look_up(&tickets.first).await?;
        let Some(second) = &tickets.second else {
            return self.or_follow(first, [&tickets.first]).await;
        };
        let second_found = Box::pin(self.look_up(second)).await?;
        match (first, second_found) {
            (Opened::Live(_), Opened::Live(_)) if self.rejects_duplicates() => {
                Ok(Opened::Duplicate)
            }
            (live @ Opened::Live(_), _) | (_, live @ Opened::Live(_)) => Ok(live),
            (unread @ Opened::Unread(_), _) | (_, unread @ Opened::Unread(_)) => Ok(unread),
            (Opened::Foreign, _) | (_, Opened::Foreign) => Ok(Opened::Foreign),
            (unknown, _) => {
                let following = self.or_follow(unknown, [&tickets.first, second]);
                Box::pin(following).await
            }
        }
    }

    /// Logs once that a request's cookies name two live sessions; returns `true` if it gets neither.
    fn rejects_duplicates(&self) -> bool {
        static SAID: AtomicBool = AtomicBool::new(false);
        if !SAID.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a request brought two valid cookies of one name whose sessions are both live: look for \
                 cookies that are set for another path or for a parent domain; only the prefix `__Host-` \
                 keeps a sibling site from setting one"
            );
        }
        self.policy().settings().duplicate_cookies == DuplicateCookies::Reject
    }

    /// Follows ids under which the store has no session.
    async fn or_follow<const N: usize>(
        &self,
        found: Opened,
        tickets: [&Ticket; N],
    ) -> Result<Opened, StoreError> {
        if !matches!(found, Opened::Unknown) {
            return Ok(found);
        }
        let mut opened = Opened::Unknown;
        for ticket in tickets {
            match self.0.follow(&ticket.id).await? {
                Followed::Unknown => {}
                Followed::Closed => opened = Opened::Closed,
                Followed::Successor(id, stored) => {
                    match self.open_successor(ticket, id, stored).await {
                        Some(held) => return Ok(Opened::Live(held)),
                        None => opened = Opened::Closed,
                    }
                }
            }
        }
        if matches!(opened, Opened::Closed) {
            tracing::debug!("a request came by an id that was closed within the last minute");
        }
        Ok(opened)
    }

    async fn open_successor(
        &self,
        ticket: &Ticket,
        id: SessionId,
        stored: StoredRecord,
    ) -> Option<Box<SessionState>> {
        let record = self.0.record(&id, stored.text).ok()?;
        if !lifecycle::belongs(self.policy(), record.metadata().map(AsRef::as_ref)) {
            return None;
        }
        let now = self.0.now();
        let held = lifecycle::open_successor(
            self.policy(),
            ticket.clone(),
            id.clone(),
            Arc::clone(&record),
            stored.expires,
            now,
        );
        if held.is_none() {
            self.0.remove_expired(&id, &record).await;
        }
        held
    }

    /// Looks up the session that a ticket names.
    async fn look_up(&self, ticket: &Ticket) -> Result<Opened, StoreError> {
        let id = &ticket.id;
        if self.0.end_unended(id).await? {
            return Ok(Opened::Closed);
        }
        let stored = match self.0.get(id).await {
            Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                warn_of_unreadable(id, &error);
                return Ok(Opened::Unread(ticket.clone()));
            }
            stored => stored?,
        };
        let Some(stored) = stored else {
            tracing::debug!(?id, "no such session");
            return Ok(Opened::Unknown);
        };
        let record = match self.0.record(id, stored.text) {
            Ok(record) => record,
            Err(error) => {
                warn_of_unreadable(id, &error);
                return Ok(Opened::Unread(ticket.clone()));
            }
        };
        if !lifecycle::belongs(self.policy(), record.metadata().map(AsRef::as_ref)) {
            tracing::debug!(?id, "a session of another realm");
            return Ok(Opened::Foreign);
        }
        let now = self.0.now();
        let held = lifecycle::open(
            self.policy(),
            ticket.clone(),
            Arc::clone(&record),
            stored.expires,
            now,
        );
        if held.is_none() {
            Box::pin(self.0.remove_expired(id, &record)).await;
        }
        Ok(held.map_or(Opened::Unknown, Opened::Live))
    }
}

fn warn_of_unreadable(id: &SessionId, error: &impl std::fmt::Display) {
    tracing::warn!(
        ?id,
        %error,
        "a stored session cannot be read; its owner gets a new one"
    );
}
