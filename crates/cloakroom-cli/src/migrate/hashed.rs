//! Ids that are hashed at rest: told from others by their look.

use cloakroom::SessionId;
use cloakroom::store::{AnyStore, Store as _};

use super::ends::patiently;
use super::mover::PAGE;
use super::settings::Ids;
use crate::problem::Problem;
use crate::sessions::open::failed;

/// Characters of a SHA-256 in base64url.
const HASH: usize = 43;

/// Returns `true` if an id looks like a hash of one.
pub(super) fn looks_hashed(id: &SessionId) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    id.expose().len() == HASH && id.expose().bytes().all(is_letter)
}

/// Refuses to hash what is hashed; says that ids which are must stay so.
pub(super) async fn check(source: &AnyStore, ids: Ids) -> Result<Option<&'static str>, Problem> {
    let page = patiently(|| source.scan_records(None, PAGE));
    let page = page.await.map_err(|error| failed(&error))?;
    let are_hashed =
        !page.records.is_empty() && page.records.iter().all(|(id, _)| looks_hashed(id));
    match (are_hashed, ids) {
        (true, Ids::Hash) => Err(Problem::usage(
            "the source's ids look hashed already, and no client has the hash of a hash: write --ids same",
        )),
        (true, Ids::Same) => Ok(Some(
            "the source's ids look hashed at rest: the target's application must hash ids at rest as well",
        )),
        (false, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use cloakroom::SessionId;

    use super::looks_hashed;

    #[test]
    fn a_hash_is_told_from_an_id() {
        let id = SessionId::random();
        assert!(!looks_hashed(&id));
        assert!(looks_hashed(&id.hashed_at_rest()));
        assert!(!looks_hashed(&SessionId::from_store(&"a.".repeat(21))));
    }
}
