//! The jar keeps, sends and drops cookies as RFC 6265bis has it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use testbed::browser::{Context, Initiator, Jar, Rejected, default_path, domain_match, path_match};
use url::Url;

const SHOP: &str = "https://shop.example/";
/// 2026-01-02T03:04:05Z, in seconds.
const NOW: u64 = 1_767_323_045;

/// A jar, and the clock that it goes by.
fn jar() -> (Jar, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(NOW));
    let now = Arc::clone(&clock);
    let jar = Jar::by(move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::SeqCst)));
    (jar, clock)
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

/// A jar that was given these fields by the shop.
fn kept(fields: &[&str]) -> (Jar, Arc<AtomicU64>) {
    let (mut jar, clock) = jar();
    for field in fields {
        jar.keep(field, &url(SHOP), Context::OWN).unwrap();
    }
    (jar, clock)
}

fn sent(jar: &Jar, to: &str) -> String {
    jar.header(&url(to), Context::OWN).unwrap_or_default()
}

#[test]
fn a_cookie_ends_by_the_clock_it_is_given() {
    #[rustfmt::skip]
    let table = [
        // The field, and the seconds after which it is gone.
        ("a=1; Max-Age=4", Some(4)),
        ("a=1; Expires=Fri, 02 Jan 2026 03:04:09 GMT", Some(4)),
        ("a=1; Expires=Friday, 02-Jan-26 03:04:09 GMT", Some(4)),
        // `Max-Age` wins, whichever comes first.
        ("a=1; Max-Age=10; Expires=Fri, 02 Jan 2026 03:04:09 GMT", Some(10)),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=10", Some(10)),
        // 400 days are the most there is.
        ("a=1; Max-Age=99999999999999999999", Some(34_560_000)),
        ("a=1; Expires=Fri, 31 Dec 9999 23:59:59 GMT", Some(34_560_000)),
        // An expiry that cannot be parsed is ignored.
        ("a=1; Max-Age=soon; Expires=tomorrow", None),
        ("a=1", None),
    ];
    for (field, life) in table {
        let (jar, clock) = kept(&[field]);
        assert_eq!(sent(&jar, SHOP), "a=1", "{field}");
        clock.store(NOW + life.unwrap_or(4_000_000_000) - 1, Ordering::SeqCst);
        assert_eq!(sent(&jar, SHOP), "a=1", "{field}");
        clock.fetch_add(1, Ordering::SeqCst);
        let rest = if life.is_some() { "" } else { "a=1" };
        assert_eq!(sent(&jar, SHOP), rest, "{field}");
    }
}

#[test]
fn an_expired_set_cookie_removes_the_cookie() {
    for end in [
        "Max-Age=0",
        "Max-Age=-1",
        "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "Expires=Fri, 02 Jan 2026 03:04:05 GMT",
        "Max-Age=0; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        let (jar, _) = kept(&["a=1; Path=/", "b=2", &format!("a=; Path=/; {end}")]);
        assert_eq!(sent(&jar, SHOP), "b=2", "{end}");
    }
    // An empty value alone is a value, and another path is another cookie.
    let (jar, _) = kept(&["a=1; Path=/", "a=; Path=/shop; Max-Age=0", "b=; Path=/"]);
    assert_eq!(sent(&jar, SHOP), "a=1; b=");
}

#[test]
fn a_cookie_without_expiry_ends_with_the_browser() {
    let (mut jar, _) = kept(&["a=1", "b=2; Max-Age=60", "c=3; Max-Age=60", "c=3"]);
    jar.close_browser();
    assert_eq!(sent(&jar, SHOP), "b=2", "c lost its end");
}

#[test]
fn two_cookies_of_one_name_are_sent_in_a_browsers_order() {
    let (mut jar, clock) = kept(&["a=root; Path=/", "b=1; Path=/", "a=deep; Path=/shop/cart"]);
    clock.fetch_add(1, Ordering::SeqCst);
    jar.keep("a=shop; Path=/shop", &url(SHOP), Context::OWN)
        .unwrap();
    jar.keep(
        "a=wide; Domain=shop.example; Path=/",
        &url(SHOP),
        Context::OWN,
    )
    .unwrap();
    let cart = "https://shop.example/shop/cart/1";
    assert_eq!(sent(&jar, cart), "a=deep; a=shop; a=root; b=1; a=wide");
    // An overwritten cookie keeps its place, a removed one does not.
    jar.keep("a=new; Path=/", &url(SHOP), Context::OWN).unwrap();
    assert_eq!(sent(&jar, SHOP), "a=new; b=1; a=wide");
    jar.keep("a=; Path=/; Max-Age=0", &url(SHOP), Context::OWN)
        .unwrap();
    jar.keep("a=late; Path=/", &url(SHOP), Context::OWN)
        .unwrap();
    assert_eq!(sent(&jar, SHOP), "b=1; a=wide; a=late");
}

#[test]
fn paths_and_domains_match_as_they_do_in_browsers() {
    #[rustfmt::skip]
    let paths = [
        ("/", "/", true), ("/shop", "/", true), ("/shop", "/shop", true), ("/shop/", "/shop", true),
        ("/shop/a", "/shop", true), ("/shop/a", "/shop/", true), ("/shop", "/shop/", false),
        ("/shopping", "/shop", false), ("/Shop", "/shop", false), ("/", "/shop", false),
    ];
    for (request, cookie, matches) in paths {
        assert_eq!(path_match(request, cookie), matches, "{request} {cookie}");
    }
    for (request, default) in [
        ("/", "/"),
        ("/a", "/"),
        ("/a/", "/a"),
        ("/a/b", "/a"),
        ("", "/"),
    ] {
        assert_eq!(default_path(request), default, "{request}");
    }
    #[rustfmt::skip]
    let domains = [
        ("shop.example", "shop.example", true), ("a.shop.example", "shop.example", true),
        ("myshop.example", "shop.example", false), ("example", "shop.example", false),
        ("1.127.0.0.1", "127.0.0.1", false), ("127.0.0.1", "0.0.1", false), ("127.0.0.1", "127.0.0.1", true),
    ];
    for (host, domain, matches) in domains {
        assert_eq!(domain_match(host, domain), matches, "{host} {domain}");
    }
}

#[test]
fn a_cookie_goes_to_its_path_and_its_hosts() {
    #[rustfmt::skip]
    let table = [
        // The cookies of `https://shop.example/cart/add`, and the URLs they are sent to.
        ("a=1", "https://shop.example/cart", true),
        ("a=1", "https://shop.example/cart/x", true),
        ("a=1", "https://shop.example/", false),
        ("a=1; Path=/", "https://shop.example/", true),
        ("a=1; Path=relative", "https://shop.example/", false),
        ("a=1; Path=", "https://shop.example/cart", true),
        ("a=1; Path=/", "https://www.shop.example/", false),
        ("a=1; Path=/; Domain=shop.example", "https://www.shop.example/", true),
        ("a=1; Path=/; Domain=.SHOP.example", "https://www.shop.example/", true),
        ("a=1; Path=/; Domain=shop.example", "https://myshop.example/", false),
        ("a=1; Path=/; Domain=", "https://www.shop.example/", false),
        ("a=1; Path=/", "https://shop.example:8443/", true),
        ("a=1; Path=/", "http://shop.example/", true),
        ("a=1; Path=/; Secure", "http://shop.example/", false),
        ("a=1; Path=/; Secure", "https://shop.example/", true),
    ];
    for (field, to, goes) in table {
        let (mut jar, _) = jar();
        let from = url("https://shop.example/cart/add");
        jar.keep(field, &from, Context::OWN).unwrap();
        assert_eq!(
            sent(&jar, to),
            if goes { "a=1" } else { "" },
            "{field} {to}"
        );
    }
}

#[test]
fn cookies_that_a_browser_rejects() {
    let long = format!("a={}", "x".repeat(4096));
    let http = "http://shop.example/";
    #[rustfmt::skip]
    let table = [
        (SHOP, "a=1; Domain=other.example", Err(Rejected::ForeignDomain)),
        (SHOP, "a=1; Domain=www.shop.example", Err(Rejected::ForeignDomain)),
        (SHOP, "a=1; Domain=example", Err(Rejected::ForeignDomain)),
        (SHOP, "a=1; Domain=shop.example", Ok(())),
        ("http://localhost/", "a=1; Domain=localhost", Ok(())),
        ("http://127.0.0.1/", "a=1; Domain=127.0.0.1", Ok(())),
        ("http://127.0.0.1/", "a=1; Domain=0.0.1", Err(Rejected::ForeignDomain)),
        (SHOP, long.as_str(), Err(Rejected::TooLarge)),
        (SHOP, &long[..4097], Ok(())),
        (SHOP, "a=1\u{7}", Err(Rejected::Unreadable)),
        (SHOP, "=1", Err(Rejected::Unreadable)),
        (http, "a=1; Secure", Err(Rejected::Insecure)),
        ("http://localhost/", "a=1; Secure", Err(Rejected::Insecure)),
        (SHOP, "a=1; SameSite=None", Err(Rejected::NoneWithoutSecure)),
        (SHOP, "a=1; SameSite=None; Secure", Ok(())),
        (SHOP, "__Host-a=1; Secure; Path=/", Ok(())),
        (SHOP, "__Host-a=1; Path=/", Err(Rejected::Prefix)),
        (SHOP, "__Host-a=1; Secure", Err(Rejected::Prefix)),
        (SHOP, "__Host-a=1; Secure; Path=/shop", Err(Rejected::Prefix)),
        (SHOP, "__host-a=1; Secure; Path=/; Domain=shop.example", Err(Rejected::Prefix)),
        (http, "__Host-a=1; Secure; Path=/", Err(Rejected::Insecure)),
        (SHOP, "__Secure-a=1; Secure; Path=/shop; Domain=shop.example", Ok(())),
        (SHOP, "__Secure-a=1", Err(Rejected::Prefix)),
    ];
    for (from, field, expected) in table {
        let (mut jar, _) = jar();
        let result = jar.keep(field, &url(from), Context::OWN);
        assert_eq!(result, expected, "{from} {field}");
        assert_eq!(jar.live().count(), usize::from(expected.is_ok()), "{field}");
    }
}

#[test]
fn a_secure_cookie_is_not_covered_by_one_that_is_not() {
    let (mut jar, _) = kept(&["a=1; Secure; Path=/shop"]);
    let http = url("http://shop.example/");
    for field in [
        "a=2; Path=/shop",
        "a=2; Path=/shop/cart",
        "a=2; Domain=shop.example; Path=/shop",
    ] {
        let result = jar.keep(field, &http, Context::OWN);
        assert_eq!(result, Err(Rejected::Insecure), "{field}");
    }
    jar.keep("a=2; Path=/", &http, Context::OWN).unwrap();
    jar.keep("a=3; Path=/shop", &url(SHOP), Context::OWN)
        .unwrap();
}

#[test]
fn this_machine_counts_as_secure_where_that_is_asked_for() {
    let mut jar = jar().0.trusting_loopback();
    for (host, kept) in [
        ("http://localhost:3000/", true),
        ("http://shop.localhost/", true),
        ("http://127.0.0.1:80/", true),
        ("http://[::1]/", true),
        ("http://10.0.0.1/", false),
        ("http://localhost.example/", false),
    ] {
        let result = jar.keep("__Host-a=1; Secure; Path=/", &url(host), Context::OWN);
        assert_eq!(result.is_ok(), kept, "{host}");
        assert_eq!(
            sent(&jar, host),
            if kept { "__Host-a=1" } else { "" },
            "{host}"
        );
    }
}

#[test]
fn same_site_decides_what_goes_with_another_sites_request() {
    use Initiator::{CrossSite, SameOrigin, SameSite, User};
    let (jar, clock) = kept(&[
        "strict=1; SameSite=Strict",
        "lax=1; SameSite=Lax",
        "none=1; SameSite=None; Secure",
        "default=1",
    ]);
    let all = "strict=1; lax=1; none=1; default=1";
    #[rustfmt::skip]
    let table = [
        (Context::OWN, all, all),
        (Context::new(User, true, true), all, all),
        (Context::new(SameOrigin, false, false), all, all),
        (Context::new(SameSite, false, false), all, all),
        (Context::new(CrossSite, true, true), "lax=1; none=1; default=1", "lax=1; none=1; default=1"),
        (Context::new(CrossSite, true, false), "none=1; default=1", "none=1"),
        (Context::new(CrossSite, false, true), "none=1", "none=1"),
        (Context::new(CrossSite, false, false), "none=1", "none=1"),
    ];
    for (age, side) in [(0, 0), (120, 1)] {
        clock.store(NOW + age, Ordering::SeqCst);
        for (context, young, old) in table {
            let sent = jar.header(&url(SHOP), context).unwrap_or_default();
            assert_eq!(sent, [young, old][side], "{context:?} after {age} s");
        }
    }
}

#[test]
fn another_sites_picture_sets_no_cookie_of_ours() {
    for (field, is_kept) in [
        ("a=1", false),
        ("a=1; SameSite=Lax", false),
        ("a=1; SameSite=None; Secure", true),
    ] {
        let picture = Context::new(Initiator::CrossSite, false, true);
        let link = Context::new(Initiator::CrossSite, true, true);
        let result = jar().0.keep(field, &url(SHOP), picture);
        let expected = if is_kept {
            Ok(())
        } else {
            Err(Rejected::CrossSite)
        };
        assert_eq!(result, expected, "{field}");
        assert_eq!(jar().0.keep(field, &url(SHOP), link), Ok(()), "{field}");
    }
}

#[test]
fn scripts_do_not_see_http_only_cookies() {
    let (jar, _) = kept(&["a=1; HttpOnly", "b=2"]);
    let seen: Vec<&str> = jar
        .seen_by_scripts(&url(SHOP))
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(seen, ["b"]);
    assert_eq!(jar.value("a"), Some("1"));
}

#[test]
fn planted_cookies_are_sent_and_removed_ones_are_not() {
    let (mut jar, _) = kept(&["a=1; Path=/", "b=2"]);
    jar.plant("a", "thief", &url(SHOP));
    assert_eq!(sent(&jar, SHOP), "b=2; a=thief");
    jar.remove("a");
    assert_eq!(sent(&jar, SHOP), "b=2");
}
