//! The page of a failed request. It reads no store, which may be what failed.

use axum::http::StatusCode;
use maud::{Markup, html};

use super::frame::Frame;

/// The page of a status; `said` is what the failure says of itself.
pub(crate) fn failure(status: StatusCode, said: &str) -> Markup {
    let (title, sentence) = match said {
        "this form is out of date: load its page again" => (
            "That form is out of date",
            "It was made for another sign-in, and nothing was done. Load its page again.",
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
        visitor: None,
    };
    frame.around(&html! {
        div.failure {
            div.ticket.blank aria-hidden="true" {
                div.stub { span.mark { "Ticket" } span.number { "No. " (status.as_u16()) } }
            }
            h1 { (title) }
            p.lead { (sentence) }
            p.actions {
                @if status == StatusCode::UNAUTHORIZED { a.button href="/login?again=1" { "Sign in" } }
                a.button.quiet href="/" { "Back to the shop" }
            }
        }
    })
}

fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::UNAUTHORIZED => (
            "Who is there?",
            "This is for people who signed in, and for some things not long ago.",
        ),
        StatusCode::FORBIDDEN => (
            "Staff only",
            "Your ticket does not open this door. Another account may.",
        ),
        StatusCode::TOO_MANY_REQUESTS => (
            "One at a time",
            "That was tried too often. Wait a little, and try again.",
        ),
        StatusCode::NOT_FOUND => ("No such hook", "Nothing hangs at this address."),
        StatusCode::METHOD_NOT_ALLOWED => ("Not like that", "This address takes other requests."),
        StatusCode::CONFLICT => (
            "That session is over",
            "It was ended while this request was under way. Sign in again.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "The rail is out of reach",
            "Our store does not answer. You are still signed in; try again in a moment.",
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
