//! The application of the model: a session that names a user and holds a hat, in this process.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use cloakroom::store::Store;
use cloakroom::{Manager, ManualClock, Policy, Secure, Session, SessionError, SessionLayer};
use testbed::browser::{Browser, Jar, Wire};
use tokio::sync::Semaphore;

use super::RENEWED_AFTER;
use crate::support::keys;

/// Maximum number of requests of a sequence that wait within their handler.
pub(super) const MAX_SLOW: usize = 32;

pub(super) struct Site {
    pub(super) manager: Manager,
    pub(super) slow: Arc<Vec<Slow>>,
    router: Router,
    clock: ManualClock,
}

/// A handler that has its session, and answers when it may.
pub(super) struct Slow {
    pub(super) has_session: Semaphore,
    pub(super) may_answer: Semaphore,
}

impl Site {
    pub(super) fn open(store: Arc<dyn Store>, clock: &ManualClock, hashes_ids: bool) -> Self {
        let policy = Policy::builder(keys())
            .secure(Secure::Never)
            .renewal_timeout(RENEWED_AFTER)
            .hash_ids_at_rest(hashes_ids);
        let policy = policy.build().unwrap();
        let manager = Manager::with_clock(policy, store, clock.clone());
        let slow = (0..MAX_SLOW).map(|_| Slow {
            has_session: Semaphore::new(0),
            may_answer: Semaphore::new(0),
        });
        let slow = Arc::new(slow.collect::<Vec<_>>());
        let routes = Router::new()
            .route("/", get(look))
            .route("/put", post(put))
            .route("/put/{at}", post(put_slowly))
            .route("/login/{user}", post(login))
            .route("/logout", post(logout))
            .route("/regenerate", post(regenerate))
            .with_state(Arc::clone(&slow));
        Self {
            router: routes.layer(SessionLayer::new(manager.clone())),
            clock: clock.clone(),
            manager,
            slow,
        }
    }

    /// A browser whose answers pass through `wire`, which may spoil them.
    pub(super) fn browser(&self, spoil: impl FnOnce(Wire) -> Wire) -> Browser {
        let clock = self.clock.clone();
        let jar = Jar::by(move || SystemTime::from(clock.now()));
        let wire = spoil(Wire::service(self.router.clone()));
        Browser::new("http://shop.example", wire, jar)
    }
}

async fn look(session: Session) -> Result<String, SessionError> {
    let user = session.user();
    let hat: bool = session.get("hat")?.unwrap_or_default();
    let user = user.as_deref().unwrap_or("nobody");
    Ok(super::seen(user, hat))
}

async fn put(session: Session) -> Result<(), SessionError> {
    session.insert("hat", true)
}

async fn put_slowly(
    session: Session,
    State(slow): State<Arc<Vec<Slow>>>,
    Path(at): Path<usize>,
) -> Result<(), SessionError> {
    slow[at].has_session.add_permits(1);
    let may_answer = slow[at].may_answer.acquire().await;
    may_answer.expect("it is never closed").forget();
    put(session).await
}

async fn login(session: Session, Path(user): Path<String>) -> Result<(), SessionError> {
    session.login(user).await
}

async fn logout(session: Session) -> Result<(), SessionError> {
    session.logout().await
}

async fn regenerate(session: Session) -> Result<(), SessionError> {
    session.regenerate()
}
