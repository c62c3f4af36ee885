//! The header fields of responses: the cookie with its attributes, and the fields for caches.

use std::sync::Arc;

use axum::http::Method;

use super::browser::{FORM, attribute};
use super::site::Site;

pub(super) async fn a_cookie_has_the_attributes_of_its_policy(site: Arc<Site>) {
    let mut plain = site.browser();
    let answer = plain.post("/cart", &[]).await;
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.starts_with("connect.sid=s%3A"), "{cookie}");
    let said = |name| attribute(cookie, name);
    assert_eq!(
        (
            said("Path"),
            said("HttpOnly"),
            said("SameSite"),
            said("Secure")
        ),
        (Some("/"), Some(""), Some("Lax"), None)
    );
    assert!(said("Expires").unwrap().ends_with(" GMT"), "{cookie}");
    assert_eq!((said("Domain"), said("Priority")), (None, None));
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["vary"], "Cookie");
}

pub(super) async fn a_trusted_proxys_https_makes_it_secure(site: Arc<Site>) {
    for (mut browser, proto, is_secure) in [
        (site.browser_behind_proxy(), "https", true),
        // X4: what stands to the left, the client may have written.
        (site.browser_behind_proxy(), "https, http", false),
        (site.browser_behind_proxy(), "http", false),
        (site.browser_behind_proxy(), "http, https", true),
        (site.browser(), "https", false),
    ] {
        let request = browser.request(Method::POST, "/cart");
        let request = request.header("content-type", FORM);
        let request = request.header("sec-fetch-site", "same-origin");
        let answer = browser
            .send(request.header("x-forwarded-proto", proto), "")
            .await;
        let cookie = answer.set_cookie().unwrap();
        assert_eq!(attribute(cookie, "Secure").is_some(), is_secure, "{proto}");
    }
}

pub(super) async fn a_response_without_a_session_carries_no_session_fields(site: Arc<Site>) {
    let mut browser = site.browser();
    browser.post("/cart", &[]).await;
    site.app.store.take_calls();
    let answer = browser.get("/plain").await;
    assert_eq!(site.app.store.take_calls(), Vec::<&str>::new());
    assert_eq!(answer.set_cookie(), None);
    for name in ["cache-control", "vary"] {
        assert_eq!(answer.headers.get(name), None, "{name}");
    }
    // One that is read and left as it is has its privacy, and no new cookie.
    let answer = browser.get("/").await;
    assert_eq!(answer.set_cookie(), None);
    assert_eq!(answer.headers["cache-control"], "no-store");
    // A visitor who leaves nothing gets nothing, and costs nothing.
    let answer = site.browser().get("/").await;
    assert_eq!(answer.set_cookie(), None);
    assert_eq!(site.app.store.take_calls(), ["get"]);
}

pub(super) async fn two_layers_keep_two_sessions_apart(site: Arc<Site>) {
    let mut browser = site.browser();
    let answer = browser.get("/side").await;
    assert_eq!(answer.body, "main 1, side 1");
    let cookies = answer.set_cookies();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    let second = cookies.iter().find(|field| field.starts_with("side.sid="));
    assert_eq!(attribute(second.unwrap(), "Path"), Some("/side"));
    assert_ne!(browser.cookie("side.sid"), browser.cookie("connect.sid"));
    assert_eq!(browser.get("/side").await.body, "main 2, side 2");
    // The end of one is not the end of the other.
    browser.post("/logout", &[]).await;
    assert_eq!(browser.get("/side").await.body, "main 1, side 3");
    // A ticket of one is none of the other.
    let ticket = browser.cookie("side.sid").unwrap();
    let mut crossed = site.browser();
    crossed.plant(&ticket);
    assert_eq!(crossed.get("/side").await.body, "main 1, side 1");
}
