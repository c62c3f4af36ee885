//! "Remember me": one session's own time-outs, for its browser and for other sessions.

use std::time::Duration;

use axum::http::StatusCode;
use testbed::browser::{Ask, Tab};

use super::{on_both, sign_in, signed_in, site, who};
use crate::scenarios::site::{Framework, Site};

const DAY: Duration = Duration::from_hours(24);

on_both!(
    a_remembered_login_lasts_as_long_as_asked
    a_login_remembered_for_less_ends_sooner
    a_login_of_the_same_user_keeps_remember_me_and_another_ends_it
    a_policy_without_remember_refuses_it
);

fn sign_in_for(user: &str, days: &str) -> Ask {
    Ask::form("/login", &[("user", user), ("days", days)])
}

async fn remembering(framework: Framework) -> Site {
    site(framework, |policy| policy.remember_at_most(30 * DAY)).await
}

async fn assert_in(tab: &Tab, user: &str, what: &str) {
    assert_eq!(who(tab).await, format!("{user} with nothing"), "{what}");
}

async fn assert_out(tab: &Tab, what: &str) {
    assert_eq!(who(tab).await, "nobody with nothing", "{what}");
}

async fn a_remembered_login_lasts_as_long_as_asked(framework: Framework) {
    let site = remembering(framework).await;
    // A policy bounds what is asked for.
    for (days, lasts) in [("30", 30 * DAY), ("7.5", 15 * DAY / 2), ("400", 30 * DAY)] {
        let (browser, user) = (site.tabs(), site.user("ada"));
        let answer = browser.tab().ask(sign_in_for(&user, days)).await;
        let cookie = answer.set_cookie().unwrap().to_owned();
        let max_age = format!("Max-Age={}", lasts.as_secs());
        assert!(cookie.contains(&max_age), "{cookie}");
        browser.close();
        // It rests for all of its time but a second.
        site.app
            .clock
            .advance(lasts.saturating_sub(Duration::from_secs(1)));
        assert_in(&browser.tab(), &user, days).await;
        site.app.clock.advance(Duration::from_secs(1));
        assert_out(&browser.tab(), days).await;
        assert_eq!(site.sessions_of(&user).await, 0);
    }
    // The others go by the policy.
    let browser = signed_in(&site, "eve").await;
    site.app.clock.advance(Duration::from_mins(31));
    assert_out(&browser.tab(), "not remembered").await;
}

async fn a_login_remembered_for_less_ends_sooner(framework: Framework) {
    let site = remembering(framework).await;
    // Ten minutes.
    let sign_in = || sign_in_for("ada", "0.0069444444444444444");
    let (used, left) = (site.tabs(), site.tabs());
    used.tab().ask(sign_in()).await;
    left.tab().ask(sign_in()).await;
    for minute in 1..=9 {
        site.app.clock.advance(Duration::from_mins(1));
        assert_in(&used.tab(), "ada", &format!("minute {minute}")).await;
    }
    site.app.clock.advance(Duration::from_mins(1));
    assert_out(&used.tab(), "in use").await;
    assert_out(&left.tab(), "at rest").await;
}

async fn a_login_of_the_same_user_keeps_remember_me_and_another_ends_it(framework: Framework) {
    let site = remembering(framework).await;
    let (browser, user) = (site.tabs(), site.user("ada"));
    let tab = browser.tab();
    tab.ask(sign_in_for(&user, "30")).await;
    site.app.clock.advance(20 * DAY);
    tab.ask(sign_in(&user)).await;
    site.app.clock.advance(29 * DAY);
    assert_in(&tab, &user, "after a login of the same user").await;
    let eve = site.user("eve");
    let answer = tab.ask(sign_in(&eve)).await;
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.contains("Max-Age=86400"), "{cookie}");
    site.app.clock.advance(Duration::from_mins(29));
    assert_in(&tab, &eve, "another user").await;
    site.app.clock.advance(Duration::from_mins(31));
    assert_out(&tab, "another user").await;
}

async fn a_policy_without_remember_refuses_it(framework: Framework) {
    let site = site(framework, |policy| policy).await;
    let browser = site.tabs();
    let answer = browser.tab().ask(sign_in_for("ada", "30")).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
}
