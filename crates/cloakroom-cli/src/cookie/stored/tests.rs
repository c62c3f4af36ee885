use std::time::{Duration, SystemTime, UNIX_EPOCH};

use testbed::browser::{Context, Initiator, Jar};

use super::{Arrival, stored};
use crate::cookie::field::Field;
use crate::cookie::request::{Credentials, Mode, Request};
use crate::cookie::situation::Weight;

/// 2026-01-02T03:04:05Z.
pub(in crate::cookie) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_323_045)
}

pub(in crate::cookie) fn arrival() -> Arrival {
    Arrival {
        now: now(),
        date: None,
        blocks_third_parties: false,
        cors: None,
    }
}

/// Returns the request that `mode`, `page` and `url` describe.
pub(in crate::cookie) fn request(mode: Mode, page: &str, url: &str) -> Request {
    Request {
        mode,
        page: page.parse().ok(),
        credentials: Some(Credentials::Include),
        ..Request::page(url.parse().unwrap())
    }
}

const SHOP: &str = "https://shop.example/cart/add";
const HTTP: &str = "http://shop.example/";
const LOCAL: &str = "http://localhost:3000/";
const OTHER: &str = "https://other.test/";

/// The rows of a browser that stores or refuses: URL, page, mode, field, ids of what is found, without
/// `browser-session`.
pub(in crate::cookie) fn rows() -> Vec<(&'static str, &'static str, Mode, String, Vec<&'static str>)>
{
    use Mode::{Fetch, Iframe, Navigate};
    let long = "x".repeat(4096);
    let long_path = format!("a=1; Path=/{}", "x".repeat(1024));
    #[rustfmt::skip]
    let rows: Vec<(&str, &str, Mode, &str, &[&str])> = vec![
        (SHOP,  "",    Navigate, "a=1; Path=/; HttpOnly; Secure; SameSite=Lax",       &[]),
        (HTTP,  "",    Navigate, "a=1; Secure",                                       &["secure-over-http"]),
        (LOCAL, "",    Navigate, "a=1; Secure",                                       &["secure-on-localhost"]),
        (LOCAL, "",    Navigate, "__Host-a=1; Secure; Path=/",                        &["secure-on-localhost"]),
        (HTTP,  "",    Navigate, "__Secure-a=1; Secure",                              &["prefix-over-http"]),
        (SHOP,  "",    Navigate, "a=1; SameSite=None",                                &["none-without-secure"]),
        (SHOP,  OTHER, Fetch,    "a=1; SameSite=Strict",                              &["cross-site-answer-strict"]),
        (SHOP,  OTHER, Iframe,   "a=1; SameSite=Lax",                                 &["cross-site-answer-lax"]),
        (SHOP,  OTHER, Fetch,    "a=1",                                               &["cross-site-answer-unset"]),
        (SHOP,  OTHER, Navigate, "a=1; SameSite=Strict",                              &[]),
        (SHOP,  HTTP,  Fetch,    "a=1; SameSite=Strict",                              &["schemeful-answer-strict"]),
        (SHOP,  HTTP,  Fetch,    "a=1; SameSite=Lax",                                 &["schemeful-answer-lax"]),
        (SHOP,  HTTP,  Iframe,   "a=1",                                               &["schemeful-answer-unset"]),
        (SHOP,  "",    Navigate, "a=1; Domain=other.test",                            &["domain-foreign"]),
        (SHOP,  "",    Navigate, "a=1; Domain=www.shop.example",                      &["domain-foreign"]),
        (SHOP,  "",    Navigate, "a=1; Domain=.SHOP.example",                         &[]),
        (SHOP,  "",    Navigate, "a=1; Domain=example",                               &["domain-public-suffix"]),
        (LOCAL, "",    Navigate, "a=1; Domain=localhost",                             &["domain-host-only"]),
        (LOCAL, "",    Navigate, "a=1; Domain=example",                               &["domain-address"]),
        ("http://127.0.0.1/", "", Navigate, "a=1; Domain=127.0.0.1",                  &["domain-host-only"]),
        ("http://127.0.0.1/", "", Navigate, "a=1; Domain=0.0.1",                      &["domain-address"]),
        (SHOP,  "",    Navigate, "a=1; Domain=shöp.example",                          &["domain-non-ascii"]),
        (SHOP,  "",    Navigate, "__Host-a=1; Secure; Path=/; Domain=shop.example",   &["host-prefix-domain"]),
        (SHOP,  "",    Navigate, "__host-a=1; Secure; Path=/cart",                    &["host-prefix-path"]),
        (SHOP,  "",    Navigate, "__Host-a=1; Secure",                                &["host-prefix-path"]),
        (SHOP,  "",    Navigate, "__Host-a=1; Path=/",                                &["prefix-without-secure"]),
        (SHOP,  "",    Navigate, "__Secure-a=1",                                      &["prefix-without-secure"]),
        (SHOP,  "",    Navigate, "__Http-a=1; Secure",                                &["prefix-without-httponly"]),
        (SHOP,  "",    Navigate, "__Http-a=1; Secure; HttpOnly",                      &[]),
        (SHOP,  "",    Navigate, &long,                                               &["nameless"]),
        (SHOP,  "",    Navigate, &long_path,                                          &["attribute-too-long"]),
        (SHOP,  "",    Navigate, "a=1\u{1}",                                          &["control-character"]),
        (SHOP,  "",    Navigate, "; Secure",                                          &["no-content"]),
        (SHOP,  "",    Navigate, "=__Host-a",                                         &["nameless-prefix"]),
        (SHOP,  "",    Navigate, "a=1; Partitioned; Path=/",                          &["partitioned-without-secure"]),
        (SHOP,  "",    Navigate, "a=1; Max-Age=0",                                    &["deleted-on-arrival"]),
        (SHOP,  "",    Navigate, "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",        &["deleted-on-arrival"]),
        (SHOP,  "",    Navigate, "a=1; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT", &["max-age-wins"]),
        (SHOP,  "",    Navigate, "a=1; Max-Age=99999999",                             &["over-400-days"]),
        (SHOP,  "",    Navigate, "a=1; Max-Age=1h",                                   &["expires-unreadable"]),
        (SHOP,  "",    Navigate, "a=1; Expires=tomorrow",                             &["expires-unreadable"]),
        (SHOP,  "",    Navigate, "a=1; SameSite=Lacks",                               &["samesite-misspelt"]),
        (SHOP,  "",    Navigate, "a=1; HttpsOnly",                                    &["attribute-unknown"]),
        (SHOP,  "",    Navigate, "a=1; Path=cart",                                    &["path-ignored"]),
        (SHOP,  OTHER, Fetch,    "a=1; SameSite=None; Secure",                        &["third-party"]),
    ];
    let mut rows: Vec<_> = rows
        .into_iter()
        .map(|(url, page, mode, field, ids)| (url, page, mode, field.to_owned(), ids.to_vec()))
        .collect();
    rows.push((SHOP, "", Navigate, format!("a={long}"), vec!["too-large"]));
    if cfg!(feature = "suffixes") {
        for (url, field, id) in [
            (
                "https://shop.co.uk/",
                "a=1; Domain=co.uk",
                "domain-public-suffix",
            ),
            (
                "https://ada.github.io/",
                "a=1; Domain=github.io",
                "domain-public-suffix",
            ),
            (
                "https://github.io/",
                "a=1; Domain=github.io",
                "domain-suffix-itself",
            ),
        ] {
            rows.push((url, "", Navigate, field.to_owned(), vec![id]));
        }
    }
    rows
}

#[test]
fn each_field_is_stored_or_refused_for_its_reason() {
    for (url, page, mode, field, expected) in rows() {
        let found = stored(
            &Field::parse(&field),
            &[],
            &request(mode, page, url),
            &arrival(),
        );
        let ids = found.iter().map(|found| found.situation.id);
        let ids: Vec<_> = ids.filter(|id| *id != "browser-session").collect();
        assert_eq!(ids, expected, "{url} {page} {field:.80}");
        for found in &found {
            assert!(
                !found.sentence().contains("missing}"),
                "{}",
                found.sentence()
            );
            assert!(!found.mend().contains("missing}"), "{}", found.mend());
        }
    }
}

/// The tests' browser, which was compared with Chromium by itself, agrees.
#[test]
fn the_verdict_is_that_of_the_tests_browser() {
    for (url, page, mode, field, _) in rows() {
        // What that browser leaves out: schemes as sites, partitions, nameless cookies, newer prefixes.
        let left_out = ["Partitioned", "__Http-"];
        if page == HTTP
            || field.starts_with(['=', ';', 'x'])
            || left_out.iter().any(|part| field.contains(part))
        {
            continue;
        }
        let url: url::Url = url.parse().unwrap();
        let initiator = if page == OTHER {
            Initiator::CrossSite
        } else {
            Initiator::SameOrigin
        };
        let context = Context::new(initiator, mode == Mode::Navigate, true);
        let mut jar = Jar::by(now).trusting_loopback();
        let kept = jar.keep(&field, &url, context).is_ok();
        let found = stored(
            &Field::parse(&field),
            &[],
            &request(mode, page, url.as_str()),
            &arrival(),
        );
        let faults: Vec<_> = found
            .iter()
            .filter(|found| found.is_fault() && found.situation.id != "deleted-on-arrival")
            .map(|found| found.situation.id)
            .collect();
        // Lists of suffixes and non-ASCII are beyond it.
        if ["domain-public-suffix", "domain-non-ascii"]
            .iter()
            .any(|id| faults.contains(id))
        {
            continue;
        }
        assert_eq!(
            faults.is_empty(),
            kept,
            "{url} {page} {field:.80}: {faults:?}"
        );
    }
}

#[test]
fn a_plain_cookie_never_hides_a_secure_one() {
    #[rustfmt::skip]
    let table = [ // the old one, the new one
        ("a=1; Secure; Path=/",     "a=2; Path=/",                      true),
        ("a=1; Secure; Path=/shop", "a=2; Path=/shop/cart",             true),
        ("a=1; Secure; Path=/shop", "a=2; Path=/",                      false),
        ("a=1; Secure; Path=/",     "a=2; Path=/; Domain=shop.example", true),
        ("a=1; Path=/",             "a=2; Path=/",                      false),
        ("b=1; Secure; Path=/",     "a=2; Path=/",                      false),
    ];
    for (old, new, refused) in table {
        let had = [Field::parse(old)];
        for (url, over_http) in [(HTTP, true), (SHOP, false)] {
            let found = stored(
                &Field::parse(new),
                &had,
                &request(Mode::Navigate, "", url),
                &arrival(),
            );
            let is_refused = found
                .iter()
                .any(|found| found.situation.id == "overwrites-secure");
            assert_eq!(is_refused, refused && over_http, "{old} {new} {url}");
        }
    }
}

#[test]
fn scripts_of_other_origins_need_credentials() {
    use Credentials::{Include, Omit, SameOrigin};
    let any = Some((true, Some("*".to_owned())));
    let none = Some((false, Some("https://app.shop.example".to_owned())));
    let right = Some((true, Some("https://app.shop.example".to_owned())));
    #[rustfmt::skip]
    let table = [
        (None,             None,          "https://app.shop.example/", vec!["fetch-credentials-unknown"]),
        (Some(Include),    None,          "https://app.shop.example/", vec![]),
        (Some(SameOrigin), None,          "https://app.shop.example/", vec!["fetch-without-credentials"]),
        (Some(Omit),       None,          "https://app.shop.example/", vec!["fetch-without-credentials"]),
        (Some(Omit),       None,          "https://shop.example/",     vec!["fetch-without-credentials"]),
        (Some(SameOrigin), None,          "https://shop.example/",     vec![]),
        (None,             None,          "https://shop.example/",     vec![]),
        (Some(Include),    any,           "https://app.shop.example/", vec!["cors-any-origin"]),
        (Some(Include),    none.clone(),  "https://app.shop.example/", vec!["cors-without-credentials"]),
        (Some(Include),    right,         "https://app.shop.example/", vec![]),
        (None,             none,          "https://shop.example/",     vec![]),
    ];
    for (credentials, cors, page, expected) in table {
        let request = Request {
            credentials,
            ..request(Mode::Fetch, page, SHOP)
        };
        let arrival = Arrival { cors, ..arrival() };
        let found = stored(&Field::parse("a=1; Max-Age=9"), &[], &request, &arrival);
        let ids: Vec<_> = found.iter().map(|found| found.situation.id).collect();
        assert_eq!(ids, expected, "{credentials:?} {page}");
    }
}

#[test]
fn a_browser_may_block_third_parties_and_partitioned_cookies_pass() {
    let blocks = Arrival {
        blocks_third_parties: true,
        ..arrival()
    };
    for (field, page, expected) in [
        (
            "a=1; SameSite=None; Secure",
            OTHER,
            Some("third-party-blocked"),
        ),
        ("a=1; SameSite=None; Secure; Partitioned", OTHER, None),
        (
            "a=1; SameSite=Strict; Secure",
            OTHER,
            Some("third-party-blocked"),
        ),
        (
            "a=1; SameSite=None; Secure",
            "https://www.shop.example/",
            None,
        ),
    ] {
        let found = stored(
            &Field::parse(field),
            &[],
            &request(Mode::Iframe, page, SHOP),
            &blocks,
        );
        let id = found
            .iter()
            .find(|found| found.is_fault())
            .map(|found| found.situation.id);
        assert_eq!(id, expected, "{field} {page}");
    }
}

/// Chromium counts from the response's Date; a wrong clock of the browser changes nothing, one of the server
/// matters to other browsers.
#[test]
fn expires_is_counted_from_the_date_of_the_response() {
    let hour = Duration::from_hours(1);
    #[rustfmt::skip]
    let table = [ // Date, Expires
        (Some(now()),        "Fri, 02 Jan 2026 03:14:05 GMT", vec![]),
        (Some(now() - hour), "Fri, 02 Jan 2026 02:14:05 GMT", vec!["server-clock"]),
        (Some(now() + hour), "Fri, 02 Jan 2026 03:14:05 GMT", vec!["deleted-on-arrival", "server-clock"]),
        (None,               "Fri, 02 Jan 2026 03:14:05 GMT", vec![]),
        (None,               "Fri, 02 Jan 2026 03:04:05 GMT", vec!["deleted-on-arrival"]),
    ];
    for (date, expires, expected) in table {
        let arrival = Arrival { date, ..arrival() };
        let field = Field::parse(&format!("a=1; Path=/; Expires={expires}"));
        let found = stored(&field, &[], &request(Mode::Navigate, "", SHOP), &arrival);
        let ids: Vec<_> = found.iter().map(|found| found.situation.id).collect();
        assert_eq!(ids, expected, "{date:?} {expires}");
    }
}

#[test]
fn no_value_of_a_cookie_is_in_any_sentence() {
    for (url, page, mode, field, _) in rows() {
        let field = field.replacen("a=1", "a=hunter2", 1);
        let found = stored(
            &Field::parse(&field),
            &[],
            &request(mode, page, url),
            &arrival(),
        );
        for found in found {
            assert!(!format!("{found:?}").contains("hunter2"), "{field}");
            assert!(found.situation.weight >= Weight::Note);
        }
    }
}
