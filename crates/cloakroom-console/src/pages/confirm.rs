//! The question before many sessions end, with their number, and before one's own.

use cloakroom::manager::{FoundSession, SessionFilter};
use maud::{Markup, html};

use super::View;
use super::frame::Frame;
use super::session::named;
use super::words::{number, sessions};
use crate::query;

/// The sessions that would end.
pub(crate) struct Confirmation<'a> {
    pub(crate) filter: &'a SessionFilter,
    pub(crate) found: u64,
    /// The operator's own session is one of them.
    pub(crate) has_own: bool,
    /// The number that was agreed to, where it was another.
    pub(crate) agreed: Option<u64>,
}

pub(crate) fn confirm(view: &View<'_>, confirmation: &Confirmation<'_>) -> Markup {
    let Confirmation {
        filter,
        found,
        has_own,
        agreed,
    } = *confirmation;
    let main = html! {
        h1 { (if found == 0 { "No session matches".to_owned() } else { format!("End {}?", sessions(found)) }) }
        @if let Some(agreed) = agreed {
            p.alert role="alert" { "Nothing was ended: " (number(found)) " match now, and " (number(agreed)) " were agreed to." }
        }
        p { "Those that match " code { (query::typed(filter)) } ", counted just now." }
        @if found > 0 {
            form.stack.act method="post" action=(view.to("/end")) {
                (view.token())
                @for (name, value) in query::fields(filter) { input type="hidden" name=(name) value=(value); }
                input type="hidden" name="expected" value=(found);
                label for="reason" { "Reason, for the audit" }
                input #reason name="reason" autocomplete="off" maxlength="500";
                @if has_own { label.check { input type="checkbox" name="own" value="1"; " My own session as well: I will be signed out" } }
                p.note { "They are counted again first. If the number is off by more than a tenth, nothing is ended." }
                div.actions {
                    button.danger type="submit" { "End " (sessions(found)) }
                    a.button href=(view.with("/sessions", &query::fields(filter))) { "Back to the list" }
                }
            }
        } @else { p { a.button href=(view.with("/sessions", &query::fields(filter))) { "Back to the list" } } }
    };
    Frame::new("End sessions", "/sessions").around(view, &main)
}

/// Returns the question before an operator's own session ends.
pub(crate) fn confirm_own(view: &View<'_>, found: &FoundSession, reason: &str) -> Markup {
    let main = html! {
        h1 { "End your own session?" }
        p.lead { "You are signed in by this session, and would be signed out." }
        form.stack.act method="post" action=(view.to("/session/end")) {
            (view.token()) (named(found))
            input type="hidden" name="reason" value=(reason);
            input type="hidden" name="own" value="1";
            div.actions {
                button.danger type="submit" { "End my session" }
                a.button href=(view.to("/")) { "Keep it" }
            }
        }
    };
    Frame::new("End your own session", "").around(view, &main)
}
