//! Groups 17, 21 and 22: redirects, outages, caches.

use cloakroom::store::StoreErrorKind;
use tokio::time::timeout;

use crate::support::{PATIENCE, Place};

#[tokio::test]
async fn g17_the_way_back_from_the_login_stays_on_the_site() {
    let place = Place::open().await;
    let page = [("Accept", "text/html")];
    #[rustfmt::skip]
    let table = [
        ("/cart?step=2",               Some("/login?next=/cart%3Fstep%3D2")),
        ("/a?next=//evil.example",     Some("/login?next=/a%3Fnext%3D//evil.example")),
        ("/a?next=https://evil",       Some("/login?next=/a%3Fnext%3Dhttps%3A//evil")),
        ("/a?x=%0d%0aLocation:evil",   Some("/login?next=/a%3Fx%3D%250d%250aLocation%3Aevil")),
        ("/evil.example",              Some("/login?next=/evil.example")),
        ("//evil.example",             None),
        ("/\\evil.example",            None),
        ("/%09/evil.example",          None),
        ("/%5cevil.example",           None),
        ("/%2fevil.example",           None),
        ("http://evil.example/x",      None),
        ("https:evil.example",         None),
        ("javascript:alert(1)",        None),
        ("/ /evil.example",            None),
    ];
    for (target, location) in table {
        let answer = place.get(target, &page).await;
        let status = if location.is_some() { 303 } else { 400 };
        assert_eq!(
            (answer.status, answer.field("location")),
            (status, location),
            "{target}"
        );
    }
    assert!(place.upstream.bytes().is_empty());
}

#[tokio::test]
async fn g21_an_outage_of_the_store_opens_no_door() {
    let place = Place::open().await;
    let cookie = place.user("ada", &["admin"]).await;
    let cookie = ("Cookie", cookie.as_str());
    let page = ("Accept", "text/html");
    for how in ["fail", "hang"] {
        match how {
            "fail" => place.sessions.store().fail(StoreErrorKind::Unavailable),
            _ => place.sessions.store().hang(),
        }
        for target in ["/other", "/admin", "/shared/a"] {
            let answer = timeout(PATIENCE, place.get(target, &[cookie, page]))
                .await
                .expect(how);
            assert_eq!(
                (answer.status, answer.field("location")),
                (503, None),
                "{how} {target}"
            );
            assert_eq!(answer.field("retry-after"), Some("1"));
        }
        assert!(place.upstream.take().is_empty());
        // What needs no session needs no store.
        assert_eq!(place.get("/public/a", &[cookie]).await.status, 200);
        assert_eq!(place.get("/other", &[]).await.status, 401);
        place.upstream.take();
        place.sessions.store().work();
    }
    place.sessions.store().take_calls();
    place.get("/public/a", &[cookie]).await;
    assert!(place.sessions.store().take_calls().is_empty());
}

#[tokio::test]
async fn g21_a_session_that_cannot_be_kept_alive_is_an_outage_too() {
    let place = Place::open().await;
    let cookie = place.user("ada", &[]).await;
    place.sessions.advance(std::time::Duration::from_mins(20));
    place.sessions.store().spare_reads();
    place.sessions.store().fail(StoreErrorKind::Unavailable);
    let status = place.get("/other", &[("Cookie", &cookie)]).await.status;
    // The touch is the library's to judge: what must not be is a request without a name.
    assert!([200, 503].contains(&status), "{status}");
    for seen in place.upstream.take() {
        assert_eq!(seen.all("x-session-user"), ["ada"]);
    }
}

#[tokio::test]
async fn g22_no_shared_cache_may_keep_what_depends_on_the_user() {
    let place = Place::open().await;
    let cookie = place.user("ada", &["admin"]).await;
    #[rustfmt::skip]
    let table = [
        ("/other/cacheable", Some("private, no-cache")),
        ("/other/private",   Some("private, max-age=60")),
        ("/other/plain",     Some("private, no-cache")),
        ("/admin/cacheable", Some("private, no-cache")),
    ];
    for (target, cache) in table {
        let answer = place.get(target, &[("Cookie", &cookie)]).await;
        assert_eq!(answer.field("cache-control"), cache, "{target} {answer:?}");
        assert_eq!(
            (answer.field("expires"), answer.field("x-accel-expires")),
            (None, None)
        );
        assert_eq!(answer.field("vary"), Some("Cookie"));
    }
    let answer = place.get("/public/cacheable", &[("Cookie", &cookie)]).await;
    assert_eq!(answer.field("cache-control"), Some("public, max-age=3600"));
    for fields in [&[][..], &[("Accept", "text/html")]] {
        let answer = place.get("/other/cacheable", fields).await;
        assert_eq!(answer.field("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn a_rule_sets_the_cache_control_of_its_responses() {
    let rules = "[[route]]\npath = \"/a\"\ncache = \"private, no-store\"\n[[route]]\npath = \"/b\"\npublic = true\n\
                 cache = \"public, max-age=60\"";
    let place = Place::with(cloakroom::testing::TestSessions::new(), rules).await;
    let cookie = place.user("ada", &[]).await;
    let answer = place.get("/a", &[("Cookie", &cookie)]).await;
    assert_eq!(answer.field("cache-control"), Some("private, no-store"));
    let answer = place.get("/b", &[]).await;
    assert_eq!(answer.field("cache-control"), Some("public, max-age=60"));
}

#[tokio::test]
async fn an_upstream_that_is_gone_is_502() {
    let place = Place::open().await;
    let gone = cloakroom_gate::Upstream::parse("http://127.0.0.1:1").unwrap();
    let proxy = crate::support::serve(place.gate.proxy(&gone)).await;
    let text = crate::support::head("GET", "/public/a", proxy, &[]);
    let answer = crate::support::raw(proxy, text.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(!answer.contains("127.0.0.1:1"), "{answer}");
}
