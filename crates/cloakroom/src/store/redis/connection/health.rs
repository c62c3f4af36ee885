//! Asks the server, without a write, if it takes writes.

use super::error::Idempotency;
use crate::id::SessionId;
use crate::store::StoreError;
use crate::store::redis::RedisInner;

impl RedisInner {
    /// Sends a write that a server refuses as it would refuse a session's: as a replica, without the replicas
    /// that it must have, when its memory is full. It changes nothing: it is conditional on a key (`XX`) that
    /// does not exist.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        let key = self.keys.session(&SessionId::random());
        command.arg(key).arg("").arg("PX").arg(1).arg("XX");
        self.link
            .send(&command.into(), Idempotency::Idempotent)
            .await?;
        Ok(())
    }
}
