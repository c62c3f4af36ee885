//! The plan for a request on a store object: express-session's life cycle, as a decision on flat facts.

use napi_derive::napi;

/// Facts of a request, one bit each; `node/lib/facts.js` has the same numbers.
mod fact {
    /// `req.session` is there.
    pub(super) const SESSION: u32 = 1;
    /// `req.sessionID` is a text.
    pub(super) const ID: u32 = 1 << 1;
    /// The client did not come by the session's id.
    pub(super) const NEW: u32 = 1 << 2;
    /// The data or the id are not what the request began with.
    pub(super) const MODIFIED: u32 = 1 << 3;
    /// This request has stored the session.
    pub(super) const SAVED: u32 = 1 << 4;
    /// Something changed since.
    pub(super) const UNSAVED: u32 = 1 << 5;
    /// The cookie has an end.
    pub(super) const EXPIRES: u32 = 1 << 6;
    /// The client showed the cookie of a session that was there.
    pub(super) const SHOWN: u32 = 1 << 7;
    /// This request destroyed the session.
    pub(super) const DESTROYED: u32 = 1 << 8;
    /// The cookie may be sent: it is for any connection, or this one is secure.
    pub(super) const SENDABLE: u32 = 1 << 9;
    /// An older secret signed the client's cookie.
    pub(super) const OUTDATED: u32 = 1 << 10;
    /// The store can move a session's end without writing it.
    pub(super) const TOUCHES: u32 = 1 << 11;
}

/// Options of the middleware, in the same number.
mod option {
    pub(super) const RESAVE: u32 = 1 << 16;
    pub(super) const SAVE_UNINITIALIZED: u32 = 1 << 17;
    pub(super) const ROLLING: u32 = 1 << 18;
    /// `unset: 'destroy'`.
    pub(super) const UNSET_DESTROY: u32 = 1 << 19;
    /// The cookie goes out again wherever the store's expiry moves.
    pub(super) const SLIDING: u32 = 1 << 20;
}

/// One operation of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StoreOp {
    Nothing = 0,
    Save = 1,
    Touch = 2,
    Destroy = 3,
}

/// One decision on the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CookieOp {
    Keep = 0,
    Send = 4,
    Clear = 8,
}

/// Decides what is to be done with the store, and with the cookie: their numbers added.
#[napi(catch_unwind)]
pub fn plan(facts: u32) -> u32 {
    let (store, cookie) = decide(facts);
    store as u32 | cookie as u32
}

fn decide(facts: u32) -> (StoreOp, CookieOp) {
    let is = |bit: u32| facts & bit != 0;
    if !is(fact::SESSION) {
        return gone(is(fact::DESTROYED), is(option::UNSET_DESTROY), facts);
    }
    if !is(fact::ID) {
        return (StoreOp::Nothing, CookieOp::Keep);
    }
    let store = store_op(facts);
    let cookie = if is(fact::SENDABLE) && sends(facts, store) {
        CookieOp::Send
    } else {
        CookieOp::Keep
    };
    (store, cookie)
}

/// The handler destroyed the session, or dropped it.
fn gone(destroyed: bool, unset_destroys: bool, facts: u32) -> (StoreOp, CookieOp) {
    let clear = if facts & fact::SHOWN != 0 {
        CookieOp::Clear
    } else {
        CookieOp::Keep
    };
    match (destroyed, unset_destroys) {
        (true, _) => (StoreOp::Nothing, clear),
        (false, true) => (StoreOp::Destroy, clear),
        (false, false) => (StoreOp::Nothing, CookieOp::Keep),
    }
}

fn store_op(facts: u32) -> StoreOp {
    let is = |bit: u32| facts & bit != 0;
    let writes = if is(fact::SAVED) {
        is(fact::UNSAVED)
    } else if is(fact::NEW) {
        is(option::SAVE_UNINITIALIZED) || is(fact::MODIFIED)
    } else {
        is(option::RESAVE) || is(fact::MODIFIED)
    };
    match writes {
        true => StoreOp::Save,
        // A session that was just saved has its new expiry already.
        false if is(fact::TOUCHES) && !is(fact::NEW) && !is(fact::SAVED) => StoreOp::Touch,
        false => StoreOp::Nothing,
    }
}

fn sends(facts: u32, store: StoreOp) -> bool {
    let is = |bit: u32| facts & bit != 0;
    if is(fact::NEW) {
        return is(option::SAVE_UNINITIALIZED) || is(fact::MODIFIED) || is(fact::SAVED);
    }
    let slides = is(option::SLIDING) && (store != StoreOp::Nothing || is(fact::SAVED));
    is(option::ROLLING)
        || is(fact::OUTDATED)
        || (is(fact::EXPIRES) && (is(fact::MODIFIED) || slides))
}

#[cfg(test)]
mod tests {
    use super::fact::*;
    use super::option::*;
    use super::{CookieOp, StoreOp, decide};

    #[test]
    fn each_case_of_the_life_cycle_has_its_plan() {
        const LIVE: u32 = SESSION | ID | SENDABLE | TOUCHES;
        const FRESH: u32 = LIVE | NEW;
        #[rustfmt::skip]
        let table = [ // facts,                                      store,            cookie
            (FRESH,                                                  StoreOp::Nothing, CookieOp::Keep),
            (FRESH | SAVE_UNINITIALIZED,                             StoreOp::Save,    CookieOp::Send),
            (FRESH | ROLLING,                                        StoreOp::Nothing, CookieOp::Keep),
            (FRESH | RESAVE,                                         StoreOp::Nothing, CookieOp::Keep),
            (FRESH | MODIFIED,                                       StoreOp::Save,    CookieOp::Send),
            (FRESH | MODIFIED | SAVED,                               StoreOp::Nothing, CookieOp::Send), // written once
            (FRESH | SAVED,                                          StoreOp::Nothing, CookieOp::Send), // a client has its id
            (FRESH | MODIFIED | SAVED | UNSAVED,                     StoreOp::Save,    CookieOp::Send),
            ((FRESH | MODIFIED) & !SENDABLE,                         StoreOp::Save,    CookieOp::Keep),
            ((FRESH | MODIFIED) & !ID,                               StoreOp::Nothing, CookieOp::Keep),
            (LIVE,                                                   StoreOp::Touch,   CookieOp::Keep),
            (LIVE & !TOUCHES,                                        StoreOp::Nothing, CookieOp::Keep),
            (LIVE | RESAVE,                                          StoreOp::Save,    CookieOp::Keep),
            (LIVE | ROLLING,                                         StoreOp::Touch,   CookieOp::Send),
            (LIVE | OUTDATED,                                        StoreOp::Touch,   CookieOp::Send), // signed again
            (LIVE | MODIFIED,                                        StoreOp::Save,    CookieOp::Keep), // until the browser closes
            (LIVE | MODIFIED | EXPIRES,                              StoreOp::Save,    CookieOp::Send),
            (LIVE | MODIFIED | SAVED | EXPIRES,                      StoreOp::Nothing, CookieOp::Send),
            (LIVE | SAVED,                                           StoreOp::Nothing, CookieOp::Keep), // not touched twice
            (LIVE | EXPIRES,                                         StoreOp::Touch,   CookieOp::Keep),
            (LIVE | EXPIRES | SLIDING,                               StoreOp::Touch,   CookieOp::Send),
            (LIVE | EXPIRES | SLIDING | SAVED,                       StoreOp::Nothing, CookieOp::Send),
            (SHOWN | DESTROYED,                                      StoreOp::Nothing, CookieOp::Clear),
            (DESTROYED,                                              StoreOp::Nothing, CookieOp::Keep),
            (SHOWN,                                                  StoreOp::Nothing, CookieOp::Keep), // unset: keep
            (SHOWN | UNSET_DESTROY,                                  StoreOp::Destroy, CookieOp::Clear),
            (SHOWN | UNSET_DESTROY | DESTROYED,                      StoreOp::Nothing, CookieOp::Clear), // destroyed once
            (UNSET_DESTROY,                                          StoreOp::Destroy, CookieOp::Keep),
        ];
        for (facts, store, cookie) in table {
            assert_eq!(decide(facts), (store, cookie), "{facts:#b}");
        }
    }
}
