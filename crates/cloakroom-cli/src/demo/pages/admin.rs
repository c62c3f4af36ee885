//! The page for the role admin.

use maud::{Markup, html};

use super::frame::{Frame, token};
use crate::demo::visitor::Visitor;

/// A user, with the number of their sessions.
pub(crate) struct Guest {
    pub(crate) name: &'static str,
    pub(crate) sessions: usize,
}

/// The contents of the page.
pub(crate) struct Office {
    /// Number of live sessions.
    pub(crate) sessions: u64,
    pub(crate) guests: Vec<Guest>,
    /// `true` if the admin's login is recent enough to end sessions.
    pub(crate) may_end: bool,
}

/// `GET /admin`.
pub(crate) fn admin(visitor: &Visitor, office: &Office) -> Markup {
    let sessions = office.sessions;
    let frame = Frame {
        title: "The back office",
        here: "/admin",
        visitor: Some(visitor),
    };
    frame.around(&html! {
        div.narrow {
            p.eyebrow { "The back office" }
            h1 { "Coats on the rail" }
            p.figure {
                strong { (sessions) }
                span { @if sessions == 1 { "session is live" } @else { "sessions are live" } }
            }
            ul.devices role="list" { @for guest in &office.guests { (entry(visitor, guest, office.may_end)) } }
            p.note {
                "The store counts what has not expired. A visitor who only looks is not among them: "
                "a session is stored when there is something to keep. What is ended here ends on "
                "every server."
            }
        }
    })
}

fn entry(visitor: &Visitor, guest: &Guest, may_end: bool) -> Markup {
    html! {
        li {
            div.about {
                h2 { (guest.name) }
                p {
                    @match guest.sessions {
                        0 => "not signed in",
                        1 => "1 session",
                        count => { (count) " sessions" },
                    }
                }
            }
            @if guest.sessions > 0 {
                @if may_end { (ending(visitor, guest)) } @else { (step_up(guest)) }
            }
        }
    }
}

/// Renders the link for an admin who has to sign in again first.
fn step_up(guest: &Guest) -> Markup {
    html! {
        a.small.danger href="/login?again=1&next=/admin" {
            "Confirm your password to end them"
            span.hidden { ": sessions of " (guest.name) }
        }
    }
}

/// The button that ends a user's sessions, which says first how many they are.
fn ending(visitor: &Visitor, guest: &Guest) -> Markup {
    let action = format!("/admin/users/{}/end", guest.name);
    let count = match guest.sessions {
        1 => "1 session".to_owned(),
        count => format!("all {count} sessions"),
    };
    html! {
        details.ask {
            summary.small.danger { "End every session" span.hidden { " of " (guest.name) } }
            form method="post" action=(action) {
                (token(visitor))
                p { "Sign " (guest.name) " out everywhere, on every server?" }
                button.small.danger type="submit" { "End " (count) span.hidden { " of " (guest.name) } }
            }
        }
    }
}
