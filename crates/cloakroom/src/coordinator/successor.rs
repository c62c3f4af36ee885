//! Retired ids: ids that were renewed or closed within the last minute, and their successors.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::Coordinator;
use crate::id::SessionId;
use crate::lifecycle::Succession;
use crate::store::{RetiredId, StoreError, StoredRecord};

/// The most renewals of one session within a minute that are followed.
const MAX_RENEWALS: usize = 8;

/// The result of following an id under which there is no session.
#[derive(Debug)]
pub(crate) enum Followed {
    /// Nothing is known of it.
    Unknown,
    /// It was closed, or the session that it was renewed to has ended since.
    Closed,
    /// Its session, under its present id.
    Successor(SessionId, StoredRecord),
}

impl Coordinator {
    /// Follows an id that the store has no session under, through its renewals of the last minute.
    pub(crate) async fn follow(&self, id: &SessionId) -> Result<Followed, StoreError> {
        let mut id = id.clone();
        for renewals in 0..MAX_RENEWALS {
            let key = self.key(&id).into_owned();
            let Some(retired) = self.read(|| self.store.retired(&key)).await? else {
                // A successor that ended without a trace leaves its predecessors closed.
                return Ok(if renewals == 0 {
                    Followed::Unknown
                } else {
                    Followed::Closed
                });
            };
            let Some(next) = self.successor(&id, &retired) else {
                return Ok(Followed::Closed);
            };
            if let Some(stored) = self.get_uncached(&next).await? {
                return Ok(Followed::Successor(next, stored));
            }
            id = next;
        }
        Ok(Followed::Closed)
    }

    /// Returns the note on an id that is replaced by `new`.
    pub(super) fn retire_for(
        &self,
        succession: Succession,
        old: &SessionId,
        new: &SessionId,
    ) -> RetiredId {
        match succession {
            Succession::Closed => RetiredId::Closed,
            Succession::Renewed => RetiredId::Renewed(self.name_successor(old, new)),
        }
    }

    fn name_successor(&self, old: &SessionId, new: &SessionId) -> String {
        if !self.policy.settings().hash_ids_at_rest {
            return new.expose().to_owned();
        }
        BASE64_URL_SAFE_NO_PAD.encode(masked(old, new.expose().as_bytes()))
    }

    fn successor(&self, old: &SessionId, retired: &RetiredId) -> Option<SessionId> {
        let RetiredId::Renewed(name) = retired else {
            return None;
        };
        if !self.policy.settings().hash_ids_at_rest {
            return Some(SessionId::from_store(name));
        }
        if old.is_key() {
            // Only the holder of the client's id can unmask the next one.
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(name).ok()?;
        let id = String::from_utf8(masked(old, &bytes)).ok()?;
        Some(SessionId::from_store(&id))
    }
}

/// Masks an id with a key derived from another id, so that only the holder of that one can read it: where the
/// store keeps hashes of ids, a copy of it names no usable session. Masking twice unmasks.
fn masked(with: &SessionId, bytes: &[u8]) -> Vec<u8> {
    let blocks = bytes.chunks(32).enumerate();
    let masked = blocks.flat_map(|(index, block)| {
        let mut digest = Sha256::new_with_prefix("cloakroom: the successor of an id");
        digest.update(u64::try_from(index).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(with.expose());
        let pad = digest.finalize();
        let bytes = block.iter().zip(pad).map(|(byte, pad)| byte ^ pad);
        bytes.collect::<Vec<u8>>()
    });
    masked.collect()
}

#[cfg(test)]
mod tests {
    use super::masked;
    use crate::id::SessionId;

    #[test]
    fn only_the_old_id_unmasks_the_new_one() {
        let (old, other) = (SessionId::random(), SessionId::random());
        for length in [0, 1, 31, 32, 33, 100] {
            let new: Vec<u8> = (0..length).collect();
            let hidden = masked(&old, &new);
            assert_eq!(hidden.len(), new.len());
            assert_eq!(masked(&old, &hidden), new);
            if length > 0 {
                assert_ne!(hidden, new);
                assert_ne!(masked(&other, &hidden), new);
            }
        }
    }
}
