//! What a session is read and written with: a policy, a store and a clock, and nothing that decides.

mod saves;
mod writes;

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

pub(crate) use saves::SaveError;
pub(crate) use writes::Saved;

use crate::clock::{Clock, Timestamp};
use crate::id::SessionId;
use crate::policy::Policy;
use crate::record::Stored;
use crate::store::{Store, StoreError, StoreErrorKind, StoreFuture};

/// Where sessions lie and by which rules.
pub(crate) struct Backend {
    pub(crate) policy: Policy,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    saves: saves::Saves,
}

impl Backend {
    pub(crate) fn new(policy: Policy, store: Arc<dyn Store>, clock: Clock) -> Self {
        Self {
            policy,
            store,
            clock,
            saves: saves::Saves::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The id under which the store keeps a session.
    pub(crate) fn key<'a>(&self, id: &'a SessionId) -> Cow<'a, SessionId> {
        if !self.policy.settings().hash_ids_at_rest {
            return Cow::Borrowed(id);
        }
        let hash = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(id.expose()));
        Cow::Owned(SessionId::from_store(&hash))
    }

    pub(crate) async fn get(&self, id: &SessionId) -> Result<Option<Stored>, StoreError> {
        let key = self.key(id);
        self.in_time(self.store.get(&key), StoreErrorKind::Unavailable)
            .await
    }

    pub(crate) async fn destroy(&self, id: &SessionId) -> Result<bool, StoreError> {
        let key = self.key(id);
        self.in_time(self.store.destroy(&key), StoreErrorKind::Unknown)
            .await
    }

    /// Waits for an operation of the store as long as the policy lets it.
    pub(crate) async fn in_time<T>(
        &self,
        operation: StoreFuture<'_, T>,
        too_late: StoreErrorKind,
    ) -> Result<T, StoreError> {
        let limit = self.policy.settings().store_timeout;
        match tokio::time::timeout(limit, operation).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(StoreError::new(too_late, elapsed)),
        }
    }
}
