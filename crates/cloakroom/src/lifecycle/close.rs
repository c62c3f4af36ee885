//! Decides what to do with a session once the handler has answered.

use std::time::Duration;

use super::late::{is_late, is_shut_out};
use super::session_state::{Arrival, Phase, SessionState};
use crate::clock::Timestamp;
use crate::policy::{CookieLife, Policy, Unset};
use crate::record::CookieState;

/// One operation of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreOp {
    Nothing,
    Create,
    Update,
    Touch,
    Destroy,
    Replace,
    /// The changes belong to no session: the client's id was closed.
    Refuse,
}

/// One decision on the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieOp {
    Keep,
    Send,
    Clear,
}

/// The store operation and the cookie operation at the end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) store: StoreOp,
    pub(crate) cookie: CookieOp,
    /// Time of the decision: the stored and the sent expiry begin at one instant.
    pub(crate) now: Timestamp,
}

/// Decides what to do with a session once the handler has answered.
pub(crate) fn close(policy: &Policy, held: &SessionState, now: Timestamp) -> Plan {
    let (store, cookie) = match held.progress.phase {
        // A client that gets a success must find the change stored.
        Phase::Live if is_shut_out(policy, held) && held.is_dirty() => {
            (StoreOp::Refuse, CookieOp::Keep)
        }
        Phase::Live if is_shut_out(policy, held) => (StoreOp::Nothing, CookieOp::Keep),
        Phase::Live => {
            let store = store_op(policy, held, now);
            (store, cookie_op(policy, held, store, now))
        }
        Phase::Unset => unset(policy, held),
        Phase::Destroyed => (StoreOp::Nothing, clear(policy, held)),
        // A client that is still signed in must be able to try again.
        Phase::NotEnded | Phase::Detached => (StoreOp::Nothing, CookieOp::Keep),
    };
    Plan { store, cookie, now }
}

fn store_op(policy: &Policy, held: &SessionState, now: Timestamp) -> StoreOp {
    let settings = policy.settings();
    match &held.identity.stored {
        Some(stored) if *stored != held.identity.id => match held.identity.arrival {
            // No client would ever have the new id.
            Arrival::Predecessor if is_late(policy, held) => StoreOp::Destroy,
            _ => StoreOp::Replace,
        },
        // No client would ever have its id.
        None if is_late(policy, held) => StoreOp::Nothing,
        None if held.identity.rotation.is_some()
            || settings.save_uninitialized
            || held.is_dirty() =>
        {
            StoreOp::Create
        }
        Some(_) if held.is_dirty() => StoreOp::Update,
        // A touch does not write the attributes in every store.
        Some(_) if held.cookie.changed && (held.progress.saved || keeps_attributes(policy)) => {
            StoreOp::Update
        }
        // A touch moves no expiry back.
        Some(_)
            if held.cookie.changed && held.expires(policy, now) < held.identity.stored_expires =>
        {
            StoreOp::Update
        }
        // The save has set the new expiry already.
        Some(_) if held.progress.saved => StoreOp::Nothing,
        Some(_) if settings.resave || lacks_stamp(policy, held) || held.metadata.changed => {
            StoreOp::Update
        }
        Some(_) if is_touch_due(policy, held, now) => StoreOp::Touch,
        _ => StoreOp::Nothing,
    }
}

/// Returns `true` if attributes that a request sets are a change of their own; in Express they are none.
fn keeps_attributes(policy: &Policy) -> bool {
    policy.settings().cookie_life == CookieLife::Session
}

/// Returns `true` for a session of another writer, which has no absolute time-out yet: it starts here.
fn lacks_stamp(policy: &Policy, held: &SessionState) -> bool {
    held.metadata.value.is_none()
        && super::expiry::new_metadata(policy, held.identity.stored_expires).is_some()
}

fn cookie_op(policy: &Policy, held: &SessionState, store: StoreOp, now: Timestamp) -> CookieOp {
    let settings = policy.settings();
    if held.identity.arrival != Arrival::Current && is_late(policy, held) {
        return CookieOp::Keep;
    }
    // Its lifetime would begin again with the cookie.
    if held.keeps_expiry() && !held.is_new() {
        return CookieOp::Keep;
    }
    let send = if held.is_new() {
        settings.save_uninitialized || held.progress.saved || held.is_modified()
    } else {
        let ticket = held.identity.ticket.as_ref();
        let outdated = ticket.is_some_and(|ticket| ticket.signature.is_none());
        // Evaluated as after a touch, as in Express.
        let expires = held.cookie.value.has_expires_if_touched(now);
        let is_due = match settings.cookie_life {
            CookieLife::Express => expires && held.is_modified(),
            CookieLife::Session => held.cookie.is_set || (expires && outlives_cookie(held, store)),
        };
        settings.rolling || outdated || is_due
    };
    if send { CookieOp::Send } else { CookieOp::Keep }
}

/// Returns `true` if a write moves the session's end beyond that of the client's cookie. Where it does not,
/// no cookie is sent: a response that is delivered after that of a login must not bring the old one.
fn outlives_cookie(held: &SessionState, store: StoreOp) -> bool {
    let moves = match store {
        StoreOp::Touch | StoreOp::Update => true,
        StoreOp::Nothing => held.progress.saved,
        _ => false,
    };
    // A cookie that lives until the absolute time-out was sent when that was set.
    moves && (held.deadline().is_none() || held.found_deadline().is_none())
}

/// Returns the expiry of a session's cookie at the user agent; `None`: when the browser closes.
///
/// # Errors
///
/// If the record has a date that the header field cannot express.
pub(crate) fn cookie_expires(
    policy: &Policy,
    held: &SessionState,
) -> Result<Option<Timestamp>, ()> {
    let expires = held.cookie.value.expires_attribute()?;
    Ok(match (policy.settings().cookie_life, held.deadline()) {
        // The idle time-out is enforced by the server alone.
        (CookieLife::Session, Some(deadline)) => expires.map(|_| deadline),
        _ => expires,
    })
}

fn unset(policy: &Policy, held: &SessionState) -> (StoreOp, CookieOp) {
    // A session that `reset` replaced is over, whatever becomes of the new one.
    let given_up = held.identity.stored.is_some() && held.data.base.is_none();
    match policy.settings().unset {
        Unset::Keep if given_up => (StoreOp::Destroy, CookieOp::Keep),
        Unset::Keep => (StoreOp::Nothing, CookieOp::Keep),
        Unset::Destroy => {
            let store = match held.to_end().as_slice() {
                [] => StoreOp::Nothing,
                _ => StoreOp::Destroy,
            };
            (store, clear(policy, held))
        }
    }
}

/// Clears the cookie of a client that has one; a session that began with this request has none.
fn clear(policy: &Policy, held: &SessionState) -> CookieOp {
    let is_own = held.identity.arrival == Arrival::Current && held.client_has_ticket();
    if policy.settings().clear_cookie_on_destroy && is_own {
        CookieOp::Clear
    } else {
        CookieOp::Keep
    }
}

/// Returns `true` if enough of the session's time is used up for its expiry to be worth a write.
fn is_touch_due(policy: &Policy, held: &SessionState, now: Timestamp) -> bool {
    if held.keeps_expiry() {
        return false;
    }
    let after = touch_after(policy, &held.cookie.value);
    held.progress.touched
        || held.cookie.changed
        || held
            .expires(policy, now)
            .since(held.identity.stored_expires)
            >= after
}

fn touch_after(policy: &Policy, cookie: &CookieState) -> Duration {
    let settings = policy.settings();
    let lifetime = cookie.max_age().unwrap_or(settings.browser_session_ttl);
    // A session may have a shorter time-out than its policy.
    let after = settings.touch_after.filter(|after| *after < lifetime);
    after.unwrap_or(lifetime / 20)
}

/// Returns `true` if the session's id is older than the policy's renewal time-out.
pub(crate) fn needs_id_rotation(policy: &Policy, held: &SessionState, now: Timestamp) -> bool {
    let Some(timeout) = policy.settings().renewal_timeout else {
        return false;
    };
    let old = held
        .metadata
        .value
        .as_ref()
        .is_some_and(|metadata| now.since(metadata.renewed()) >= timeout);
    old && !held.progress.is_passive
        && held.progress.phase == Phase::Live
        && held.identity.is_stored()
        && !held.is_new()
}
