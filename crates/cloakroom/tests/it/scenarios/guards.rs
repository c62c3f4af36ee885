//! Guards: the requests that pass, and the responses to the others.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use cloakroom::store::StoreErrorKind;

use super::browser::location;
use super::site::Site;
use crate::support::Answer;

const GUARDED: [&str; 3] = ["/program", "/admin", "/password"];

fn said(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status.as_u16(), location(answer))
}

pub(super) async fn a_program_gets_401_and_a_browser_a_login_redirect(site: Arc<Site>) {
    let mut browser = site.browser();
    for path in GUARDED {
        let answer = browser.get(path).await;
        assert_eq!(said(&answer), (401, None), "{path}");
        assert_eq!(answer.headers["www-authenticate"], "Session", "{path}");
        assert_eq!(answer.body, "nobody is signed in", "{path}");
    }
    let asked = "/admin?x=1&y=//evil.example%20";
    let answer = browser.page(asked).await;
    let to = "/login?next=/admin%3Fx%3D1%26y%3D//evil.example%2520";
    assert_eq!(said(&answer), (303, Some(to)));
    // Without a Referer there is no page to come back to after a form; and no login where none is named.
    let form = browser.request(Method::POST, "/admin");
    let form = form.header("accept", "text/html");
    let form = form.header("sec-fetch-site", "same-origin");
    assert_eq!(said(&browser.send(form, "").await), (303, Some("/login")));
    assert_eq!(said(&browser.page("/program").await), (401, None));
    // The way back leads where the visitor was going.
    let next = form_urlencoded::parse(&to.as_bytes()["/login?".len()..])
        .find_map(|(name, value)| (name == "next").then(|| value.into_owned()));
    assert_eq!(next.as_deref(), Some(asked));
    let user = site.user("ada");
    let answer = browser
        .post(
            "/login",
            &[("user", &user), ("role", "admin"), ("next", asked)],
        )
        .await;
    assert_eq!(said(&answer), (303, Some(asked)));
    assert_eq!(said(&browser.page(asked).await), (200, None));
}

pub(super) async fn a_user_without_the_role_gets_403_and_no_login_redirect(site: Arc<Site>) {
    let (mut browser, eve, ada) = (site.browser(), site.user("eve"), site.user("ada"));
    browser.login_as(&eve, "editor").await;
    assert_eq!(said(&browser.page("/admin").await), (403, None));
    assert_eq!(said(&browser.get("/admin").await), (403, None));
    assert_eq!(said(&browser.get("/program").await), (200, None));
    browser.login_as(&ada, "admin").await;
    assert_eq!(said(&browser.get("/admin").await), (200, None));
    browser.post("/logout", &[]).await;
    assert_eq!(said(&browser.get("/admin").await), (401, None));
}

pub(super) async fn a_login_that_is_too_long_ago_is_asked_for_again(site: Arc<Site>) {
    let (mut browser, user) = (site.browser(), site.user("ada"));
    browser.login(&user).await;
    assert_eq!(said(&browser.page("/password").await), (200, None));
    site.app.clock.advance(Duration::from_mins(6));
    let answer = browser.page("/password").await;
    assert_eq!(said(&answer), (303, Some("/login?next=/password&again=1")));
    assert_eq!(said(&browser.get("/password").await), (401, None));
    // Elsewhere the login still counts.
    assert_eq!(said(&browser.get("/program").await), (200, None));
    browser.login(&user).await;
    assert_eq!(said(&browser.page("/password").await), (200, None));
}

pub(super) async fn a_guard_lets_no_request_through_while_the_store_is_down(site: Arc<Site>) {
    let (mut browser, user) = (site.browser(), site.user("ada"));
    browser.login_as(&user, "admin").await;
    site.app.store.fail(StoreErrorKind::Unavailable);
    for path in GUARDED {
        let answer = browser.page(path).await;
        assert_eq!(said(&answer), (503, None), "{path}");
        assert_eq!(answer.headers["retry-after"], "1", "{path}");
    }
    // A request without a ticket is asked to sign in all the same: that is known without the store.
    assert_eq!(said(&site.browser().get("/program").await), (401, None));
    site.app.store.work();
    let answer = browser.page("/admin").await;
    assert_eq!(answer.status, StatusCode::OK);
}
