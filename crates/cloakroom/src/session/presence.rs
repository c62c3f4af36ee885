//! Open connections: counts them, and keeps sessions alive as long as one of theirs is open.

#[cfg(feature = "ws")]
use std::pin::pin;
use std::time::Duration;

#[cfg(feature = "ws")]
use futures_util::future::{Either, select};
use tokio::time::Instant;

use super::{SaveError, Session};
use crate::lifecycle::Edit;
#[cfg(feature = "ws")]
use crate::watch::EndReason;
use crate::watch::{SocketLimit, SocketLimits, SocketPermit};

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

impl Session {
    /// Counts one more socket that is open for this session, unless there are too many.
    pub(crate) fn open_socket(&self) -> Result<SocketPermit, SocketLimit> {
        let coordinator = &self.0.coordinator;
        let settings = coordinator.policy.settings();
        let limits = SocketLimits {
            per_session: settings.max_sockets_per_session,
            per_address: settings.max_sockets_per_address,
        };
        let admitted = coordinator
            .sockets
            .admit(self.stored_id(), self.0.request.address, limits);
        admitted.inspect_err(|full| match full {
            SocketLimit::Session => {
                tracing::debug!("a session has as many sockets as the policy allows");
            }
            SocketLimit::Address => warn_of_crowded_address(),
        })
    }
}

/// Logs once a setting that an operator may have to make.
fn warn_of_crowded_address() {
    static SAID: std::sync::Once = std::sync::Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            "an address has as many open sockets as one may have: behind a proxy set \
             `trusted_proxy`, for more raise `max_sockets_per_address`"
        );
    });
}

/// A connection that is open for a session, and that another program serves: behind a proxy. It counts among
/// the session's sockets until it is dropped.
#[cfg(feature = "ws")]
pub struct HeldSocket {
    session: Session,
    permit: SocketPermit,
}

#[cfg(feature = "ws")]
impl HeldSocket {
    /// Keeps the session from its idle time-out, and waits for the moment at which the connection has to be
    /// closed: when the session ends, with the reason, or when this server shuts down
    /// ([`Manager::close_sockets`](crate::Manager::close_sockets)), with `None`.
    pub async fn closing(self) -> Option<EndReason> {
        let (ended, mut shut_down) = (self.session.ended(), self.permit.shut_down());
        let mut presence = Presence::of(self.session.clone());
        let renewing = async {
            loop {
                tokio::time::sleep(presence.due_in()).await;
                presence.renew().await;
            }
        };
        let shutting_down = pin!(shut_down.begins());
        let closing = select(ended, shutting_down);
        match select(closing, pin!(renewing)).await {
            Either::Left((Either::Left((reason, _)), _)) => Some(reason),
            Either::Left((Either::Right(_), _)) => None,
            Either::Right((never, _)) => never,
        }
    }
}

#[cfg(feature = "ws")]
impl Session {
    /// Counts one more open connection for this session, which a proxy passes on; `None` where there are as
    /// many as the policy allows
    /// ([`max_sockets_per_session`](crate::policy::PolicyBuilder::max_sockets_per_session)).
    pub fn hold_socket(&self) -> Option<HeldSocket> {
        let permit = self.open_socket().ok()?;
        Some(HeldSocket {
            session: self.clone(),
            permit,
        })
    }
}

#[cfg(feature = "ws")]
impl std::fmt::Debug for HeldSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldSocket").finish_non_exhaustive()
    }
}
