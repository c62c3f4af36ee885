//! V2: a request that was sent before the id changed, and arrives after it, signs no user out.

use axum::body::Bytes;
use axum::http::{Method, Request, StatusCode};
use testbed::browser::{Answer, Ask, Browser};

use super::{Order, on_both_by_default, sign_in, signed_in, who};
use crate::scenarios::site::Site;

on_both_by_default!(
    v2_a_late_request_does_not_end_a_new_login
    v2_an_id_from_before_the_login_opens_nothing
    v2_a_late_request_does_not_undo_a_change_of_the_id
    v2_a_client_that_lost_a_login_response_can_log_in_again
);

/// Returns the requests that a tab may have sent before the login, with a token of its page.
fn late(token: &str) -> [(&'static str, Ask); 6] {
    // As a browser that says nothing of where its requests come from.
    let form = Request::post("/cart").header("content-type", "application/x-www-form-urlencoded");
    let form = form.body(Bytes::from(format!("_csrf={token}"))).unwrap();
    [
        ("page", Ask::page("/")),
        ("fetch", Ask::fetch(Method::GET, "/")),
        ("write", Ask::fetch(Method::POST, "/cart")),
        ("step", Ask::fetch(Method::GET, "/count")),
        ("token", Ask::page("/token")),
        ("form", Ask::bare(form)),
    ]
}

/// Asserts the response to a request by an id that was closed.
fn assert_nobody(kind: &str, answer: &Answer) {
    let status = answer.status;
    match kind {
        "page" | "fetch" => assert_eq!(answer.body, "nobody with nothing"),
        "write" | "step" => assert_eq!(status, StatusCode::CONFLICT, "{}", answer.body),
        "form" => assert!(status.is_client_error(), "{status}: {}", answer.body),
        _ => {}
    }
    assert_eq!(answer.set_cookies(), [""; 0], "{kind}");
}

async fn assert_writes(browser: &Browser, user: &str) {
    let tab = browser.tab();
    let answer = tab.form("/cart", &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(who(&tab).await, format!("{user} with a hat"));
}

pub(super) async fn v2_a_late_request_does_not_end_a_new_login(site: &Site) {
    for (number, order) in Order::ALL.into_iter().enumerate() {
        for at in 0..late("").len() {
            let user = site.user("ada");
            let (browser, what) = (site.tabs(), format!("{at}, {order:?}, {number}"));
            let (one, two) = (browser.tab(), browser.tab());
            let token = one.page("/token").await.body;
            let (kind, ask) = late(&token)[at].clone();
            let (late, login) = (one.hold(ask), two.hold(sign_in(&user)));
            assert_eq!(late.cookies(), login.cookies(), "both have the first id");
            let (late, login) = order.play(late, login).await;
            assert_eq!(login.status, StatusCode::SEE_OTHER, "{what}");
            if order.is_late() {
                assert_nobody(kind, &late);
            }
            assert_eq!(late.set_cookies(), [""; 0], "{kind} {what}");
            let seen = who(&two).await;
            assert!(seen.starts_with(&user), "{kind} {what}: {seen}");
            assert_writes(&browser, &user).await;
        }
    }
}

/// The thief planted the id, or stole it: it reads nothing of the user's, and changes nothing.
pub(super) async fn v2_an_id_from_before_the_login_opens_nothing(site: &Site) {
    let user = site.user("ada");
    let browser = site.tabs();
    let token = browser.tab().page("/token").await.body;
    let thief = browser.copy();
    browser.tab().ask(sign_in(&user)).await;
    for (kind, ask) in late(&token) {
        let answer = thief.copy().tab().ask(ask).await;
        assert_nobody(kind, &answer);
        let seen = who(&browser.tab()).await;
        assert_eq!(seen, format!("{user} with nothing"), "{kind}");
    }
    assert_eq!(site.sessions_of(&user).await, 1);
    // A login with it gets a session of its own, and none of the user's data.
    let eve = site.user("eve");
    assert_writes(&browser, &user).await;
    thief.tab().ask(sign_in(&eve)).await;
    assert_eq!(who(&thief.tab()).await, format!("{eve} with nothing"));
    assert_eq!(who(&browser.tab()).await, format!("{user} with a hat"));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    StepUp,
    Password,
    Logout,
    Regenerate,
}

impl Change {
    const ALL: [Self; 4] = [Self::StepUp, Self::Password, Self::Logout, Self::Regenerate];

    fn ask(self, user: &str) -> Ask {
        match self {
            Self::StepUp => sign_in(user),
            Self::Password => Ask::form("/password/changed", &[]),
            Self::Logout => Ask::form("/logout", &[]),
            Self::Regenerate => Ask::form("/regenerate", &[]),
        }
    }
}

pub(super) async fn v2_a_late_request_does_not_undo_a_change_of_the_id(site: &Site) {
    for change in Change::ALL {
        for order in Order::ALL {
            for (kind, ask) in late("no token") {
                let (what, user) = (format!("{kind}, {change:?}, {order:?}"), site.user("ada"));
                let browser = signed_in(site, &user).await;
                let (one, two) = (browser.tab(), browser.tab());
                let (late, changed) = (one.hold(ask), two.hold(change.ask(&user)));
                let (late, changed) = order.play(late, changed).await;
                assert!(changed.status.as_u16() < 400, "{what}: {}", changed.body);
                assert_eq!(late.set_cookies(), [""; 0], "{what}");
                if order.is_late() && change != Change::Regenerate {
                    assert_nobody(kind, &late);
                } else if kind == "page" {
                    assert!(late.body.starts_with(&user), "{what}: {}", late.body);
                } else if kind != "form" {
                    assert_eq!(late.status, StatusCode::OK, "{what}");
                }
                if change == Change::Logout {
                    assert_eq!(who(&two).await, "nobody with nothing", "{what}");
                    assert_eq!(site.sessions_of(&user).await, 0, "{what}");
                } else {
                    assert_writes(&browser, &user).await;
                }
            }
        }
    }
}

pub(super) async fn v2_a_client_that_lost_a_login_response_can_log_in_again(site: &Site) {
    let (browser, user) = (site.tabs(), site.user("ada"));
    let tab = browser.tab();
    tab.page("/token").await;
    let mut lost = tab.send(sign_in(&user));
    lost.answered().await;
    drop(lost);
    assert_eq!(who(&tab).await, "nobody with nothing");
    let answer = tab.ask(sign_in(&user)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(who(&tab).await, format!("{user} with nothing"));
    assert_writes(&browser, &user).await;
}
