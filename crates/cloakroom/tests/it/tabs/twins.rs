//! V4: two cookies of one name. V6: a login that was sent twice.

use axum::http::{Method, StatusCode};
use testbed::browser::{Ask, Browser, Context};

use super::{on_both, sign_in, signed_in, site, who};
use crate::scenarios::site::Framework;

on_both!(
    v4_a_cookie_whose_session_is_gone_does_not_hide_the_live_one
    v6_a_login_that_was_sent_twice_succeeds
);

/// Sets a second cookie of the session's name, which goes to `/account` before the first.
fn shadow(browser: &Browser, value: &str) {
    let field = format!("connect.sid={value}; Path=/account");
    let kept = browser.jar().keep(&field, &browser.url("/"), Context::OWN);
    kept.unwrap();
}

fn ticket(browser: &Browser) -> String {
    browser.jar().value("connect.sid").unwrap().to_owned()
}

async fn v4_a_cookie_whose_session_is_gone_does_not_hide_the_live_one(framework: Framework) {
    let site = site(framework, |policy| policy).await;
    let (old, ada) = (site.user("old"), site.user("ada"));
    let other = signed_in(&site, &old).await;
    let logged_out = ticket(&other);
    other.tab().form("/logout", &[]).await;
    other.tab().page("/token").await;
    let replaced = ticket(&other);
    other.tab().ask(sign_in(&old)).await;
    for gone in [logged_out, replaced] {
        let browser = signed_in(&site, &ada).await;
        let live = ticket(&browser);
        shadow(&browser, &gone);
        let held = browser.tab().hold(Ask::page("/account"));
        let expected = format!("connect.sid={gone}; connect.sid={live}");
        assert_eq!(held.cookies(), Some(expected.as_str()));
        let answer = held.arrive().deliver().await;
        assert_eq!(answer.body, format!("{ada} with nothing"));
        assert_eq!(answer.set_cookies(), [""; 0]);
        assert_eq!(who(&browser.tab()).await, format!("{ada} with nothing"));
        // A login ends what it finds, and there is no loop.
        browser.tab().ask(sign_in(&ada)).await;
        let answer = browser.tab().page("/account").await;
        assert_eq!(answer.body, format!("{ada} with nothing"));
    }
}

async fn v6_a_login_that_was_sent_twice_succeeds(framework: Framework) {
    let site = site(framework, |policy| policy).await;
    let app = &site.app;
    for path in ["/slow/login", "/slow/login/saved"] {
        for loser_first in [false, true] {
            let (browser, user) = (site.tabs(), site.user("ada"));
            let tab = browser.tab();
            tab.ask(Ask::fetch(Method::POST, "/cart")).await;
            let ask = || Ask::form(path, &[("user", &user)]);
            let mut winner = tab.send(ask());
            app.arrived.notified().await;
            let mut loser = browser.tab().send(ask());
            app.arrived.notified().await;
            app.go_on.notify_one();
            winner.answered().await;
            app.go_on.notify_one();
            loser.answered().await;
            let both = if loser_first {
                [loser, winner]
            } else {
                [winner, loser]
            };
            for flight in both {
                let answer = flight.deliver().await;
                let sent = answer.set_cookies().join(" | ");
                let what = format!("{path}, {loser_first}: {} {sent}", answer.body);
                assert_eq!(answer.status, StatusCode::SEE_OTHER, "{what}");
                let seen = who(&tab).await;
                assert!(seen.starts_with(&user), "{what}: {seen}");
            }
            let answer = tab.form("/cart", &[]).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
            assert_eq!(who(&tab).await, format!("{user} with a hat"), "{path}");
        }
    }
}
