//! The page of a request that was not done. It asks no store, which may be what failed.

use axum::http::StatusCode;
use maud::{Markup, html};

use super::frame::Frame;

/// The page of a status.
pub(crate) fn failure(status: StatusCode) -> Markup {
    let (title, sentence) = words(status);
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
            p.actions { a.button href="/" { "Back to the shop" } }
        }
    })
}

fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::UNAUTHORIZED => (
            "Who is there?",
            "This page is for people who are signed in.",
        ),
        StatusCode::FORBIDDEN => (
            "Staff only",
            "Your ticket does not open this door. Another account may.",
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
