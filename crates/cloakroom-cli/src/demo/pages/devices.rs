//! The page of a user's devices.

use std::time::SystemTime;

use cloakroom::auth::Device;
use maud::{Markup, html};

use super::frame::{Frame, token};
use crate::demo::visitor::Visitor;
use crate::demo::words::in_words;

/// `GET /devices`.
pub(crate) fn devices(visitor: &Visitor, devices: &[Device]) -> Markup {
    let frame = Frame {
        title: "Where you are signed in",
        here: "/devices",
        visitor: Some(visitor),
    };
    let current = devices.iter().filter(|device| device.is_current);
    let others = devices.iter().filter(|device| !device.is_current);
    frame.around(&html! {
        div.narrow {
            h1 { "Where you are signed in" }
            ul.devices role="list" {
                @for device in current.chain(others) { (entry(visitor, device)) }
            }
            div.actions {
                @if devices.len() > 1 {
                    form method="post" action="/logout-others" {
                        (token(visitor))
                        button.button.quiet.danger type="submit" { "Sign out all others" }
                    }
                }
                details.ask {
                    summary.button.quiet.danger { "Sign out everywhere" }
                    form method="post" action="/logout-all" {
                        (token(visitor))
                        p { "This browser is signed out as well." }
                        button.small.danger type="submit" { "Sign out everywhere, here too" }
                    }
                }
            }
            p.note {
                "Something here that is not yours? Sign it out and "
                a href="/password" { "change the password" } "."
            }
        }
    })
}

fn entry(visitor: &Visitor, device: &Device) -> Markup {
    let name = device.name();
    let action = format!("/devices/{}", device.handle);
    html! {
        li {
            div.about {
                h2 { (name) @if device.is_current { " " span.here { "this browser" } } }
                p { (seen(device)) }
                p { (signed_in(device)) }
            }
            form method="post" action=(action) {
                (token(visitor))
                button.small type="submit" {
                    "Sign out" span.hidden { ": " (name) ", " (seen(device)) }
                }
            }
        }
    }
}

fn seen(device: &Device) -> String {
    if device.is_current {
        "active now".to_owned()
    } else {
        format!("active {}", ago(device.last_seen))
    }
}

fn signed_in(device: &Device) -> String {
    let since = device.signed_in.or(device.created);
    let since = since.map_or("some time ago".to_owned(), ago);
    match device.address {
        Some(address) => format!("signed in {since} from {address}"),
        None => format!("signed in {since}"),
    }
}

fn ago(time: SystemTime) -> String {
    let since = SystemTime::now().duration_since(time).unwrap_or_default();
    format!("{} ago", in_words(since))
}
