use super::close::{CookieOp, StoreOp, close};
use super::{Rotation, SessionState, open};
use crate::clock::Timestamp;
use crate::cookie;
use crate::id::{IdGrammar, SessionId};
use crate::policy::tests::keys;
use crate::policy::{Policy, PolicyBuilder, RequestInfo};
use crate::record::Record;

const NOW: Timestamp = Timestamp::from_millis(1_767_323_045_678);

/// A session that is stored, with 30 of its 60 seconds left.
fn stored(policy: &Policy) -> SessionState {
    let text = r#"{"cookie":{"originalMaxAge":60000,"expires":"2026-01-02T03:04:35.678Z","httpOnly":true,"path":"/"},"a":1}"#;
    let record = Record::parse(text.into(), policy.settings().record_limit).unwrap();
    let expires = Timestamp::from_millis(NOW.as_millis() + 30_000);
    let settings = policy.settings();
    let (name, keys) = (&settings.name, &settings.keys);
    let field = format!("{}=s:{}", name.as_str(), cookie::sign("stored", keys));
    let ticket = cookie::find([field.as_bytes()], name, keys, &IdGrammar::any()).unwrap();
    *open(policy, ticket, record.into(), expires, NOW).expect("a live session")
}

fn fresh(policy: &Policy) -> SessionState {
    let cookie = policy.new_cookie(&RequestInfo::default(), NOW);
    SessionState::fresh(policy, SessionId::from_store("fresh"), cookie, None, NOW)
}

/// W1: a request that names a user by a key of its own signs that user in; one that changes other keys does not.
#[test]
fn w1_a_user_is_signed_in_by_whichever_key_names_another_one_than_before() {
    type Changes<'a> = &'a [(&'a str, Option<&'a str>)];
    let policy = Policy::express(keys()).build().unwrap();
    #[rustfmt::skip]
    let table: [(Changes<'_>, bool); 8] = [
        (&[],                                                       false),
        (&[("a", Some("2"))],                                       false),
        (&[("userId", Some("\"ada\""))],                            true),
        (&[("a", Some("2")), ("userId", Some("7"))],                true),
        (&[("passport", Some(r#"{"user":"ada"}"#))],                true),
        (&[("passport", Some("{}"))],                               false),
        (&[("userId", Some("null"))],                               false),
        (&[("userId", Some("\"ada\"")), ("userId", None)],          false),
    ];
    for (changes, expected) in table {
        for mut held in [stored(&policy), fresh(&policy)] {
            for (key, value) in changes {
                match value {
                    Some(value) => held.data.patch.set(key, *value),
                    None => held.data.patch.remove(key),
                }
            }
            assert_eq!(
                super::late::signs_in(&policy, &held),
                expected,
                "{changes:?}"
            );
        }
    }
}

#[test]
fn each_case_of_the_life_cycle_has_its_plan() {
    type ComputedChange = fn(&mut SessionState);
    let nothing: ComputedChange = |_| ();
    let change: ComputedChange = |held| held.data.patch.set("a", "2");
    let same: ComputedChange = |held| held.data.patch.set("a", "1");
    let rename: ComputedChange =
        |held| held.change_id(SessionId::from_store("renamed"), Rotation::Regenerated, NOW);
    let shorten: ComputedChange = |held| {
        held.cookie
            .value
            .set_max_age(Some(std::time::Duration::from_secs(5)), NOW);
        held.cookie.changed = true;
    };
    let unset: ComputedChange = |held| held.progress.phase = super::Phase::Unset;
    let detach: ComputedChange = |held| held.progress.phase = super::Phase::Detached;
    let express = || Policy::express(keys());
    let late = || express().touch_after(std::time::Duration::from_secs(31));
    #[rustfmt::skip]
    let table: [(&str, PolicyBuilder, bool, ComputedChange, StoreOp, CookieOp); 16] = [
        ("new, left alone",         express(),                          true,  nothing, StoreOp::Nothing, CookieOp::Keep),
        ("new, changed",            express(),                          true,  change,  StoreOp::Create,  CookieOp::Send),
        ("new, save_uninitialized", express().save_uninitialized(true), true,  nothing, StoreOp::Create,  CookieOp::Send),
        ("new, renamed",            express(),                          true,  rename,  StoreOp::Create,  CookieOp::Send),
        ("new, dropped",            express(),                          true,  unset,   StoreOp::Nothing, CookieOp::Keep),
        ("left alone",              express(),                          false, nothing, StoreOp::Touch,   CookieOp::Keep),
        ("left alone, just touched", late(),                            false, nothing, StoreOp::Nothing, CookieOp::Keep),
        ("left alone, resave",      express().resave(true),             false, nothing, StoreOp::Update,  CookieOp::Keep),
        ("its life cut short: a touch moves no expiry back", express(), false, shorten, StoreOp::Update,  CookieOp::Keep),
        ("left alone, rolling",     express().rolling(true),            false, nothing, StoreOp::Touch,   CookieOp::Send),
        ("changed",                 express(),                          false, change,  StoreOp::Update,  CookieOp::Send),
        ("set to what it was",      express(),                          false, same,    StoreOp::Touch,   CookieOp::Keep),
        ("renamed: the old id must stop working", express(),            false, rename,  StoreOp::Replace, CookieOp::Send),
        ("dropped",                 express(),                          false, unset,   StoreOp::Nothing, CookieOp::Keep),
        ("without the store",       express(),                          false, detach,  StoreOp::Nothing, CookieOp::Keep),
        ("another writer's: its cookie gets the absolute time-out", Policy::builder(keys()), false, nothing, StoreOp::Update, CookieOp::Send),
    ];
    for (case, builder, is_new, handle, store, cookie) in table {
        let policy = builder.build().unwrap();
        let mut held = if is_new {
            fresh(&policy)
        } else {
            stored(&policy)
        };
        handle(&mut held);
        let plan = close(&policy, &held, NOW);
        assert_eq!((plan.store, plan.cookie), (store, cookie), "{case}");
    }
}
