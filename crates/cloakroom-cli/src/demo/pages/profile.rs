//! The page of somebody who is signed in.

use std::time::SystemTime;

use cloakroom::Session;
use maud::{Markup, html};

use super::frame::{Frame, token};
use super::things;
use crate::demo::visitor::{User, Visitor};
use crate::demo::words::in_words;

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
                (fact("Signed in", &user.signed_in.map_or("some time ago".to_owned(), |since| format!("{} ago", in_words(since)))))
                (fact("Ends when unused", &from_now(session.expires())))
                (fact("Ends in any case", &session.deadline().map_or("never".to_owned(), from_now)))
                div { dt { "Signed in on" } dd { a href="/devices" { (browsers(sessions)) } } }
                div { dt { "Cart" } dd { a href="/cart" { (things(visitor.cart.count())) } } }
            }
            div.actions { (actions(visitor, user)) }
        }
    })
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn from_now(instant: SystemTime) -> String {
    let left = instant.duration_since(SystemTime::now());
    format!("in {}", in_words(left.unwrap_or_default()))
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
        form method="post" action="/logout" {
            (token(visitor))
            button.button type="submit" { "Sign out" }
        }
        a.button.quiet href="/devices" { "Where I am signed in" }
        a.button.quiet href="/password" { "Change the password" }
        @if user.is_admin() { a.button.quiet href="/admin" { "The back office" } }
    }
}
