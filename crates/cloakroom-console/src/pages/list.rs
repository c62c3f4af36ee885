//! The listing of sessions, a hundred at a time, and the form of its conditions.

use cloakroom::manager::{FoundSession, SessionFilter};
use maud::{Markup, html};

use super::View;
use super::frame::Frame;
use super::words::{ago, bytes, number, until};
use crate::operator::Right;
use crate::query::{self, Params, QueryError};

/// A page of the listing.
pub(crate) struct Listing<'a> {
    pub(crate) filter: &'a SessionFilter,
    /// The conditions as they were typed.
    pub(crate) params: &'a Params,
    /// A condition that could not be read.
    pub(crate) wrong: Option<&'a QueryError>,
    pub(crate) found: &'a [FoundSession],
    /// Sessions on the pages before.
    pub(crate) before: u64,
    /// The name of the rest; `None` on the last page.
    pub(crate) rest: Option<String>,
}

pub(crate) fn list(view: &View<'_>, listing: &Listing<'_>) -> Markup {
    let words = query::typed(listing.filter);
    let main = html! {
        h1 { "Sessions" }
        (conditions(view, listing))
        @if let Some(wrong) = listing.wrong {
            p.alert role="alert" { "The condition “" (wrong.field) "” cannot be read: " (wrong.mend) "." }
        } @else {
            div.bar {
                p { (position(listing)) }
                @if !listing.filter.is_empty() && view.may(Right::End) {
                    a.button.danger href=(view.with("/end", &query::fields(listing.filter))) { "End all that match…" }
                }
            }
            @if listing.found.is_empty() {
                p.empty { @if listing.rest.is_some() { "None so far that match: there are more to look through." } @else { "No live session matches." } }
            } @else { (table(view, listing.found)) }
            @if let Some(rest) = &listing.rest {
                @let mut fields = query::fields(listing.filter);
                @let () = fields.push(("rest", rest.clone()));
                p.pager { a.button rel="next" href=(view.with("/sessions", &fields)) { "Next page" } }
            }
        }
        p.note { "At a terminal: " code { "cloakroom sessions list" @if !words.is_empty() { " " (words) } } }
    };
    Frame::new("Sessions", "/sessions").around(view, &main)
}

fn position(listing: &Listing<'_>) -> Markup {
    let last = listing.before + listing.found.len() as u64;
    html! {
        @if listing.found.is_empty() { "None on this page" } @else {
            strong { (number(listing.before + 1)) "–" (number(last)) }
        }
        @if listing.rest.is_some() { ", and more" } @else { ", all of them" }
    }
}

fn conditions(view: &View<'_>, listing: &Listing<'_>) -> Markup {
    let filter = listing.filter;
    let value = |name: &str| listing.params.get(name).unwrap_or_default();
    let wheres: Vec<&str> = listing.params.all("where").collect();
    let text = |name: &'static str, label: &str, hint: &str, value: &str| {
        html! {
            div {
                label for=(format!("f-{name}")) { (label) }
                input id=(format!("f-{name}")) name=(name) value=(value) placeholder=(hint) autocomplete="off" spellcheck="false";
            }
        }
    };
    html! {
        details.filter open[!filter.is_empty() || listing.wrong.is_some()] {
            summary { "Conditions" @if !filter.is_empty() { " " span.count { (query::fields(filter).len()) } } }
            form method="get" action=(view.to("/sessions")) {
                div.fields {
                    (text("user", "User", "e.g. ada", value("user")))
                    (text("older", "Began at least … ago", "e.g. 3d", value("older")))
                    (text("idle", "Not used for", "e.g. 12h", value("idle")))
                    (text("expires-before", "Ends within", "e.g. 10m", value("expires-before")))
                    (text("agent", "User agent has", "e.g. firefox", value("agent")))
                    (text("where", "A key has a value", "e.g. role=admin", wheres.first().unwrap_or(&"")))
                    @for extra in wheres.iter().skip(1) { input type="hidden" name="where" value=(extra); }
                }
                div.checks {
                    label { input type="checkbox" name="signed-in" value="1" checked[filter.signed_in]; " signed in" }
                    label { input type="checkbox" name="anonymous" value="1" checked[filter.anonymous]; " of nobody" }
                    label { input type="checkbox" name="unreadable" value="1" checked[filter.unreadable]; " unreadable" }
                    button.primary type="submit" { "Show" }
                    @if !filter.is_empty() { a href=(view.to("/sessions")) { "Clear" } }
                }
            }
        }
    }
}

/// Returns a table of sessions.
pub(super) fn table(view: &View<'_>, found: &[FoundSession]) -> Markup {
    html! {
        table.rows {
            thead { tr {
                th scope="col" { "User" }
                th scope="col" { "Device" }
                th.wide scope="col" { "Began" }
                th scope="col" { "Last used" }
                th.wide scope="col" { "Ends" }
                th.num.wide scope="col" { "Size" }
                th.wide scope="col" { "Handle" }
            } }
            tbody { @for session in found { (row(view, session)) } }
        }
    }
}

fn row(view: &View<'_>, session: &FoundSession) -> Markup {
    let summary = &session.summary;
    html! {
        tr {
            td.user { (user(view, session)) @if view.operator.owns(&session.id) { " " span.tag data-kind="own" { "yours" } } }
            td { a href=(address(view, session)) { (device(session)) } }
            td.wide { (ago(summary.created, view.now)) }
            td { (ago(summary.last_seen, view.now)) }
            td.wide { (until(summary.expires, view.now)) }
            td.num.wide { (bytes(summary.bytes as u64)) }
            td.wide { code { (summary.handle) } }
        }
    }
}

fn user(view: &View<'_>, session: &FoundSession) -> Markup {
    html! {
        @match &session.summary.user {
            Some(user) => { a href=(view.with("/user", &[("name", user.clone())])) { (user) } }
            None if session.summary.is_readable => { span.unknown { "nobody" } }
            None => { span.tag data-kind="unknown" { "unreadable" } }
        }
    }
}

/// Returns the address of a session's page.
pub(super) fn address(view: &View<'_>, session: &FoundSession) -> String {
    let mut fields = vec![("handle", session.summary.handle.clone())];
    fields.extend(session.summary.user.clone().map(|user| ("user", user)));
    view.with("/session", &fields)
}

/// Returns the device in words.
pub(super) fn device(session: &FoundSession) -> String {
    match &session.summary.user_agent {
        Some(_) => session.summary.device(),
        None => "Unknown device".to_owned(),
    }
}
