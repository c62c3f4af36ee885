//! Keeps sessions alive as long as a connection of theirs is open.

use std::time::Duration;

use tokio::time::Instant;

use super::{SaveError, Session};
use crate::lifecycle::Edit;

/// The shortest time after which an open connection moves its session's expiry again.
const SHORTEST: Duration = Duration::from_secs(1);

/// Keeps a session from reaching its idle time-out while a connection is open; not its absolute one.
pub(crate) struct Presence {
    session: Session,
    moved: Instant,
}

impl Presence {
    pub(crate) fn of(session: Session) -> Self {
        Self {
            session,
            moved: Instant::now(),
        }
    }

    /// Returns the time until the expiry is to be moved next: a third of the idle time-out after it was
    /// moved.
    pub(crate) fn due_in(&self) -> Duration {
        let ttl = self
            .session
            .0
            .coordinator
            .policy
            .settings()
            .browser_session_ttl;
        let idle = self.session.lock(|held| held.cookie.value.max_age());
        let interval = (idle.unwrap_or(ttl) / 3).max(SHORTEST);
        interval.saturating_sub(self.moved.elapsed())
    }

    /// Moves the expiry of the stored session. One that ended is left alone, and unsaved changes of its
    /// handler are not stored by it.
    pub(crate) async fn renew(&mut self) {
        self.moved = Instant::now();
        let (coordinator, now) = (&self.session.0.coordinator, self.session.now());
        let stored = self
            .session
            .lock(|held| Some((held.identity.stored.clone()?, held.data.base.clone()?)));
        let Some((id, base)) = stored else { return };
        let touching = coordinator.touch(&id, &base, Box::new(Edit::touch(now)));
        if let Err(SaveError::Store(error)) = touching.await {
            tracing::debug!(%error, "an open connection could not keep its session alive");
        }
    }
}
