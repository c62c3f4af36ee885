use std::time::Duration;

use testbed::browser::{Context, Initiator, Jar};

use super::{Later, sent_back};
use crate::cookie::field::Field;
use crate::cookie::request::{Credentials, Mode, Request};
use crate::cookie::stored::{Kept, tests as stored_tests};

const SHOP: &str = "https://shop.example/cart/add";
const OTHER: &str = "https://other.test/";

fn later(age: u64) -> Later {
    Later {
        age: Duration::from_secs(age),
        blocks_third_parties: false,
    }
}

/// Returns the ids of what is found about a cookie of `SHOP`'s.
fn ids(field: &str, request: &Request, later: Later) -> Vec<&'static str> {
    let field = Field::parse(field);
    let first = Request::page(SHOP.parse().unwrap());
    let kept = Kept::of(&field, &first, &stored_tests::arrival());
    let found = sent_back(&field, &kept, request, later);
    for found in &found {
        assert!(
            !found.sentence().contains("missing}"),
            "{}",
            found.sentence()
        );
        assert!(!found.mend().contains("missing}"), "{}", found.mend());
    }
    found.iter().map(|found| found.situation.id).collect()
}

#[test]
fn each_request_carries_the_cookie_or_not_for_its_reason() {
    #[rustfmt::skip]
    let table: [(&str, &str, u64, &[&str]); 19] = [
        ("a=1; Path=/",                                 "https://shop.example/",        0,   &[]),
        ("a=1; Path=/",                                 "https://www.shop.example/",    0,   &["other-host"]),
        ("a=1; Path=/; Domain=shop.example",            "https://www.shop.example/",    0,   &[]),
        ("a=1; Path=/; Domain=shop.example",            "https://myshop.example/",      0,   &["other-domain"]),
        ("a=1; Path=/cart",                             "https://shop.example/carts",   0,   &["other-path"]),
        ("a=1; Path=/cart",                             "https://shop.example/cart/x",  0,   &[]),
        ("a=1",                                         "https://shop.example/",        0,   &["default-path"]),
        ("a=1",                                         "https://shop.example/cart",    0,   &[]),
        ("a=1; Path=/; Secure",                         "http://shop.example/",         0,   &["secure-to-http"]),
        ("a=1; Path=/; Secure",                         "wss://shop.example/",          0,   &[]),
        ("a=1; Path=/; Max-Age=60",                     "https://shop.example/",        59,  &[]),
        ("a=1; Path=/; Max-Age=60",                     "https://shop.example/",        60,  &["cookie-over"]),
        ("a=1; Path=/",                                 "https://shop.example:8443/",   0,   &["ports-share"]),
        ("a=1; Path=/; SameSite=Strict",                "https://shop.example/",        0,   &[]),
        ("a=1; Path=/; SameSite=Lax",                   "https://shop.example/",        0,   &[]),
        ("a=1; Path=/cart; Secure",                     "http://shop.example/",         0,   &["other-path", "secure-to-http"]),
        ("a=1; Path=/; Secure; SameSite=None",          "https://shop.example/",        0,   &[]),
        ("a=1; Path=/; Secure; Partitioned",            "https://shop.example/",        0,   &[]),
        ("a=1; Path=relative",                          "https://shop.example/",        0,   &["default-path"]),
    ];
    for (field, to, age, expected) in table {
        let request = Request::page(to.parse().unwrap());
        assert_eq!(
            ids(field, &request, later(age)),
            expected,
            "{field} {to} {age}"
        );
    }
}

#[test]
fn names_of_this_machine_are_hosts_of_their_own() {
    let first = Request::page("http://localhost:3000/".parse().unwrap());
    let field = Field::parse("a=1; Path=/");
    let kept = Kept::of(&field, &first, &stored_tests::arrival());
    let to = Request::page("http://127.0.0.1:3000/".parse().unwrap());
    let found = sent_back(&field, &kept, &to, later(0));
    let ids: Vec<_> = found.iter().map(|found| found.situation.id).collect();
    assert_eq!(ids, ["other-name-of-localhost", "ports-share"]);
}

/// The rows of `SameSite`: field, mode, method, asking page, age, ids.
type SameSiteRow = (
    &'static str,
    Mode,
    &'static str,
    &'static str,
    u64,
    &'static [&'static str],
);

fn same_site_rows() -> Vec<SameSiteRow> {
    use Mode::{Fetch, Iframe, Navigate, Websocket};
    let http = "http://shop.example/";
    #[rustfmt::skip]
    let rows: Vec<SameSiteRow> = vec![
        ("Lax",    Navigate,  "GET",  OTHER, 0,   &[]),
        ("Lax",    Navigate,  "POST", OTHER, 0,   &["lax-post"]),
        ("Lax",    Fetch,     "GET",  OTHER, 0,   &["lax-subrequest"]),
        ("Lax",    Iframe,    "GET",  OTHER, 0,   &["lax-subrequest"]),
        ("Lax",    Websocket, "GET",  OTHER, 0,   &["lax-subrequest"]),
        ("Lax",    Navigate,  "POST", http,  0,   &["schemeful-lax"]),
        ("Lax",    Fetch,     "GET",  http,  0,   &["schemeful-lax"]),
        ("Strict", Navigate,  "GET",  OTHER, 0,   &["strict-link"]),
        ("Strict", Navigate,  "GET",  http,  0,   &["schemeful-strict"]),
        ("Strict", Fetch,     "GET",  OTHER, 0,   &["strict-subrequest"]),
        ("",       Navigate,  "GET",  OTHER, 999, &[]),
        ("",       Navigate,  "POST", OTHER, 119, &["unset-two-minutes"]),
        ("",       Navigate,  "POST", OTHER, 120, &["unset-post"]),
        ("",       Fetch,     "GET",  OTHER, 0,   &["unset-subrequest"]),
        ("",       Fetch,     "GET",  http,  0,   &["schemeful-unset"]),
        ("None",   Fetch,     "POST", OTHER, 0,   &[]),
        ("None",   Navigate,  "POST", OTHER, 0,   &[]),
        ("Strict", Fetch,     "GET",  "https://www.shop.example/", 0, &[]),
    ];
    rows
}

fn asked_by(mode: Mode, method: &str, page: &str) -> Request {
    Request {
        method: method.to_owned(),
        ..stored_tests::request(mode, page, "https://shop.example/")
    }
}

fn with_same_site(same_site: &str) -> String {
    let attribute = match same_site {
        "" => String::new(),
        same_site => format!("; SameSite={same_site}"),
    };
    format!("a=1; Path=/; Secure{attribute}")
}

#[test]
fn same_site_decides_about_other_sites() {
    for (same_site, mode, method, page, age, expected) in same_site_rows() {
        let row = format!("{same_site} {mode:?} {method} {page} {age}");
        let request = asked_by(mode, method, page);
        assert_eq!(
            ids(&with_same_site(same_site), &request, later(age)),
            expected,
            "{row}"
        );
    }
}

#[test]
fn the_verdict_is_that_of_the_tests_browser() {
    let rows = same_site_rows()
        .into_iter()
        .filter(|row| !row.3.starts_with("http:"));
    for (same_site, mode, method, page, age, expected) in rows {
        let clock = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let by = std::sync::Arc::clone(&clock);
        let mut jar = Jar::by(move || {
            stored_tests::now() + Duration::from_secs(by.load(std::sync::atomic::Ordering::SeqCst))
        });
        let url = "https://shop.example/".parse().unwrap();
        jar.keep(&with_same_site(same_site), &url, Context::OWN)
            .unwrap();
        clock.store(age, std::sync::atomic::Ordering::SeqCst);
        let initiator = if page == OTHER {
            Initiator::CrossSite
        } else {
            Initiator::SameSite
        };
        let context = Context::new(initiator, mode == Mode::Navigate, method == "GET");
        let carries = jar.header(&url, context).is_some();
        let passes = expected.is_empty() || expected == ["unset-two-minutes"];
        assert_eq!(
            carries, passes,
            "{same_site} {mode:?} {method} {page} {age}"
        );
    }
}

#[test]
fn redirects_partitions_scripts_and_settings() {
    let through = Request {
        redirects: vec![OTHER.parse().unwrap()],
        ..Request::page("https://shop.example/".parse().unwrap())
    };
    let strict = "a=1; Path=/; SameSite=Strict";
    assert_eq!(ids(strict, &through, later(0)), ["strict-redirect-chain"]);
    assert_eq!(
        ids("a=1; Path=/; SameSite=Lax", &through, later(0)),
        [""; 0]
    );

    let framed = stored_tests::request(Mode::Iframe, OTHER, "https://shop.example/");
    let partitioned = "a=1; Path=/; Secure; SameSite=None; Partitioned";
    assert_eq!(ids(partitioned, &framed, later(0)), ["other-partition"]);
    let blocks = Later {
        blocks_third_parties: true,
        ..later(0)
    };
    let none = "a=1; Path=/; Secure; SameSite=None";
    assert_eq!(ids(none, &framed, blocks), ["third-party-not-sent"]);
    let lax = "a=1; Path=/; Secure; SameSite=Lax";
    assert_eq!(
        ids(lax, &framed, blocks),
        ["lax-subrequest", "third-party-not-sent"]
    );
    assert_eq!(ids(none, &framed, later(0)), [""; 0]);

    let script = stored_tests::request(Mode::Script, "", "https://shop.example/");
    assert_eq!(
        ids("a=1; Path=/; HttpOnly", &script, later(0)),
        ["hidden-from-scripts"]
    );
    assert_eq!(ids("a=1; Path=/", &script, later(0)), [""; 0]);

    for (page, credentials, expected) in [
        (
            "https://www.shop.example/",
            Credentials::SameOrigin,
            &["fetch-omits-credentials"][..],
        ),
        ("https://www.shop.example/", Credentials::Include, &[]),
        ("https://shop.example/", Credentials::SameOrigin, &[]),
        (
            "https://shop.example/",
            Credentials::Omit,
            &["fetch-omits-credentials"],
        ),
    ] {
        let request = Request {
            credentials: Some(credentials),
            ..stored_tests::request(Mode::Fetch, page, "https://shop.example/")
        };
        assert_eq!(ids("a=1; Path=/", &request, later(0)), expected, "{page}");
    }
}
