//! Saves that leave the session's expiry where it is.

use super::Coordinator;
use crate::id::SessionId;
use crate::lifecycle::Edit;
use crate::store::StoreError;

impl Coordinator {
    /// Reads the session's current expiry: other requests may have moved it since.
    pub(super) async fn refresh_kept_expiry(
        &self,
        id: &SessionId,
        edit: &mut Edit,
    ) -> Result<(), StoreError> {
        if let Some(stored) = self.get_uncached(id).await? {
            edit.kept_expiry = edit.kept_expiry.max(Some(stored.expires));
        }
        Ok(())
    }
}
