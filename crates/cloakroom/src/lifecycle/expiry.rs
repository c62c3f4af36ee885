//! The end of a session: by its cookie, by its deadline, and from its beginning.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::policy::Policy;
use crate::record::Metadata;

/// Returns the expiry of a record whose cookie ends at `expires`.
pub(super) fn expiry_of(
    policy: &Policy,
    expires: Option<Timestamp>,
    deadline: Option<Timestamp>,
    now: Timestamp,
) -> Timestamp {
    let ttl = policy.settings().browser_session_ttl;
    let by_cookie = expires.unwrap_or_else(|| now.after(ttl));
    deadline.map_or(by_cookie, |deadline| by_cookie.min(deadline))
}

/// Returns the metadata of a new session, if the policy has a use for it.
pub(super) fn new_metadata(policy: &Policy, now: Timestamp) -> Option<Arc<Metadata>> {
    let settings = policy.settings();
    let wanted = settings.absolute_timeout.is_some()
        || settings.renewal_timeout.is_some()
        || settings.realm.is_some();
    wanted.then(|| {
        let deadline = new_deadline(policy, now);
        Arc::new(Metadata::new(now, deadline, settings.realm.as_deref()))
    })
}

/// Returns the deadline of a session that begins now.
pub(super) fn new_deadline(policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    let timeout = policy.settings().absolute_timeout;
    timeout.map(|timeout| now.after(timeout))
}
