//! One session: what its record tells, its keys, and its end.

use cloakroom::manager::{FoundSession, SessionSummary};
use maud::{Markup, html};
use serde_json::Value;

use super::View;
use super::frame::Frame;
use super::list::device;
use super::words::{ago, bytes, number, until};
use crate::mask::{MASK, is_secret, revealed, shape};
use crate::operator::Right;

/// A key whose value is shown.
pub(crate) type Revealed<'a> = Option<&'a str>;

pub(crate) fn session(view: &View<'_>, found: &FoundSession, reveal: Revealed<'_>) -> Markup {
    let is_own = view.operator.owns(&found.id);
    let title = found
        .summary
        .user
        .as_deref()
        .unwrap_or("A session of nobody");
    let main = html! {
        p.crumb {
            @if let Some(user) = &found.summary.user { a href=(view.with("/user", &[("name", user.clone())])) { "All sessions of " (user) } }
            @else { a href=(view.to("/sessions")) { "Sessions" } }
        }
        h1 { (title) " " span.sub { (device(found)) } @if is_own { " " span.tag data-kind="own" { "yours" } } }
        @if is_own { p.note { "This is the session with which you are signed in here." } }
        div.columns.uneven {
            section { h2 { "Facts" } (facts(view, &found.summary)) }
            section { h2 { "Data" } (data(view, found, reveal)) }
        }
        @if view.may(Right::End) { (end(view, found)) }
    };
    Frame::new(title, "").around(view, &main)
}

fn facts(view: &View<'_>, summary: &SessionSummary) -> Markup {
    let rows = [
        ("Handle", html! { code { (summary.handle) } }),
        ("Began", ago(summary.created, view.now)),
        ("Signed in", ago(summary.signed_in, view.now)),
        ("Last used", ago(summary.last_seen, view.now)),
        ("Ends, unless used", until(summary.expires, view.now)),
        (
            "Address of the login",
            html! { @match summary.address { Some(address) => { (address) } None => { span.unknown { "unknown" } } } },
        ),
        (
            "User agent",
            html! { @match &summary.user_agent { Some(agent) => { (agent) } None => { span.unknown { "unknown" } } } },
        ),
        (
            "Record",
            html! { (bytes(summary.bytes as u64)) ", " (number(summary.keys.len() as u64)) " keys" },
        ),
    ];
    html! { dl.facts { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } } }
}

fn data(view: &View<'_>, found: &FoundSession, reveal: Revealed<'_>) -> Markup {
    let record = found
        .stored
        .as_ref()
        .and_then(|stored| serde_json::from_str::<Value>(&stored.text).ok());
    let Some(record) = record.filter(|_| found.summary.is_readable) else {
        return html! { p.note { "This record cannot be read. Its visitor is anonymous, and it can be ended." } };
    };
    if found.summary.keys.is_empty() {
        return html! { p.note { "There is nothing in it." } };
    }
    html! {
        table.data {
            thead { tr { th scope="col" { "Key" } th scope="col" { "Value" } } }
            tbody { @for key in &found.summary.keys {
                tr { th scope="row" { code { (key) } } td { (value(view, found, key, &record[key], reveal)) } }
            } }
        }
        p.note {
            @if view.may(Right::Reveal) { "Each value that you reveal is recorded, with your name. Keys that look like a secret's stay masked." }
            @else { "To reveal values takes a right that you do not have." }
        }
    }
}

fn value(
    view: &View<'_>,
    found: &FoundSession,
    key: &str,
    value: &Value,
    reveal: Revealed<'_>,
) -> Markup {
    if is_secret(key) {
        return html! { span.masked { (MASK) } " " span.unknown { "stays masked" } };
    }
    if reveal == Some(key) {
        return html! { pre.value tabindex="0" aria-label=(format!("Value of {key}")) { (revealed(key, value)) } };
    }
    html! {
        div.hiding {
            span { span.masked { (MASK) } " " span.unknown { (shape(value)) } }
            @if view.may(Right::Reveal) {
                form method="post" action=(view.to("/session/reveal")) {
                    (view.token()) (named(found))
                    input type="hidden" name="key" value=(key);
                    button.plain type="submit" { "Reveal" span.hidden { " " (key) } }
                }
            }
        }
    }
}

/// Returns the hidden fields that name a session: its handle and its user, both checked again.
pub(super) fn named(found: &FoundSession) -> Markup {
    html! {
        input type="hidden" name="handle" value=(found.summary.handle);
        input type="hidden" name="user" value=(found.summary.user.as_deref().unwrap_or_default());
    }
}

fn end(view: &View<'_>, found: &FoundSession) -> Markup {
    html! {
        section.act {
            h2 { "End this session" }
            form.stack method="post" action=(view.to("/session/end")) {
                (view.token()) (named(found))
                label for="reason" { "Reason, for the audit" }
                input #reason name="reason" autocomplete="off" maxlength="500";
                button.danger type="submit" { "End this session" }
            }
        }
    }
}
