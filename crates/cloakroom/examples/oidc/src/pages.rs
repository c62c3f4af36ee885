//! The pages: the front page, and the one that sends a browser on.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

use crate::sign_in::Account;

/// Sends the only form of the page.
pub(crate) const HOP_SCRIPT: &str = "document.forms[0].submit()";

/// No `form-action`: it would hold for the redirects after a form as well, which lead to the provider and on
/// from there. `origin`: pages' addresses have codes in them, and under `no-referrer` forms would be sent with
/// `Origin: null`.
const HEADERS: [(HeaderName, &str); 3] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "origin"),
    (CACHE_CONTROL, "no-store"),
];

/// Returns a page whose form sends itself, as a request of this site: it carries every cookie.
pub(crate) fn hop(action: &str, fields: &[(&str, String)]) -> Response {
    page(&html! {
        form method="post" action=(action) {
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button { "Continue" }
        }
        script src="/hop.js" {}
    })
}

/// Returns the front page, for whoever is signed in or not.
pub(crate) fn home(account: Option<&Account>, messages: &[(String, String)]) -> Response {
    page(&html! {
        @for (_, message) in messages { p role="status" { (message) } }
        @if let Some(account) = account {
            h1 { "Hello, " (account.name) }
            form method="post" action="/logout" { button { "Sign out" } }
        } @else {
            h1 { "Hello" }
            a href="/login" { "Sign in" }
        }
    })
}

/// Returns a page that says why a login came to nothing.
pub(crate) fn refused(status: StatusCode, text: &str) -> Response {
    let page = page(&html! {
        h1 { "You are not signed in" }
        p role="alert" { (text) }
        a href="/login" { "Try again" }
    });
    (status, page).into_response()
}

fn page(body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Shop" }
            }
            body { (body) }
        }
    };
    (HEADERS, page).into_response()
}
