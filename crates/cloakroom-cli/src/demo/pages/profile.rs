//! The page of a signed-in user.

use std::time::{Duration, SystemTime};

use cloakroom::Session;
use maud::{Markup, html};

use super::frame::{Frame, token};
use super::things;
use crate::demo::visitor::{User, Visitor};
use crate::demo::words::{Instant, in_words, until};

/// `GET /profile`; `sessions` is how many the user has.
pub(crate) fn profile(
    visitor: &Visitor,
    user: &User,
    session: &Session,
    sessions: usize,
) -> Markup {
    let frame = Frame {
        title: "Profile",
        here: "/profile",
        visitor: Some(visitor),
    };
    frame.around(&html! {
        div.narrow {
            p.eyebrow { "Signed in as" }
            h1 { (user.id) }
            ul.tags role="list" aria-label="Roles" { @for role in &user.roles { li { (role) } } }
            dl.facts {
                (fact("Signed in", &signed_in(user)))
                (fact("Ends if you do nothing more", &moment(session.expires())))
                (fact("Ends at the latest", &session.deadline().map_or(html! { "never" }, moment)))
                div { dt { "Signed in on" } dd { a href="/devices" { (browsers(sessions)) } } }
                div { dt { "Cart" } dd { a href="/cart" { (things(visitor.cart.count())) } } }
            }
            div.actions { (actions(visitor, user)) }
        }
    })
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn signed_in(user: &User) -> Markup {
    html! {
        @match user.signed_in {
            Some(since) => { (in_words(since)) " ago" }
            None => "some time ago",
        }
    }
}

/// Renders the time left and the instant itself: in UTC, which the page's script makes local.
fn moment(at: SystemTime) -> Markup {
    let left = at.duration_since(SystemTime::now()).unwrap_or_default();
    let instant = Instant::from(at);
    html! {
        span.left { (until(rounded(left))) }
        time datetime=(instant.machine) { (instant.people) }
    }
}

/// The whole seconds that are left, of a page that takes a moment to be made and read.
fn rounded(left: Duration) -> Duration {
    Duration::from_secs((left + Duration::from_millis(500)).as_secs())
}

fn browsers(sessions: usize) -> String {
    match sessions {
        0 | 1 => "this browser".to_owned(),
        2 => "this browser and 1 other".to_owned(),
        _ => format!("this browser and {} others", sessions - 1),
    }
}

fn actions(visitor: &Visitor, user: &User) -> Markup {
    html! {
        a.button href="/devices" { "Where I am signed in" }
        a.button.quiet href="/password" { "Change the password" }
        @if user.is_admin() { a.button.quiet href="/admin" { "The back office" } }
        form method="post" action="/logout" {
            (token(visitor))
            button.button.quiet type="submit" { "Sign out" }
        }
    }
}
