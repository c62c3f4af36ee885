//! Tells observers what becomes of a session; nothing is done where there are none.

use super::{SaveError, Session};
use crate::lifecycle::{SessionState, user_now};
use crate::observe::{EndCause, EventSubject, SaveOutcome};
use crate::store::StoreErrorKind;

impl Session {
    /// Returns the name of this session in pages, logs and tokens, which opens nothing: the handle of its
    /// [`Device`](crate::auth::Device), which stays when the id changes; without one a keyed hash of its id.
    /// `None` for a session that is not stored.
    pub fn handle(&self) -> Option<String> {
        self.event_subject().handle
    }

    /// Returns `true` if somebody asked to be told.
    #[inline]
    pub(crate) fn is_observed(&self) -> bool {
        !self.0.coordinator.observers.is_empty()
    }

    /// Returns the session as events name it.
    pub(crate) fn event_subject(&self) -> EventSubject {
        let (coordinator, request) = (&self.0.coordinator, self.request());
        let of_state = |held: &SessionState| {
            let metadata = held.metadata.value.as_ref();
            let device = metadata.and_then(|metadata| metadata.device());
            let user = user_now(&coordinator.policy, held);
            (
                device.map(|device| device.handle),
                held.identity.stored.clone(),
                user,
            )
        };
        let (handle, id, user) = self.look(of_state).unwrap_or_default();
        // The hash takes two blocks of SHA-256: it is made only where it is the name.
        let hash = |id| {
            let key = coordinator.key(&id).into_owned();
            let hashes = coordinator.policy.keys().keyed_hashes(key.expose());
            hashes.into_iter().next().unwrap_or_default()
        };
        EventSubject {
            handle: handle.or_else(|| id.map(hash)),
            user,
            address: request.address,
            user_agent: request.user_agent.clone(),
        }
    }

    /// Returns the session as events name it, as far as an observer asks who it is.
    pub(crate) fn observed_subject(&self) -> EventSubject {
        if self.0.coordinator.observers.ask_who() {
            return self.event_subject();
        }
        EventSubject::unknown()
    }

    /// Tells of the outcome of a save, and of a login that is stored now.
    pub(super) fn tell_saved(&self, saved: Result<bool, &SaveError>) {
        let subject = self.observed_subject();
        let outcome = outcome_of(saved);
        let is_stored = matches!(outcome, SaveOutcome::Written | SaveOutcome::Merged);
        let is_login = self.lock(|held| {
            let is_new = is_stored && held.progress.is_login && !held.progress.is_login_told;
            held.progress.is_login_told |= is_new;
            is_new
        });
        self.0.coordinator.observers.tell(|observer| {
            observer.saved(&subject, outcome);
            if is_login {
                observer.signed_in(&subject);
            }
        });
    }

    /// Tells that a record was stored under a new id, by what was there before.
    pub(super) fn tell_placed(&self, place: Placement, before: &EventSubject) {
        let observers = &self.0.coordinator.observers;
        match place {
            Placement::Created => {
                let subject = self.event_subject();
                observers.tell(|observer| observer.created(&subject));
            }
            Placement::Renewed => {
                let subject = self.event_subject();
                observers.tell(|observer| observer.renewed(&subject));
            }
            Placement::Reset(cause) => {
                self.0.coordinator.tell_ended(before, cause, 1);
                let subject = self.event_subject();
                observers.tell(|observer| observer.created(&subject));
            }
        }
    }
}

/// The way in which a record came under a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// There was none before.
    Created,
    /// The session goes on.
    Renewed,
    /// Another session, without its data, takes its place, for this cause.
    Reset(EndCause),
}

/// Returns the outcome for observers; the result of a save that was stored is whether it was merged.
fn outcome_of(saved: Result<bool, &SaveError>) -> SaveOutcome {
    match saved {
        Ok(false) => SaveOutcome::Written,
        Ok(true) => SaveOutcome::Merged,
        Err(SaveError::Gone | SaveError::Closed) => SaveOutcome::Gone,
        Err(SaveError::Conflict) => SaveOutcome::Conflict,
        Err(SaveError::Store(error)) if error.kind() == StoreErrorKind::Unknown => {
            SaveOutcome::Unknown
        }
        Err(SaveError::Store(_) | SaveError::Id | SaveError::Edit(_)) => SaveOutcome::Failed,
    }
}

impl Session {
    /// Tells that what a late request changed is not stored.
    pub(crate) fn tell_refused_save(&self) {
        if self.is_observed() {
            self.tell_saved(Err(&SaveError::Closed));
        }
    }

    /// Tells that this session has ended, as it was `before`.
    pub(crate) fn tell_ended(&self, before: Option<EventSubject>, cause: EndCause) {
        if let Some(subject) = before {
            self.0.coordinator.tell_ended(&subject, cause, 1);
        }
    }

    /// Returns the session as events name it, if somebody asked to be told.
    pub(crate) fn subject_if_observed(&self) -> Option<EventSubject> {
        self.is_observed().then(|| self.event_subject())
    }
}

#[cfg(test)]
mod tests {
    use super::{SaveError, SaveOutcome, outcome_of};
    use crate::store::StoreErrorKind;

    #[test]
    fn each_end_of_a_save_has_its_outcome() {
        let store = |kind: StoreErrorKind| SaveError::Store(kind.into());
        #[rustfmt::skip]
        let table = [
            (SaveError::Gone,                      SaveOutcome::Gone),
            (SaveError::Closed,                    SaveOutcome::Gone),
            (SaveError::Conflict,                  SaveOutcome::Conflict),
            (store(StoreErrorKind::Unknown),       SaveOutcome::Unknown),
            (store(StoreErrorKind::Unavailable),   SaveOutcome::Failed),
            (SaveError::Id,                        SaveOutcome::Failed),
        ];
        for (error, outcome) in table {
            assert_eq!(outcome_of(Err(&error)), outcome, "{error:?}");
        }
        let stored = [false, true].map(|is_merged| outcome_of(Ok(is_merged)));
        assert_eq!(stored, [SaveOutcome::Written, SaveOutcome::Merged]);
    }
}
