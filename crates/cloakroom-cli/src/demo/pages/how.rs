//! The page that shows what the browser holds and what the server holds.

use cloakroom::Session;
use maud::{Markup, html};

use super::frame::Frame;
use crate::demo::visitor::Visitor;

/// `GET /how`.
pub(crate) fn how(visitor: &Visitor, session: &Session, cookie_name: &str) -> Markup {
    let frame = Frame {
        title: "How it works",
        here: "/how",
        visitor: Some(visitor),
    };
    frame.around(&html! {
        div.intro {
            p.eyebrow { "How it works" }
            h1 { "Two halves of a ticket" }
            p.lead { "The coat hangs here. You carry a number that only we can have written." }
        }
        div.halves {
            section.half aria-labelledby="browser" {
                h2 #browser { "Your browser holds" }
                (browser(visitor, session, cookie_name))
            }
            section.half aria-labelledby="server" {
                h2 #server { "The server holds" }
                (server(visitor, session))
            }
        }
        (steps())
    })
}

fn browser(visitor: &Visitor, session: &Session, cookie_name: &str) -> Markup {
    if visitor.idle.is_none() {
        return html! { p.nothing { "No cookie. You have left nothing with us yet." } };
    }
    html! {
        p.wire {
            code {
                span.name { (cookie_name) } "=s:"
                span.part { "session id" } "." span.part { "signature" }
            }
        }
        dl.attributes {
            @for (name, value) in members(&session.cookie()) {
                div { dt { code { (name) } } dd { code { (value) } } }
            }
        }
        p.note { "One cookie. Scripts cannot read it, and its two values are never shown here either." }
    }
}

fn server(visitor: &Visitor, session: &Session) -> Markup {
    if visitor.idle.is_none() {
        return html! { p.nothing { "No record. A visitor who leaves nothing costs nothing." } };
    }
    html! {
        pre.record tabindex="0" aria-label="Your session's record" { code { (record(session)) } }
        p.note {
            "Your session's data, as it is stored. An Express application with the same secret and "
            "store reads and writes this very record."
        }
    }
}

/// The data as indented JSON: each value as it is stored, the keys in the record's order.
fn record(session: &Session) -> String {
    let line = |key: String| {
        // The secret of the CSRF tokens is not shown.
        let value = match key.as_str() {
            "csrfSecret" => Some(r#""…""#.to_owned()),
            key => session.get_raw(key).ok().flatten(),
        };
        let value = value.unwrap_or_default();
        let key = serde_json::Value::from(key);
        format!("  {key}: {value}")
    };
    let lines: Vec<String> = session.keys().into_iter().map(line).collect();
    if lines.is_empty() {
        return "{}".to_owned();
    }
    format!("{{\n{}\n}}", lines.join(",\n"))
}

/// The members of a JSON object, each with its value's text.
fn members(object: &str) -> Vec<(String, String)> {
    let value = serde_json::from_str::<serde_json::Value>(object);
    let members = value.ok().and_then(|value| value.as_object().cloned());
    let members = members.unwrap_or_default().into_iter();
    members
        .map(|(name, value)| (name, value.to_string()))
        .collect()
}

fn steps() -> Markup {
    html! {
        section.steps aria-labelledby="steps" {
            h2 #steps { "What to try" }
            ol {
                li { strong { "Just look." } " Delete the cookie and reload: no cookie comes back, and nothing is stored." }
                li { strong { "Put something in the cart, then sign in." } " The cart stays, and the id in the cookie is another one." }
                li { strong { "Change one letter of the cookie." } " Its signature no longer fits, and the store is not even asked." }
                li { strong { "Stop the shop and start it again." } " You are still signed in." }
                li { strong { "Sign in with a second browser, and end its session from your list." } " Its page says so at once." }
            }
        }
    }
}
