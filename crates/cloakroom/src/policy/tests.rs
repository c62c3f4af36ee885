use std::time::Duration;

use super::{
    AtLimit, Policy, PolicyBuilder, PolicyError, RequestInfo, SameSite, Secure, path_matches,
};
use crate::clock::Timestamp;
use crate::cookie::KeyRing;
use crate::id::{IdGrammar, SessionId};

/// Returns a ring for tests.
pub(crate) fn keys() -> KeyRing {
    KeyRing::new("the secret of these tests, long enough").unwrap()
}

fn builder() -> PolicyBuilder {
    Policy::builder(keys())
}

#[test]
fn contradictions_do_not_build() {
    let second = Duration::from_secs(1);
    #[rustfmt::skip]
    let table = [
        (builder().name("bad name"),                                  PolicyError::Name),
        (builder().name("__Host-sid").domain("example.com"),          PolicyError::HostPrefixWithDomain),
        (builder().name("__host-sid").path("/app"),                   PolicyError::HostPrefixWithPath),
        (builder().name("__Host-sid").secure(Secure::Auto),           PolicyError::PrefixWithoutSecure),
        (builder().name("__Secure-sid").secure(Secure::Never),        PolicyError::PrefixWithoutSecure),
        (builder().name("__Host-Http-sid").http_only(false),          PolicyError::PrefixWithoutHttpOnly),
        (builder().same_site(SameSite::None).secure(Secure::Auto),    PolicyError::SameSiteNoneWithoutSecure),
        (builder().same_site(SameSite::Auto).secure(Secure::Never),   PolicyError::SameSiteNoneWithoutSecure),
        (builder().partitioned(true).secure(Secure::Never),           PolicyError::PartitionedWithoutSecure),
        (builder().domain("exa mple.com"),                            PolicyError::Domain),
        (builder().path("app"),                                       PolicyError::Path),
        (builder().path("/a;b"),                                      PolicyError::Path),
        (builder().match_path("app"),                                 PolicyError::MatchPath),
        (builder().path(&format!("/{}", "a".repeat(1_024))),          PolicyError::Path),
        (builder().name(&"n".repeat(3_950)),                          PolicyError::NameTooLong),
        (builder().id_grammar(IdGrammar::token(40, 64)),              PolicyError::IdGrammar),
        (builder().match_path(""),                                    PolicyError::MatchPath),
        (builder().idle_timeout(Duration::ZERO),                      PolicyError::TimeoutTooShort),
        (builder().store_timeout(Duration::ZERO),                     PolicyError::TimeoutTooShort),
        (builder().absolute_timeout(second),                          PolicyError::AbsoluteShorterThanIdle),
        (builder().idle_timeout(second).touch_after(second),          PolicyError::TouchAfterTooLong),
        (builder().max_sessions(0, AtLimit::Refuse),                  PolicyError::NoSession),
    ];
    for (builder, error) in table {
        assert_eq!(builder.build().unwrap_err(), error);
    }
    assert!(builder().build().is_ok());
    assert!(builder().name("__Host-sid").build().is_ok());
    assert!(Policy::express(keys()).build().is_ok());
    for preset in [builder().aal1(), builder().aal2(), builder().aal3()] {
        assert!(preset.build().is_ok());
    }
}

#[test]
fn a_new_cookie_has_what_the_policy_says() {
    let cookie = |builder: PolicyBuilder, is_secure| {
        let request = RequestInfo {
            is_secure,
            ..RequestInfo::default()
        };
        let now = Timestamp::from_millis(1_767_323_045_678);
        builder.build().unwrap().new_cookie(&request, now).to_json()
    };
    assert_eq!(
        cookie(builder(), true),
        r#"{"originalMaxAge":1800000,"expires":"2026-01-02T03:34:05.678Z","secure":true,"httpOnly":true,"path":"/","sameSite":"lax"}"#
    );
    let express = || Policy::express(keys());
    #[rustfmt::skip]
    let table = [
        (express(), r#""httpOnly":true,"path":"/""#),
        (express().secure(Secure::Auto).same_site(SameSite::Auto), r#""secure":true,"httpOnly":true,"path":"/","sameSite":"none""#),
        (express().cookie_with(|_, cookie| cookie.same_site(SameSite::Auto)), r#""httpOnly":true,"path":"/","sameSite":"none""#),
        (express().domain("a.example").partitioned(true).secure(Secure::Always), r#""secure":true,"httpOnly":true,"domain":"a.example","path":"/""#),
    ];
    for (builder, attributes) in table {
        assert!(cookie(builder, true).contains(attributes), "{attributes}");
    }
    assert!(cookie(express().secure(Secure::Auto), false).contains(r#""secure":false"#));
}

#[test]
fn x6_a_generated_id_that_no_cookie_can_carry_is_refused() {
    use super::IdFault::{Grammar, TooLong};
    let any = || builder().id_grammar(IdGrammar::any());
    #[rustfmt::skip]
    let table = [
        (builder(), "a".repeat(20),    None),
        (builder(), "a".repeat(128),   None),
        (builder(), "a".repeat(129),   Some(Grammar)),
        (builder(), "a".repeat(6_000), Some(Grammar)),
        (builder(), "short".into(),    Some(Grammar)),
        (any(),     String::new(),     Some(Grammar)),
        (any(),     "a".repeat(3_951), None),
        (any(),     "a".repeat(3_952), Some(TooLong)),
        (any(),     "\u{e9}".repeat(700), Some(TooLong)),
    ];
    for (builder, id, fault) in table {
        let policy = builder.id_generator(|_| String::new()).build().unwrap();
        let length = id.len();
        assert_eq!(
            policy.fault_of(&SessionId::from_store(&id)),
            fault,
            "{length}"
        );
    }
}

#[test]
fn v14_the_cookie_path_and_the_match_path_are_separate() {
    let express = || Policy::express(keys());
    #[rustfmt::skip]
    let table = [
        (builder(),                                   "/",       true),
        (builder(),                                   "*",       true),
        (builder(),                                   "",        true),
        (builder().path("/app"),                      "/count",  true),
        (builder().path("/app").match_path("/app"),   "/count",  false),
        (builder().path("/app").match_path("/app"),   "/app/x",  true),
        (builder().path("/app").match_path("/app"),   "*",       false),
        (builder().match_path("/"),                   "*",       true),
        (express(),                                   "/",       true),
        (express(),                                   "*",       true),
        (express(),                                   "",        true),
        (express().path("/app"),                      "/count",  false),
        (express().path("/app"),                      "/app",    true),
        (express().path("/app").match_path("/"),      "/count",  true),
        (express().path("/app").match_path("/in"),    "/in",     true),
        (express().path("/app").match_path("/in"),    "/app",    false),
    ];
    for (index, (builder, path, covered)) in table.into_iter().enumerate() {
        let policy = builder.build().unwrap();
        assert_eq!(policy.covers(path), covered, "{index} {path}");
    }
}

#[test]
fn paths_match_at_segments() {
    #[rustfmt::skip]
    let table = [
        ("/",         "/",    true),  ("/x",       "/",     true),
        ("/foo",      "/foo", true),  ("/foo/bar", "/foo",  true),
        ("/foobar",   "/foo", false), ("/foo",     "/foo/", false),
        ("/foo/",     "/foo/", true), ("/FOO",     "/foo",  false),
        ("//foo",     "/foo", false), ("/%66oo",   "/foo",  false),
        ("/x",        "",     true),
    ];
    for (path, cookie_path, matches) in table {
        assert_eq!(
            path_matches(path, cookie_path),
            matches,
            "{path} {cookie_path}"
        );
    }
}
