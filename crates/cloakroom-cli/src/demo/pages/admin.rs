//! The page for the role admin.

use maud::{Markup, html};

use super::frame::Frame;
use crate::demo::visitor::Visitor;

/// `GET /admin`.
pub(crate) fn admin(visitor: &Visitor, sessions: u64) -> Markup {
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
            p.note {
                "The store counts what has not expired. A visitor who only looks is not among them: "
                "a session is stored when there is something to keep."
            }
        }
    })
}
