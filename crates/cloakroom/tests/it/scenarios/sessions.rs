//! Visits, logins and logouts, and what may happen between them.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use cloakroom::store::StoreErrorKind;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::browser::{FORM, location};
use super::site::Site;

pub(super) async fn a_visitor_is_known_again(site: Arc<Site>) {
    let (mut one, mut other) = (site.browser(), site.browser());
    for n in 1..=3 {
        assert_eq!(one.get("/count").await.body, n.to_string());
    }
    assert_eq!(other.get("/count").await.body, "1");
    // The frameworks keep requests for use again: nothing of one is found in the next.
    assert_eq!(site.browser().who().await, "nobody with nothing");
}

pub(super) async fn a_redirect_that_is_followed_at_once_finds_its_session(site: Arc<Site>) {
    for _ in 0..20 {
        let (mut browser, user) = (site.browser(), site.user("ada"));
        let answer = browser.post("/login", &[("user", &user)]).await;
        assert_eq!(location(&answer), Some("/"));
        // On another connection, which nothing holds up.
        assert_eq!(browser.copy().who().await, format!("{user} with nothing"));
    }
}

pub(super) async fn another_user_finds_nothing_of_the_first(site: Arc<Site>) {
    let (mut browser, ada, eve) = (site.browser(), site.user("ada"), site.user("eve"));
    browser.post("/cart", &[]).await;
    browser.login(&ada).await;
    browser.login(&ada).await;
    assert_eq!(browser.who().await, format!("{ada} with a hat"));
    browser.login(&eve).await;
    assert_eq!(browser.who().await, format!("{eve} with nothing"));
    assert_eq!(site.sessions_of(&ada).await, 0);
    assert_eq!(site.sessions_of(&eve).await, 1);
}

pub(super) async fn a_logout_ends_the_session_for_every_copy_of_its_cookie(site: Arc<Site>) {
    let (mut browser, user) = (site.browser(), site.user("ada"));
    browser.login(&user).await;
    let mut thief = browser.copy();
    assert_eq!(thief.who().await, format!("{user} with nothing"));
    let answer = browser.post("/logout", &[]).await;
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.starts_with("connect.sid=; Path=/; Expires=Thu, 01 Jan 1970"));
    assert_eq!(browser.cookie("connect.sid"), None);
    assert_eq!(thief.who().await, "nobody with nothing");
    assert_eq!(site.sessions_of(&user).await, 0);
}

pub(super) async fn a_logout_everywhere_ends_all_sessions_of_one_user(site: Arc<Site>) {
    let (ada, eve) = (site.user("ada"), site.user("eve"));
    let mut devices = [site.browser(), site.browser(), site.browser()];
    for device in &mut devices {
        device.login(&ada).await;
    }
    let mut stranger = site.browser();
    stranger.login(&eve).await;
    let mut thief = devices[0].copy();
    let answer = devices[0].post("/logout-everywhere", &[]).await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "2"));
    for device in devices.iter_mut().chain([&mut thief]) {
        assert_eq!(device.who().await, "nobody with nothing");
    }
    assert_eq!(stranger.who().await, format!("{eve} with nothing"));
}

pub(super) async fn a_session_that_ends_while_a_request_runs_stays_ended(site: Arc<Site>) {
    let (mut browser, user) = (site.browser(), site.user("ada"));
    browser.login(&user).await;
    let mut tab = browser.copy();
    let slow = tokio::spawn(async move {
        let answer = tab.post("/slow", &[]).await;
        (tab, answer)
    });
    site.app.arrived.notified().await;
    let mut thief = browser.copy();
    browser.post("/logout", &[]).await;
    site.app.go_on.notify_one();
    let (mut tab, answer) = slow.await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    // By now the client may have another: that one is not touched.
    assert_eq!(answer.set_cookie(), None);
    for browser in [&mut tab, &mut thief, &mut browser] {
        assert_eq!(browser.who().await, "nobody with nothing");
    }
    assert_eq!(site.sessions_of(&user).await, 0);
}

pub(super) async fn an_error_is_answered_with_the_session_stored(site: Arc<Site>) {
    let mut browser = site.browser();
    let answer = browser.post("/error", &[]).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.body, "the session failed");
    assert!(answer.set_cookie().is_some());
    assert_eq!(browser.who().await, "nobody with a hat");
}

pub(super) async fn a_client_that_disconnects_fails_no_other_save(site: Arc<Site>) {
    let (mut browser, user, app) = (site.browser(), site.user("ada"), &site.app);
    browser.login(&user).await;
    let mut doomed = TcpStream::connect(site.address()).await.unwrap();
    let head = format!(
        "POST /slow HTTP/1.1\r\nhost: {}\r\ncookie: connect.sid={}\r\nsec-fetch-site: same-origin\r\n\
         content-type: {FORM}\r\ncontent-length: 11\r\n\r\ncart=doomed",
        site.address(),
        browser.ticket()
    );
    doomed.write_all(head.as_bytes()).await.unwrap();
    app.arrived.notified().await;
    let mut tab = browser.copy();
    let tab = tokio::spawn(async move { tab.post("/slow", &[("cart", "a hat")]).await });
    app.arrived.notified().await;
    // The first is being saved, and its reply is held back; the second waits for its turn.
    app.store.take_calls();
    app.store.hold_answers();
    app.go_on.notify_one();
    while app.store.take_calls().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    app.go_on.notify_one();
    let soon = Duration::from_millis(50);
    tokio::time::sleep(soon).await;
    drop(doomed);
    tokio::time::sleep(soon).await;
    app.store.work();
    assert_eq!(tab.await.unwrap().status, StatusCode::OK);
    assert_eq!(browser.who().await, format!("{user} with a hat"));
}

pub(super) async fn a_store_that_is_down_is_no_empty_session(site: Arc<Site>) {
    let (mut browser, user) = (site.browser(), site.user("ada"));
    browser.login(&user).await;
    let (mut newcomer, ticket) = (site.browser(), browser.ticket());
    site.app.store.fail(StoreErrorKind::Unavailable);
    let read = browser.get("/").await;
    let expected = "the session store is unavailable";
    assert_eq!(
        (read.status, &*read.body),
        (StatusCode::SERVICE_UNAVAILABLE, expected)
    );
    assert_eq!(read.headers["retry-after"], "1");
    // A failed save is not answered as a success.
    let write = newcomer.post("/cart", &[]).await;
    assert_eq!(write.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((read.set_cookie(), write.set_cookie()), (None, None));
    assert_eq!(browser.get("/plain").await.body, "plain");
    site.app.store.work();
    assert_eq!(browser.ticket(), ticket);
    assert_eq!(browser.who().await, format!("{user} with nothing"));
}
