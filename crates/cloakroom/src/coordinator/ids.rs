//! Ids that the application generates: one that no request could ever bring back is not stored.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Coordinator, SaveError};
use crate::id::SessionId;

/// `true` once it was logged that the generator's ids cannot be used.
#[derive(Default)]
pub(super) struct RefusedIds(AtomicBool);

impl Coordinator {
    /// Refuses an id of the policy's generator that its grammar does not allow, or whose cookie browsers
    /// drop; logs that once.
    pub(super) fn check_id(&self, id: &SessionId) -> Result<(), SaveError> {
        let Some(fault) = self.policy.fault_of(id) else {
            return Ok(());
        };
        if !self.refused_ids.0.swap(true, Ordering::Relaxed) {
            tracing::error!("no session is stored: {fault}");
        }
        Err(SaveError::Id)
    }
}
