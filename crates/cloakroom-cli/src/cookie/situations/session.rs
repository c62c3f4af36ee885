//! Accepted, and no session behind it.

use crate::cookie::situation::{Situation, Stage::Session};

pub(in crate::cookie) static LIVE: Situation = Situation::note(
    Session,
    "live",
    "The session is live{user}{since}, and ends {left} from now unless it is used.",
);
pub(in crate::cookie) static UNKNOWN: Situation = Situation::fault(
    Session,
    "unknown",
    "The store has no session of this id: it expired, was ended more than a minute ago, or is in another store.",
    "Compare the store's URL, its database number, prefix and table with those of the server that set the cookie; `cloakroom doctor` looks at them.",
);
pub(in crate::cookie) static CLOSED: Situation = Situation::fault(
    Session,
    "closed",
    "The session was ended within the last minute: by a logout, a login in another tab, or an operator.",
    "Sign in again.",
);
pub(in crate::cookie) static RENEWED: Situation = Situation::warning(
    Session,
    "renewed",
    "The session got another id within the last minute, and late requests with this one still reach it.",
    "Nothing is wrong: the browser has the new cookie already.",
);
pub(in crate::cookie) static OTHER_PREFIX: Situation = Situation::fault(
    Session,
    "other-prefix-in-store",
    "The session is in the store under another prefix, {found}, than the one that was looked for, {prefix}.",
    "Set the same prefix on both sides (connect-redis: `prefix`), or give it with --prefix.",
);
pub(in crate::cookie) static HASHED: Situation = Situation::fault(
    Session,
    "ids-hashed",
    "The session is in the store under the hash of its id: one server hashes ids at rest and the other does not.",
    "Set `hash_ids_at_rest` alike on all servers; where Node reads the store it stays off.",
);
pub(in crate::cookie) static UNREADABLE: Situation = Situation::fault(
    Session,
    "unreadable",
    "The session's record is there and cannot be read ({reason}), so the visitor gets a new session.",
    "Give the store the option that reads it (encryption, `stringify`), or end the session.",
);
pub(in crate::cookie) static DEADLINE_PASSED: Situation = Situation::fault(
    Session,
    "deadline-passed",
    "The session is over because its absolute time-out passed {ago} ago, although the store still holds it.",
    "Sign in again; a longer `absolute_timeout` counts from the next login.",
);
pub(in crate::cookie) static OTHER_REALM: Situation = Situation::fault(
    Session,
    "other-realm",
    "The session belongs to another layer's realm, {realm}, and this one, {own}, does not open it.",
    "Give both layers one `realm`, or each its own cookie name.",
);
pub(in crate::cookie) static RECORD_EXPIRED: Situation = Situation::warning(
    Session,
    "express-would-refuse",
    "The record's own cookie.expires has passed {ago} ago while the store keeps it: Express's memory store refuses such a session.",
    "Give both sides the same `ttl` and `maxAge`; look at the time zone of a PostgreSQL `expire` column.",
);
pub(in crate::cookie) static STORE_FAILED: Situation = Situation::fault(
    Session,
    "store-failed",
    "The store did not answer: {reason}.",
    "Look at the store first; `cloakroom doctor` names the step that fails.",
);

#[cfg(test)]
pub(in crate::cookie) static ALL: &[&Situation] = &[
    &LIVE,
    &UNKNOWN,
    &CLOSED,
    &RENEWED,
    &OTHER_PREFIX,
    &HASHED,
    &UNREADABLE,
    &DEADLINE_PASSED,
    &OTHER_REALM,
    &RECORD_EXPIRED,
    &STORE_FAILED,
];
