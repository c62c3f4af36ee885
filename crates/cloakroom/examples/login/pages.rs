//! The pages, as they are in either framework.

use maud::{DOCTYPE, Markup, html};

use crate::people::Person;

/// A page, with the messages that were left for it.
fn page(title: &str, messages: &[(String, String)], body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
            }
            body {
                @for (kind, message) in messages { p class=(kind) role="status" { (message) } }
                (body)
            }
        }
    };
    page.into_string()
}

/// The home page, for anybody.
pub(crate) fn home(person: Option<&Person>, token: &str, messages: &[(String, String)]) -> String {
    let body = html! {
        h1 { "Library" }
        @if let Some(person) = person {
            p { "Hello " (person.name) "." }
            p { a href="/account" { "Your account" } }
            form method="post" action="/logout" {
                input type="hidden" name="_csrf" value=(token);
                button { "Sign out" }
            }
        } @else {
            p { a href="/login" { "Sign in" } }
        }
    };
    page("Library", messages, &body)
}

/// The login, with the way back.
pub(crate) fn login(next: &str, is_again: bool, messages: &[(String, String)]) -> String {
    let body = html! {
        h1 { "Sign in" }
        @if is_again { p { "Give your password once more: what you ask for needs it." } }
        form method="post" action="/login" {
            input type="hidden" name="next" value=(next);
            label { "Name " input name="name" autocomplete="username" required autofocus; }
            label { "Password " input name="password" type="password" autocomplete="current-password" required; }
            label { input name="remember" type="checkbox" value="yes"; " Remember me on this device" }
            button { "Sign in" }
        }
    };
    page("Sign in", messages, &body)
}

/// The account, with the devices that are signed in: name, handle, whether it is this one.
pub(crate) fn account(
    person: &Person,
    devices: &[(String, String, bool)],
    token: &str,
    messages: &[(String, String)],
) -> String {
    let body = html! {
        h1 { (person.name) }
        ul {
            @for (name, handle, is_current) in devices {
                li {
                    (name)
                    @if *is_current { " (this one)" } @else {
                        form method="post" action="/devices/end" {
                            input type="hidden" name="_csrf" value=(token);
                            input type="hidden" name="handle" value=(handle);
                            button { "Sign out" }
                        }
                    }
                }
            }
        }
        @if person.is_admin { p { a href="/admin" { "Administration" } } }
    };
    page("Account", messages, &body)
}
