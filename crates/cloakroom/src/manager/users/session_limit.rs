//! The policy's `max_sessions`: a login is refused, or ends the user's excess sessions.

use std::time::Duration;

use super::devices::find;
use crate::auth::excess;
use crate::observe::EndCause;
use crate::policy::AtLimit;
use crate::session::{Session, SessionError};

/// Number of times that a limit is re-checked, after sessions that were to end changed their ids.
const TRIES: usize = 3;
/// Time for which a login waits for a younger one, which may still be under way, to end excess sessions.
const OVERLAP: Duration = Duration::from_millis(100);

impl Session {
    /// Checks that the policy allows the user one more session.
    pub(super) async fn check_session_limit(&self, user: &str) -> Result<(), SessionError> {
        let limit = self.policy().settings().max_sessions;
        let Some((most, AtLimit::Refuse)) = limit else {
            return Ok(());
        };
        let own = self.present_key().await?;
        let mut others = find(self.coordinator(), user).await?;
        others.retain(|found| Some(&found.key) != own.as_ref());
        if others.len() < most {
            Ok(())
        } else {
            Err(SessionError::TooManySessions)
        }
    }

    /// Stores the login, and ends the user's excess sessions.
    pub(super) async fn enforce_session_limit(&self, user: &str) -> Result<(), SessionError> {
        let Some((most, at_limit)) = self.policy().settings().max_sessions else {
            return Ok(());
        };
        self.save().await?;
        let kept = self.end_excess(user, most, at_limit).await;
        if kept.is_err() && !self.is_ended() {
            // A client whose login failed must not be signed in.
            let _ = self.destroy_for(EndCause::Limit).await;
        }
        kept
    }

    async fn end_excess(
        &self,
        user: &str,
        most: usize,
        at_limit: AtLimit,
    ) -> Result<(), SessionError> {
        for tried in 0..TRIES {
            let found = find(self.coordinator(), user).await?;
            if found.len() <= most {
                return Ok(());
            }
            let own = self.stored_key();
            let too_many = excess(found, most, at_limit, own.as_ref(), tried > 0);
            if too_many.is_empty() {
                tokio::time::sleep(OVERLAP).await;
            }
            for key in too_many {
                let ending = self.coordinator().destroy_at(&key, EndCause::Limit);
                if ending.await? && self.is_observed() {
                    let subject = self.coordinator().subject_of(&key, None).with_user(user);
                    self.coordinator().tell_ended(&subject, EndCause::Limit, 1);
                }
                if Some(&key) == self.stored_key().as_ref() {
                    self.was_destroyed();
                    return Err(SessionError::TooManySessions);
                }
            }
        }
        Ok(())
    }
}
