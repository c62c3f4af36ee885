//! Logins: their number, their addresses, and concurrent ones.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};

use super::browser::{Browser, FORM, form};
use super::site::Site;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

pub(super) async fn guesses_are_slowed_down(site: Arc<Site>) {
    let (mut browser, user) = (site.browser(), site.user("ada"));
    for _ in 0..3 {
        let fields = [("user", &*user), ("password", "guess")];
        assert_eq!(browser.post("/try", &fields).await.body, "wrong");
    }
    let right = [("user", &*user), ("password", "right")];
    let answer = browser.post("/try", &right).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers["retry-after"], "60");
    assert_eq!(answer.body, "too many attempts: try again in 60 seconds");
    assert_eq!(browser.who().await, "nobody with nothing");
    // Somebody else signs in meanwhile.
    let other = site.user("eve");
    let fields = [("user", &*other), ("password", "right")];
    assert_eq!(site.browser().post("/try", &fields).await.body, "right");
    site.app.clock.advance(Duration::from_mins(1));
    assert_eq!(browser.post("/try", &right).await.body, "right");
    assert_eq!(browser.who().await, format!("{user} with nothing"));
}

/// The lines of the user's list: handle, and what is said of it.
async fn devices(browser: &mut Browser) -> Vec<(String, String)> {
    let answer = browser.get("/devices").await;
    let lines = answer.body.lines().map(|line| {
        let (handle, said) = line.split_once(' ').unwrap();
        (handle.to_owned(), said.to_owned())
    });
    lines.collect()
}

pub(super) async fn a_user_lists_their_sessions_and_ends_one(site: Arc<Site>) {
    let (mut desk, mut phone, user) = (site.browser(), site.browser(), site.user("ada"));
    desk.login(&user).await;
    let request = phone.request(Method::POST, "/login");
    let request = request
        .header("user-agent", FIREFOX)
        .header("content-type", FORM);
    // Nobody has said that this peer may speak for others.
    let request = request.header("x-forwarded-for", "192.0.2.1");
    let request = request.header("sec-fetch-site", "same-origin");
    phone.send(request, &form(&[("user", &user)])).await;
    let mut stranger = site.browser();
    stranger.login(&site.user("eve")).await;
    let list = devices(&mut desk).await;
    assert_eq!(list.len(), 2);
    let (handle, _) = list
        .iter()
        .find(|(_, said)| said == "Firefox on Linux 127.0.0.1")
        .expect("the other is told apart");
    assert!(
        list.iter()
            .any(|(_, said)| said == "an unknown device 127.0.0.1*")
    );
    assert!(!phone.ticket().contains(handle.as_str()));
    let fields = [("handle", handle.as_str())];
    assert_eq!(stranger.post("/devices/end", &fields).await.body, "false");
    assert_eq!(phone.who().await, format!("{user} with nothing"));
    assert_eq!(desk.post("/devices/end", &fields).await.body, "true");
    assert_eq!(phone.who().await, "nobody with nothing");
    assert_eq!(devices(&mut desk).await.len(), 1);
    assert_eq!(devices(&mut phone).await, []);
    // A proxy that is trusted does speak for others.
    let mut proxied = site.browser_behind_proxy();
    let request = proxied
        .request(Method::POST, "/login")
        .header("content-type", FORM);
    let request = request.header("x-forwarded-for", "6.6.6.6, 192.0.2.1");
    let request = request.header("sec-fetch-site", "same-origin");
    proxied.send(request, &form(&[("user", &user)])).await;
    let list = devices(&mut desk).await;
    assert!(
        list.iter()
            .any(|(_, said)| said == "an unknown device 192.0.2.1"),
        "{list:?}"
    );
}

pub(super) async fn a_password_change_ends_the_others(site: Arc<Site>) {
    let (mut desk, mut phone, user) = (site.browser(), site.browser(), site.user("ada"));
    desk.post("/cart", &[]).await;
    desk.login(&user).await;
    phone.login(&user).await;
    let (mut thief, before) = (desk.copy(), desk.ticket());
    assert_eq!(desk.post("/password/changed", &[]).await.body, "1");
    assert_ne!(desk.ticket(), before);
    assert_eq!(desk.who().await, format!("{user} with a hat"));
    for browser in [&mut phone, &mut thief] {
        assert_eq!(browser.who().await, "nobody with nothing");
    }
}

pub(super) async fn above_the_limit_the_oldest_session_ends(site: Arc<Site>) {
    let user = site.user("ada");
    let mut tickets = Vec::new();
    for _ in 0..3 {
        let mut browser = site.browser();
        let answer = browser.post("/side/login", &[("user", &user)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        tickets.push(browser.cookie("side.sid").unwrap());
        site.app.clock.advance(Duration::from_secs(1));
    }
    let live = site.app.side.sessions_of(&user).await.unwrap();
    assert_eq!(live.len(), 2);
    let lives = |ticket: &&String| live.iter().any(|id| ticket.contains(id.expose()));
    let kept: Vec<&String> = tickets.iter().filter(lives).collect();
    assert_eq!(kept, [&tickets[1], &tickets[2]]);
}

pub(super) async fn above_the_limit_a_login_is_refused(site: Arc<Site>) {
    let user = site.user("ada");
    let (mut first, mut second) = (site.browser(), site.browser());
    first.post("/strict/login", &[("user", &user)]).await;
    second.post("/strict/cart", &[]).await;
    let answer = second.post("/strict/login", &[("user", &user)]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(
        answer
            .body
            .contains("as many sessions as the policy allows")
    );
    assert_eq!(second.get("/strict/who").await.body, "nobody with a hat");
    // Where it is asked for, a login clears what was there before; the same browser may sign in again.
    first.post("/strict/cart", &[]).await;
    let answer = first.post("/strict/login", &[("user", &user)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(
        first.get("/strict/who").await.body,
        format!("{user} with nothing")
    );
}
