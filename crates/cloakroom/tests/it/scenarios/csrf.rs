//! Cross-site request forgery in both frameworks.

use std::sync::Arc;

use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{Method, StatusCode};

use super::browser::{Browser, FORM, form};
use super::site::Site;
use crate::support::Answer;

/// A POST to `/echo` with these fields of the head, and no others that say where it comes from.
async fn submit(browser: &mut Browser, fields: &[(&str, &str)], body: &str) -> Answer {
    let mut request = browser.request(Method::POST, "/echo");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    browser.send(request, body).await
}

async fn status(browser: &mut Browser, fields: &[(&str, &str)], body: &str) -> u16 {
    submit(browser, fields, body).await.status.as_u16()
}

async fn token(browser: &mut Browser) -> String {
    browser.get("/token").await.body
}

pub(super) async fn fetch_metadata_and_origin_decide(site: Arc<Site>) {
    let (mut browser, user) = (site.browser(), site.user("ada"));
    browser.login(&user).await;
    let (token, own) = (token(&mut browser).await, browser.origin());
    let (own, port) = (own.as_str(), site.address().port());
    let (tls, sibling) = (
        own.replace("http:", "https:"),
        format!("http://127.0.0.1.evil.example:{port}"),
    );
    #[rustfmt::skip]
    let table: &[(u16, &[(&str, &str)])] = &[
        (200, &[("sec-fetch-site", "same-origin")]),
        (200, &[("sec-fetch-site", "none")]),
        (200, &[("origin", own)]),
        (403, &[("sec-fetch-site", "cross-site")]),
        (403, &[("sec-fetch-site", "cross-site"), ("origin", own)]),
        (403, &[("sec-fetch-site", "same-site"), ("origin", "http://blog.shop.example")]),
        (403, &[("sec-fetch-site", "SAME-ORIGIN")]),
        (403, &[("sec-fetch-site", "")]),
        (403, &[("origin", "null")]),
        (403, &[("origin", "")]),
        (403, &[("origin", "https://evil.example")]),
        (403, &[("origin", &tls)]),
        (403, &[("origin", &sibling)]),
        (403, &[]),
        // No token makes a cross-site request pass.
        (403, &[("sec-fetch-site", "cross-site"), ("x-csrf-token", &token)]),
        (403, &[("sec-fetch-site", "same-site"), ("x-csrf-token", &token)]),
        (403, &[("origin", "https://evil.example"), ("x-csrf-token", &token)]),
    ];
    for (expected, fields) in table {
        let answer = submit(&mut browser, fields, "x=1").await;
        assert_eq!(
            answer.status.as_u16(),
            *expected,
            "{fields:?}: {}",
            answer.body
        );
    }
    // A request that only reads does no harm.
    let reading = browser.request(Method::GET, "/echo");
    let reading = reading.header(ORIGIN, "https://evil.example");
    let reading = reading.header("sec-fetch-site", "cross-site");
    assert_eq!(browser.send(reading, "").await.status, StatusCode::OK);
}

pub(super) async fn a_token_decides_without_fetch_metadata_and_origin(site: Arc<Site>) {
    let (mut browser, mut other) = (site.browser(), site.browser());
    browser.login(&site.user("ada")).await;
    other.login(&site.user("eve")).await;
    let (one_tab, other_tab) = (token(&mut browser).await, token(&mut browser).await);
    assert_ne!(one_tab, other_tab, "each is masked again");
    for token in [&one_tab, &other_tab] {
        assert_eq!(
            status(&mut browser, &[("x-csrf-token", token)], "").await,
            200
        );
    }
    let of_other = token(&mut other).await;
    let (short, long, zeros) = (&one_tab[..40], format!("{one_tab}AA"), "A".repeat(86));
    for wrong in [&*of_other, short, &long, &zeros, "", "undefined"] {
        let body = form(&[("_csrf", wrong)]);
        let by_header = status(&mut browser, &[("x-csrf-token", wrong)], "").await;
        let by_form = status(&mut browser, &[("content-type", FORM)], &body).await;
        assert_eq!((by_header, by_form), (403, 403), "{wrong:?}");
    }
    // A visitor without a session has no token.
    let mut stranger = site.browser();
    assert_eq!(
        status(&mut stranger, &[("x-csrf-token", &one_tab)], "").await,
        403
    );
}

pub(super) async fn a_form_body_is_read_for_its_token_and_restored(site: Arc<Site>) {
    let mut browser = site.browser();
    browser.login(&site.user("ada")).await;
    let token = token(&mut browser).await;
    let kinds = [FORM, "application/x-www-form-urlencoded; charset=utf-8"];
    let filler = "x".repeat(100_000);
    for (kind, filler) in [(kinds[0], "short"), (kinds[1], &filler)] {
        let body = form(&[("a", "é&="), ("_csrf", &token), ("b", filler)]);
        let answer = submit(&mut browser, &[("content-type", kind)], &body).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.body == body, "it is not read whole");
    }
    let body = form(&[("_csrf", &token)]);
    for kind in [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/json",
    ] {
        assert_eq!(
            status(&mut browser, &[("content-type", kind)], &body).await,
            403
        );
    }
    let huge = form(&[("_csrf", &token), ("a", &"x".repeat(2 << 20))]);
    let request = browser
        .request(Method::POST, "/echo")
        .header(CONTENT_TYPE, FORM);
    // A server need not read what it refuses: the client may learn of it by a broken connection.
    if let Ok(answer) = browser.try_send(request, &huge).await {
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}

pub(super) async fn a_tab_from_before_the_login_is_out_of_date(site: Arc<Site>) {
    let (mut browser, user) = (site.browser(), site.user("ada"));
    let before = token(&mut browser).await;
    assert_eq!(
        status(&mut browser, &[("x-csrf-token", &before)], "").await,
        200
    );
    browser.login(&user).await;
    assert_eq!(
        status(&mut browser, &[("x-csrf-token", &before)], "").await,
        403
    );
    let after = token(&mut browser).await;
    assert_eq!(
        status(&mut browser, &[("x-csrf-token", &after)], "").await,
        200
    );
}

pub(super) async fn another_site_cannot_log_a_visitor_in(site: Arc<Site>) {
    let attacker = site.user("eve");
    let body = form(&[("user", &attacker)]);
    for fields in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("origin", "https://evil.example")],
        &[],
    ] {
        let mut victim = site.browser();
        let mut request = victim
            .request(Method::POST, "/login")
            .header(CONTENT_TYPE, FORM);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = victim.send(request, &body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{fields:?}");
        assert_eq!(answer.set_cookie(), None, "{fields:?}");
        assert_eq!(victim.who().await, "nobody with nothing");
    }
    // The login page's own form has a token, whose session begins with it.
    let mut visitor = site.browser();
    let token = token(&mut visitor).await;
    let request = visitor
        .request(Method::POST, "/login")
        .header(CONTENT_TYPE, FORM);
    let body = form(&[("user", &attacker), ("_csrf", &token)]);
    assert_eq!(
        visitor.send(request, &body).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(visitor.who().await, format!("{attacker} with nothing"));
}
