//! Forged cookies and addresses.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::http::header::COOKIE;
use axum::http::{HeaderValue, Method, StatusCode};
use cloakroom::cookie::sign;
use cloakroom::{KeyRing, SessionId};

use super::browser::location;
use super::site::Site;
use crate::support::keys;

pub(super) async fn a_planted_id_opens_nothing_after_the_login(site: Arc<Site>) {
    let (mut attacker, user) = (site.browser(), site.user("ada"));
    attacker.post("/cart", &[]).await;
    let planted = attacker.ticket();
    let mut victim = site.browser();
    victim.plant(&planted);
    assert_eq!(victim.who().await, "nobody with a hat");
    victim.login(&user).await;
    assert_ne!(victim.ticket(), planted);
    assert_eq!(victim.who().await, format!("{user} with a hat"));
    assert_eq!(attacker.who().await, "nobody with nothing");
    assert_eq!(site.sessions_of(&user).await, 1);
}

pub(super) async fn a_tampered_cookie_is_anonymous(site: Arc<Site>) {
    let (mut browser, user) = (site.browser(), site.user("ada"));
    browser.login(&user).await;
    let ticket = browser.ticket();
    let (id, signature) = ticket["s%3A".len()..].split_once('.').unwrap();
    let other = if id.starts_with('A') { "B" } else { "A" };
    let of_another = sign(
        id,
        &KeyRing::new("another secret, just as long as ours is").unwrap(),
    );
    let mut tampered = vec![
        String::new(),
        "undefined".to_owned(),
        id.to_owned(),
        format!("s%3A{id}"),
        format!("s%3A{id}."),
        format!("{id}.{signature}"),
        format!("j%3A{id}.{signature}"),
        format!("s%3A{other}{}.{signature}", &id[1..]),
        format!("s%3A{id}x.{signature}"),
        format!("s%3A{id}%00.{signature}"),
        format!("s%3A../{id}.{signature}"),
        format!("s%3A{of_another}"),
        format!("{ticket}x"),
        format!("{ticket}%"),
        format!("{ticket}%ff"),
        ticket[..ticket.len() - 1].to_owned(),
        ticket.to_uppercase(),
        "s%3A.".to_owned(),
        "%".repeat(500),
    ];
    tampered.push(format!("\"{}\"x", &ticket));
    for value in tampered {
        let mut stranger = site.browser();
        stranger.plant(&value);
        site.app.store.take_calls();
        let answer = stranger.get("/").await;
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::OK, "nobody with nothing"),
            "{value}"
        );
        assert_eq!(answer.set_cookie(), None, "{value}");
        // It does not reach the store.
        assert_eq!(site.app.store.take_calls(), Vec::<&str>::new(), "{value}");
    }
    raw_bytes(&site).await;
    assert_eq!(browser.who().await, format!("{user} with nothing"));
}

/// Cookie fields that are no text.
async fn raw_bytes(site: &Site) {
    for field in [
        &b"connect.sid=\xff\xfe"[..],
        b"connect.sid=s%3A\x80.\x80",
        b"\xc3\x28=1; connect.sid=s:\xe2\x82",
        b";;;=;=;connect.sid",
    ] {
        let mut stranger = site.browser();
        let request = stranger.request(Method::GET, "/");
        let field = HeaderValue::from_bytes(field).unwrap();
        let answer = stranger.send(request.header(COOKIE, field), "").await;
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::OK, "nobody with nothing")
        );
    }
}

pub(super) async fn an_id_that_the_store_does_not_know_is_not_adopted(site: Arc<Site>) {
    let id = SessionId::random();
    let planted = format!("s:{}", sign(id.expose(), &keys()));
    let mut browser = site.browser();
    browser.plant(&planted);
    assert_eq!(browser.who().await, "nobody with nothing");
    assert_eq!(browser.ticket(), planted, "its cookie is left alone");
    browser.post("/cart", &[]).await;
    assert!(!browser.ticket().contains(id.expose()));
    assert_eq!(browser.who().await, "nobody with a hat");
    let mut attacker = site.browser();
    attacker.plant(&planted);
    assert_eq!(attacker.who().await, "nobody with nothing");
}

pub(super) async fn a_large_cookie_field_hides_no_session_and_is_no_error(site: Arc<Site>) {
    let (mut browser, user) = (site.browser(), site.user("ada"));
    browser.login(&user).await;
    let mut junk = String::new();
    for number in 0..2_000 {
        write!(junk, "name{number}=value; ").unwrap();
    }
    let request = browser.request(Method::GET, "/");
    let field = format!("{junk}connect.sid={}", browser.ticket());
    let mut copy = site.browser();
    let answer = copy.send(request.header(COOKIE, field), "").await;
    assert_eq!(answer.body, format!("{user} with nothing"));
    // Beyond what a server reads it is refused, or the connection ends.
    let request = browser.request(Method::GET, "/");
    let huge = format!("connect.sid={}", "x".repeat(2 << 20));
    if let Ok(answer) = copy.try_send(request.header(COOKIE, huge), "").await {
        assert!(answer.status.is_client_error(), "{}", answer.status);
    }
    assert_eq!(browser.who().await, format!("{user} with nothing"));
}

pub(super) async fn a_login_redirects_within_the_site_only(site: Arc<Site>) {
    let (mut browser, user) = (site.browser(), site.user("ada"));
    for next in [
        "//evil.example",
        "///evil.example",
        "////evil.example/%2e%2e",
        "/\\evil.example",
        "\\/evil.example",
        "\\\\evil.example",
        "/\\/evil.example",
        "https://evil.example",
        "https:evil.example",
        "https:/evil.example",
        "HtTpS://evil.example",
        "//evil.example@127.0.0.1/",
        "http://127.0.0.1@evil.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "/%2f/evil.example",
        "/%5cevil.example",
        "/.//evil.example",
        "/..//evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/\r\nLocation: https://evil.example",
        "/\r\n\r\n<script>",
        "/%0d%0aSet-Cookie:a=b",
        "/\u{2044}/evil.example",
        "/\u{ff0f}evil.example",
        "/\0/evil.example",
        "evil.example",
        "?next=/",
        "",
    ] {
        let answer = browser
            .post("/login", &[("user", &user), ("next", next)])
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{next:?}");
        assert_eq!(location(&answer), Some("/"), "{next:?}");
    }
    for next in ["/admin?x=1&y=//a", "/a/b.html#top", "/%E2%82%AC"] {
        let answer = browser
            .post("/login", &[("user", &user), ("next", next)])
            .await;
        assert_eq!(location(&answer), Some(next));
    }
}
