//! The page for the role admin.

use maud::{Markup, html};

use super::frame::{Frame, token};
use crate::demo::visitor::Visitor;

/// A user, with the number of their sessions.
pub(crate) struct Guest {
    pub(crate) name: &'static str,
    pub(crate) sessions: usize,
}

/// `GET /admin`.
pub(crate) fn admin(visitor: &Visitor, sessions: u64, guests: &[Guest]) -> Markup {
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
            ul.devices role="list" { @for guest in guests { (entry(visitor, guest)) } }
            p.note {
                "The store counts what has not expired. A visitor who only looks is not among them: "
                "a session is stored when there is something to keep. What is ended here ends on "
                "every server."
            }
        }
    })
}

fn entry(visitor: &Visitor, guest: &Guest) -> Markup {
    let action = format!("/admin/users/{}/end", guest.name);
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
                form method="post" action=(action) {
                    (token(visitor))
                    button.small type="submit" {
                        "End every session" span.hidden { " of " (guest.name) }
                    }
                }
            }
        }
    }
}
