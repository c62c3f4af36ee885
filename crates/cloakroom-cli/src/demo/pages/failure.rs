//! The page of a failed request.

use axum::http::StatusCode;
use maud::{Markup, html};

use super::frame::Frame;
use crate::demo::visitor::Visitor;

/// The page of a status; `said` is the failure's own message, and `visitor` is `None` where the session
/// is not known, as when the store failed.
pub(crate) fn failure(status: StatusCode, said: &str, visitor: Option<&Visitor>) -> Markup {
    let (title, sentence) = match said {
        "this form is out of date: load its page again" => (
            "That form is out of date",
            "It was made for another sign-in, and nothing was done. Load its page again.",
        ),
        "this form has no token, and its request names no Origin"
        | "this request needs the header X-CSRF-Token" => (
            "Nothing says where this comes from",
            "A browser sends Origin with a form, and a script X-CSRF-Token. Nothing was done; from a terminal add -H 'Origin: …' with the shop's address.",
        ),
        "this request comes from another site" => (
            "Not from here",
            "Another site sent this request in your name, and nothing was done.",
        ),
        _ => words(status),
    };
    let frame = Frame {
        title,
        here: "",
        visitor,
    };
    frame.around(&html! {
        div.failure {
            div.ticket.blank aria-hidden="true" {
                div.stub { span.mark { "Ticket" } span.number { "No. " (status.as_u16()) } }
            }
            h1 { (title) }
            p.lead { (sentence) }
            p.actions {
                @if let Some((href, label)) = way_on(status) { a.button href=(href) { (label) } }
                a.button.quiet href="/" { "Back to the shop" }
            }
        }
    })
}

/// The link that helps, where one does.
fn way_on(status: StatusCode) -> Option<(&'static str, &'static str)> {
    match status {
        StatusCode::UNAUTHORIZED => Some(("/login?again=1", "Sign in")),
        StatusCode::FORBIDDEN => Some(("/login", "Use another account")),
        StatusCode::CONFLICT => Some(("/login", "Sign in")),
        StatusCode::SERVICE_UNAVAILABLE => Some(("", "Try again")),
        _ => None,
    }
}

fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::UNAUTHORIZED => (
            "Sign in first",
            "This page is for people who are signed in; for some things, who signed in a short while ago.",
        ),
        StatusCode::FORBIDDEN => (
            "Staff only",
            "You are not allowed to open this page with the account that you are signed in with.",
        ),
        StatusCode::TOO_MANY_REQUESTS => (
            "Too many attempts",
            "That was tried too often. Wait a little, and try again.",
        ),
        StatusCode::NOT_FOUND => ("Page not found", "Nothing hangs at this address."),
        StatusCode::METHOD_NOT_ALLOWED => (
            "That does not work here",
            "This address takes other requests.",
        ),
        StatusCode::CONFLICT => (
            "That session is over",
            "It was ended while this request was under way. Sign in again.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "The rail is out of reach",
            "Our store does not answer. Nothing is lost: if you were signed in, you still are. Try again in a moment.",
        ),
        status if status.is_server_error() => (
            "Something tore",
            "That was our fault. What you left with us is safe.",
        ),
        _ => (
            "We could not read that",
            "The request was not what this address expects. Go back and try again.",
        ),
    }
}
